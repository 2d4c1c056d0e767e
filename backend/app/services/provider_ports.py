"""Providers of market data behind one Protocol, and the values they give."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

from app.core.errors import DawsosError

Endpoint = Literal["quote", "fundamentals", "series"]
# Why a call brought nothing. The first four say that the provider is unwell, and count against it.
Reason = Literal["timeout", "unreachable", "status", "malformed", "limited", "open", "unknown", "unsupported"]
PROVIDER_FAULTS: frozenset[Reason] = frozenset({"timeout", "unreachable", "status", "malformed"})


class ProviderError(DawsosError):
    """A call to one provider brought nothing; `reason` says why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class ProviderUnavailableError(DawsosError):
    """No provider answers and nothing is remembered."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The last price a provider knows, and when it was made."""

    symbol: str
    price: Decimal
    volume: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """One fiscal year of a company's statements; amounts in the reporting currency."""

    fiscal_year: int
    revenue: Decimal
    net_income: Decimal


@dataclass(frozen=True, slots=True)
class Fundamentals:
    """A company's statements, newest first."""

    symbol: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A macroeconomic series by date, oldest first."""

    series_id: str
    observations: tuple[tuple[date, Decimal], ...]


class Provider(Protocol):
    """One provider. Each method raises ProviderError, and nothing else; `unsupported` for what it does not offer."""

    name: str
    per_minute: float

    async def quote(self, symbol: str) -> Quote: ...
    async def fundamentals(self, symbol: str) -> Fundamentals: ...
    async def series(self, series_id: str) -> Series: ...


class ProviderMeter(Protocol):
    """Counts calls and shows breakers."""

    def called(self, provider: str, endpoint: Endpoint, status: str, seconds: float) -> None: ...
    def breaker(self, provider: str, gauge: int) -> None: ...
