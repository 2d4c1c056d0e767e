"""/v1/market and /v1/exports."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from app.api.alert_schemas import NewExport, QuoteOut
from app.api.decimal_json import DecimalJsonRoute
from app.api.dependencies import CurrentUser, ServicesDep

router = APIRouter(prefix="/v1", route_class=DecimalJsonRoute)


@router.get("/market/quote")
async def quote(
    symbol: Annotated[str, Query(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9.^=-]+$")],
    _: CurrentUser,
    services: ServicesDep,
    response: Response,
) -> QuoteOut:
    """The last price of a symbol. When no provider answers, the last known price with `X-Data-Stale: true`."""
    found = await services.market.quote(symbol)
    if found.stale:
        response.headers["X-Data-Stale"] = "true"
    return QuoteOut.of(found)


@router.post(
    "/exports/pdf", response_class=Response, responses={200: {"content": {"application/pdf": {}}, "description": "PDF"}}
)
async def pdf(body: NewExport, user: CurrentUser, services: ServicesDep) -> Response:
    """The valuation as a PDF; 403 with the reason when a source in it does not allow the export."""
    made = await services.exports.pdf(user, body.portfolio_id, body.pricing_pack_id)
    disposition = f'attachment; filename="portfolio-{body.portfolio_id}.pdf"'
    return Response(made, media_type="application/pdf", headers={"Content-Disposition": disposition})
