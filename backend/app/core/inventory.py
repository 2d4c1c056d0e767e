"""The holdings that a journal records, computed from its text alone, without any row of the database.

This is the second of the two computations that reconciliation compares. It books as Beancount does: directives in order
of their dates (then of the file), reductions without a cost first in, first out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Context, Decimal, InvalidOperation

from app.core.errors import JournalError
from app.core.journal import CASH, POSITIONS
from app.core.money import multiply, plain

# The database adds balances without rounding. In 28 digits the largest trades would swallow the cents of the others,
# and a portfolio with a difference stops the nightly jobs for all users.
WHOLE = Context(prec=200)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost part of a posting; an empty one (`{}`) has no number."""

    number: Decimal | None = None
    currency: str | None = None
    day: date | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg; a leg without an amount is left to Beancount to fill in and never touches what is counted here."""

    account: str
    number: Decimal | None = None
    currency: str | None = None
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class Directive:
    """One transaction of the journal, with its line in the file."""

    line: int
    day: date
    meta: Mapping[str, str]
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is left of one lot as the journal tells it; `fx_rate` is the one locked when it was bought."""

    label: str
    day: date
    quantity: Decimal
    unit_cost: Decimal
    fx_rate: Decimal


@dataclass
class Books:
    """The state after all directives."""

    parcels: dict[str, list[Parcel]] = field(default_factory=dict)
    cash: dict[str, Decimal] = field(default_factory=dict)
    _rates: dict[str, Decimal] = field(default_factory=dict)

    def quantity(self, symbol: str) -> Decimal:
        """Shares held."""
        return sum((p.quantity for p in self.parcels.get(symbol, [])), Decimal(0))

    def cost(self, symbol: str) -> Decimal:
        """Cost in base currency, each parcel at its own rate."""
        held = self.parcels.get(symbol, [])
        return sum((multiply(p.quantity, p.unit_cost, p.fx_rate) for p in held), Decimal(0))

    def symbols(self) -> set[str]:
        """What is held at all."""
        return {symbol for symbol in self.parcels if self.quantity(symbol) != 0}

    def book(self, directive: Directive) -> None:
        """Apply one directive; raises JournalError when it takes what is not there."""
        for posting in directive.postings:
            if posting.number is None or posting.currency is None:
                if posting.account in (CASH, POSITIONS):
                    raise JournalError(f"line {directive.line}: {posting.account} has no amount")
            elif posting.account == CASH:
                balance = self.cash.get(posting.currency, Decimal(0))
                self.cash[posting.currency] = WHOLE.add(balance, posting.number)
            elif posting.account == POSITIONS and posting.number < 0:
                self._reduce(directive, posting.currency, -posting.number, posting.cost or Cost())
            elif posting.account == POSITIONS:
                self._augment(directive, posting.currency, posting.number, posting.cost or Cost())

    def _augment(self, directive: Directive, symbol: str, quantity: Decimal, cost: Cost) -> None:
        if cost.number is None or cost.label is None:
            raise JournalError(f"line {directive.line}: {symbol} comes without cost or label")
        # A split brings a parcel back under its label: the rate of its purchase stays with it.
        if "fx_rate" in directive.meta:
            self._rates[cost.label] = _rate(directive)
        rate = self._rates.get(cost.label)
        if rate is None:
            raise JournalError(f"line {directive.line}: {symbol} comes without fx_rate")
        parcel = Parcel(cost.label, cost.day or directive.day, quantity, cost.number, rate)
        self.parcels.setdefault(symbol, []).append(parcel)

    def _reduce(self, directive: Directive, symbol: str, quantity: Decimal, cost: Cost) -> None:
        held = self.parcels.get(symbol, [])
        # Stable: parcels of one day go in the order in which they came.
        candidates = sorted((p for p in held if cost.label in (None, p.label)), key=lambda p: p.day)
        left = quantity
        for parcel in candidates:
            taken = min(parcel.quantity, left)
            at = held.index(parcel)
            held[at : at + 1] = [replace(parcel, quantity=parcel.quantity - taken)] if taken < parcel.quantity else []
            left -= taken
            if left == 0:
                return
        raise JournalError(f"line {directive.line}: {plain(left)} {symbol} more than held")


def _rate(directive: Directive) -> Decimal:
    try:
        return Decimal(directive.meta["fx_rate"])
    except InvalidOperation:
        raise JournalError(f"line {directive.line}: {directive.meta['fx_rate']!r} is not a rate") from None


def book(directives: Iterable[Directive]) -> Books:
    """The books after all directives, in Beancount's order."""
    books = Books()
    for directive in sorted(directives, key=lambda d: (d.day, d.line)):
        books.book(directive)
    return books
