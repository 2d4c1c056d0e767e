"""/v1/pricing and /v1/jobs: packs, and the job record of the newest night."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from app.api.dependencies import CurrentUser, ServicesDep
from app.api.schemas import BookingDate, JobOut, NightOut, PackDetailOut, PackOut, PriceOut, RateOut
from app.services import packs
from app.services.nightly import order_problem

router = APIRouter(prefix="/v1")
PackId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._\-]{1,64}$")]


def pack_headers(stale: bool) -> dict[str, str]:
    """The header that marks an answer under an older pack than the newest expected one."""
    return {"X-Pricing-Pack-Stale": "true"} if stale else {}


@router.get("/pricing/latest")
async def latest(_: CurrentUser, services: ServicesDep, response: Response, date: BookingDate | None = None) -> PackOut:
    """The pack being served: the newest fresh one. With a date, the newest pack of that date, fresh or warming."""
    if date is not None:
        return PackOut.of(await packs.head_of(services.packs, date))
    served = await packs.current(services.packs, services.jobs)
    response.headers.update(pack_headers(served.stale))
    return PackOut.of(served.pack)


@router.get("/pricing/packs/{pack_id}")
async def by_id(pack_id: PackId, _: CurrentUser, services: ServicesDep) -> PackDetailOut:
    """Any pack with all its rows, superseded or not."""
    header = await packs.by_id(services.packs, pack_id)
    content = await services.portfolios.pack_content(header)
    prices = [
        PriceOut(symbol=p.symbol, close=p.close, currency=p.currency, source=p.source, observed_on=p.observed_on)
        for p in sorted(content.prices, key=lambda p: p.symbol)
    ]
    rates = [
        RateOut(base=r.base, quote=r.quote, rate=r.rate, observed_on=r.observed_on)
        for r in sorted(content.rates, key=lambda r: (r.base, r.quote))
    ]
    return PackDetailOut(**PackOut.of(header).model_dump(), prices=prices, rates=rates)


@router.get("/jobs/latest")
async def latest_night(_: CurrentUser, services: ServicesDep) -> NightOut:
    """The newest night as recorded."""
    runs = await services.jobs.last_night()
    problem = order_problem(runs)
    return NightOut(order_ok=problem is None, problem=problem, runs=[JobOut.of(run) for run in runs])
