"""A portfolio as a PDF, if the export rights of every source in it allow that."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

from app.core.errors import DawsosError
from app.core.rights import may_export_pdf
from app.services import packs
from app.services.pdf import Sheet, render
from app.services.portfolios import PortfolioService
from app.services.ports import PackStore, RightsStore


class ExportRefusedError(DawsosError):
    """A source in the document does not allow the export; the message names it and the reason."""


class ExportService:
    """The use case behind /v1/exports."""

    def __init__(self, portfolios: PortfolioService, packs_: PackStore, rights: RightsStore) -> None:
        self._portfolios = portfolios
        self._packs = packs_
        self._rights = rights

    async def pdf(self, user_id: UUID, portfolio_id: UUID, pack_id: str | None = None) -> bytes:
        """The valuation under a pack. Raises NotFoundError, ExportRefusedError."""
        valued = await self._portfolios.value(user_id, portfolio_id, pack_id)
        document = json.loads(valued.body)
        header = await packs.by_id(self._packs, valued.pack.id)
        content = await self._portfolios.pack_content(header)
        held = {position["symbol"] for position in document["positions"]}
        sources = {price.source for price in content.prices if price.symbol in held} | {"ecb"}
        decision = may_export_pdf(sources, await self._rights.rights())
        if decision.refused:
            raise ExportRefusedError("export refused: " + "; ".join(decision.refused))
        portfolio = (await self._portfolios.get(user_id, portfolio_id)).portfolio
        sheet = Sheet(
            title=portfolio.name,
            base_currency=document["base_currency"],
            asof=header.asof_date.isoformat(),
            pack_id=header.id,
            pack_hash=header.hash,
            stale=valued.stale,
            rows=tuple(
                (p["symbol"], p["quantity"], p["price"], p["currency"], p["fx_rate"], p["value"])
                for p in document["positions"]
            ),
            total=document["total"],
            attributions=decision.attributions,
        )
        # Laying out a page keeps a core busy; the loop has other requests.
        return await asyncio.to_thread(render, sheet)
