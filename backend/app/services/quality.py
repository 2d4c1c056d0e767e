"""Ratings of companies from their statements."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.errors import NotFoundError
from app.core.ratings import Rating, rate
from app.services.analysis_ports import RatingStore, ReferenceData, StoredRating


class QualityService:
    """The use cases behind /v1/quality."""

    def __init__(self, store: RatingStore, reference: ReferenceData) -> None:
        self._store = store
        self._reference = reference

    def rate(self, symbols: Sequence[str]) -> list[Rating]:
        """In the order asked for; raises NotFoundError that names what cannot be rated."""
        wanted = list(dict.fromkeys(symbols))
        companies = {s: f.company for s, f in self._reference.fundamentals.items() if f.company is not None}
        missing = [symbol for symbol in wanted if symbol not in companies]
        if missing:
            raise NotFoundError(
                f"no five years of statements for {', '.join(missing)}; rated are {', '.join(companies)}"
            )
        return [rate(companies[symbol]) for symbol in wanted]

    def source(self, symbol: str) -> str:
        """Where the statements come from."""
        return self._reference.fundamentals[symbol].source

    def judgements(self, symbol: str) -> dict[str, str]:
        """The two judged scores behind a moat."""
        company = self._reference.fundamentals[symbol].company
        if company is None:
            raise NotFoundError(f"no judgement for {symbol}")
        return {
            "switching_costs": str(company.switching_costs),
            "network_effects": str(company.network_effects),
        }

    async def history(self, symbol: str) -> list[StoredRating]:
        """What earlier nights stored, newest fiscal year first."""
        return await self._store.rating_history(symbol)

    async def store_night(self) -> int:
        """Rate everything that can be rated and keep it; the number of companies."""
        rated = [rate(f.company) for f in self._reference.fundamentals.values() if f.company is not None]
        await self._store.save_ratings(rated, self._reference.fundamentals_digest)
        return len(rated)
