"""Clients of Polygon, FMP and FRED over their public REST interfaces.

The base address selects the server: the provider, or a server with the same interface. An answer that cannot be read is
a ProviderError `malformed`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote as url_quote

import httpx

from app.services.provider_ports import Fundamentals, ProviderError, Quote, Series, Statement

T = TypeVar("T")


class _Http:
    """The common part: one GET, its failures as ProviderError, numbers as Decimal."""

    name = ""
    per_minute = 60.0

    def __init__(self, client: httpx.AsyncClient, base_url: str, key: str) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._key = key

    async def _get(self, path: str, read: Callable[[Any], T], **parameters: str) -> T:
        try:
            answer = await self._client.get(self._base_url + path, params=parameters)
        except httpx.TimeoutException as error:
            raise ProviderError("timeout", f"{self.name} did not answer in time") from error
        except httpx.HTTPError as error:
            raise ProviderError("unreachable", f"{self.name} cannot be reached") from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise ProviderError("unknown", f"{self.name} does not know it")
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise ProviderError("limited", f"{self.name} says that its rate limit is used up")
        if answer.status_code != HTTPStatus.OK:
            raise ProviderError("status", f"{self.name} answered {answer.status_code}")
        try:
            return read(answer.json(parse_float=Decimal))
        except (ValueError, KeyError, IndexError, TypeError, InvalidOperation, OverflowError, OSError) as error:
            # datetime raises OSError for a time out of its range, for example nanoseconds in place of seconds.
            raise ProviderError("malformed", f"{self.name} sent something unreadable") from error

    def _unsupported(self, what: str) -> ProviderError:
        return ProviderError("unsupported", f"{self.name} does not offer {what}")

    async def quote(self, symbol: str) -> Quote:  # noqa: ARG002
        """The last price."""
        raise self._unsupported("quotes")

    async def fundamentals(self, symbol: str) -> Fundamentals:  # noqa: ARG002
        """Statements by fiscal year."""
        raise self._unsupported("fundamentals")

    async def series(self, series_id: str) -> Series:  # noqa: ARG002
        """A macroeconomic series."""
        raise self._unsupported("series")


def _decimal(raw: object) -> Decimal:
    value = Decimal(str(raw))
    if not value.is_finite():
        raise ValueError("not a number")
    return value


def _positive(raw: object) -> Decimal:
    value = _decimal(raw)
    if value <= 0:
        raise ValueError("a price is positive")
    return value


class Polygon(_Http):
    """Previous day's bar."""

    name = "polygon"
    per_minute = 100.0

    async def quote(self, symbol: str) -> Quote:
        """The last daily bar's close."""

        def read(raw: Any) -> Quote:
            bar = raw["results"][0]
            at = datetime.fromtimestamp(int(bar["t"]) / 1000, UTC)
            return Quote(symbol, _positive(bar["c"]), int(bar["v"]), at)

        path = f"/v2/aggs/ticker/{url_quote(symbol, safe='')}/prev"
        return await self._get(path, read, adjusted="true", apiKey=self._key)


class Fmp(_Http):
    """Quotes and income statements."""

    name = "fmp"
    per_minute = 120.0

    async def quote(self, symbol: str) -> Quote:
        """The last price."""

        def read(raw: Any) -> Quote:
            row = raw[0]
            at = datetime.fromtimestamp(int(row["timestamp"]), UTC)
            return Quote(symbol, _positive(row["price"]), int(row["volume"]), at)

        return await self._get(f"/api/v3/quote/{url_quote(symbol, safe='')}", read, apikey=self._key)

    async def fundamentals(self, symbol: str) -> Fundamentals:
        """Income statements, newest first."""

        def read(raw: Any) -> Fundamentals:
            rows = [Statement(int(r["calendarYear"]), _decimal(r["revenue"]), _decimal(r["netIncome"])) for r in raw]
            if not rows:
                raise ValueError("no statement")
            return Fundamentals(symbol, tuple(sorted(rows, key=lambda s: -s.fiscal_year)))

        return await self._get(f"/api/v3/income-statement/{url_quote(symbol, safe='')}", read, apikey=self._key)


class Fred(_Http):
    """Macroeconomic series."""

    name = "fred"
    per_minute = 60.0

    async def series(self, series_id: str) -> Series:
        """All observations; FRED writes a missing one as a point."""

        def read(raw: Any) -> Series:
            rows = [
                (date.fromisoformat(o["date"]), _decimal(o["value"])) for o in raw["observations"] if o["value"] != "."
            ]
            return Series(series_id, tuple(sorted(rows)))

        return await self._get(
            "/fred/series/observations", read, series_id=series_id, api_key=self._key, file_type="json"
        )
