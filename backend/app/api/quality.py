"""/v1/quality: ratings of companies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.api.dependencies import CurrentUser, ServicesDep
from app.api.quality_schemas import MoatOut, RatingOut, ScoreOut, StoredRatingOut
from app.core.ratings import Rating
from app.services.context import Services

router = APIRouter(prefix="/v1/quality")
ONE = r"[A-Z0-9][A-Z0-9.\-]{0,31}"
SymbolList = Annotated[str, Query(pattern=f"^{ONE}(,{ONE}){{0,19}}$", examples=["KO,WMT,JNJ"])]
OneSymbol = Annotated[str, Query(pattern=f"^{ONE}$", examples=["JNJ"])]


@router.get("/moat")
async def moat(request: Request, _: CurrentUser, services: ServicesDep, symbols: SymbolList) -> list[MoatOut]:
    """How well a company's returns are protected, 0 to 10; 404 when one of them has no five years of statements."""
    _count(request, "moat")
    return [_moat(services, rating) for rating in services.analysis.quality.rate(symbols.split(","))]


@router.get("/dividend-safety")
async def dividend_safety(request: Request, _: CurrentUser, services: ServicesDep, symbol: OneSymbol) -> ScoreOut:
    """Payout, coverage by free cash flow, streak of raises and net cash."""
    _count(request, "dividend_safety")
    (rating,) = services.analysis.quality.rate([symbol])
    return ScoreOut.of(rating, rating.dividend_safety, services.analysis.quality.source(symbol))


@router.get("/ratings")
async def ratings(request: Request, _: CurrentUser, services: ServicesDep, symbols: SymbolList) -> list[RatingOut]:
    """All scores of companies, and what the nights stored of them."""
    _count(request, "overall")
    quality = services.analysis.quality
    return [
        RatingOut(
            symbol=r.symbol,
            fiscal_year=r.fiscal_year,
            overall=r.overall,
            dividend_safety=ScoreOut.of(r, r.dividend_safety, quality.source(r.symbol)),
            moat=_moat(services, r),
            resilience=ScoreOut.of(r, r.resilience, quality.source(r.symbol)),
            history=[StoredRatingOut.of(s) for s in await quality.history(r.symbol)],
        )
        for r in quality.rate(symbols.split(","))
    ]


def _moat(services: Services, rating: Rating) -> MoatOut:
    quality = services.analysis.quality
    score = ScoreOut.of(rating, rating.moat, quality.source(rating.symbol))
    return MoatOut(**dict(score), judgements=quality.judgements(rating.symbol))


def _count(request: Request, kind: str) -> None:
    request.app.state.telemetry.ratings.labels(kind).inc()
