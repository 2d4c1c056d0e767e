"""/v1/economic and /v1/macro: indicators, the regime, exposures of a portfolio, scenarios."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.api.analysis_schemas import RegressionOut, tilts_out
from app.api.decimal_json import DecimalJsonRoute
from app.api.dependencies import CurrentUser, ServicesDep
from app.api.macro_schemas import ExposureOut, IndicatorOut, NewScenario, QuarterRegimeOut, RegimeOut, ScenarioOut
from app.api.pricing import pack_headers
from app.api.schemas import IsoDate
from app.core.errors import AnalysisError
from app.core.money import multiply, quantize
from app.core.scenario import DrawdownAtRisk

router = APIRouter(prefix="/v1", route_class=DecimalJsonRoute)
SeriesList = Annotated[str, Query(pattern=r"^[A-Z0-9]{1,20}(,[A-Z0-9]{1,20}){0,19}$", examples=["GDP,CPIAUCSL,UNRATE"])]
MacroDate = Annotated[IsoDate | None, Query(ge=date(1900, 1, 1), le=date(2200, 1, 1))]
ScenarioName = Annotated[str, Path(pattern=r"^[a-z_]{1,40}$", examples=["recession"])]
FIRST = date(1900, 1, 1)
# Every security of the universe is a share; cash is not at risk in these scenarios.
ALL_EQUITY = {"equity": Decimal(1)}


@router.get("/economic/indicators")
async def indicators(_: CurrentUser, services: ServicesDep, series: SeriesList) -> list[IndicatorOut]:
    """The newest values of series by their FRED names, comma separated; 404 names the known ones."""
    today = services.bookings.today()
    return [IndicatorOut.of(i) for i in await services.analysis.macro.indicators(series.split(","), today)]


@router.get("/macro/regime")
async def regime(request: Request, _: CurrentUser, services: ServicesDep, date: MacroDate = None) -> RegimeOut:
    """The regime of the economy at a date (today): label, confidence and readings."""
    found = await services.analysis.macro.regime(date or services.bookings.today())
    request.app.state.telemetry.regimes.labels(found.regime.label).inc()
    return RegimeOut.of(found)


@router.get("/macro/regimes")
async def regimes(
    _: CurrentUser, services: ServicesDep, start: MacroDate = None, end: MacroDate = None
) -> list[QuarterRegimeOut]:
    """The regime of every quarter that began in a span, as the night stored it."""
    found = await services.analysis.macro.regimes(start or FIRST, end or services.bookings.today())
    return [QuarterRegimeOut.of(s) for s in found]


@router.get("/macro/factor-exposure")
async def exposure(portfolio_id: UUID, user: CurrentUser, services: ServicesDep, response: Response) -> ExposureOut:
    """Style tilts under the pack being served, and a regression of the last year's returns once there are sixty."""
    found = await services.analysis.exposure.of(user, portfolio_id)
    response.headers.update(pack_headers(found.served.stale))
    pack = found.served.pack
    regression, why = None, None
    try:
        regression = RegressionOut.of(
            await services.analysis.performance.regression(user, portfolio_id, pack.asof_date)
        )
    except AnalysisError as error:
        why = str(error)
    return ExposureOut(
        portfolio_id=portfolio_id,
        pricing_pack_id=pack.id,
        ledger_commit_hash=pack.ledger_commit_hash,
        **tilts_out(found.tilts),
        regression=regression,
        why_no_regression=why,
    )


@router.post("/macro/scenarios/{name}")
async def scenario(
    name: ScenarioName,
    body: NewScenario,
    request: Request,
    user: CurrentUser,
    services: ServicesDep,
    response: Response,
) -> ScenarioOut:
    """Drawdown at risk: what past episodes of this kind would do, with the 90 % interval of their mean."""
    if body.portfolio_id is None:
        weights: dict[str, Decimal] = {str(kind): weight for kind, weight in (body.weights or {}).items()}
        return _scenario(request, services.analysis.macro.scenario(name, weights, body.seed), name, body.seed, weights)
    found = await services.analysis.exposure.of(user, body.portfolio_id)
    response.headers.update(pack_headers(found.served.stale))
    drawdown = services.analysis.macro.scenario(name, ALL_EQUITY, body.seed)
    answer = _scenario(request, drawdown, name, body.seed, ALL_EQUITY)
    answer.value = quantize(found.total)
    answer.loss = quantize(multiply(found.total, -drawdown.expected))
    answer.base_currency = found.portfolio.base_currency
    return answer


def _scenario(
    request: Request, found: DrawdownAtRisk, name: str, seed: int, weights: dict[str, Decimal]
) -> ScenarioOut:
    request.app.state.telemetry.scenarios.inc()
    return ScenarioOut.of(name, seed, weights, found)
