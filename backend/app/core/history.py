"""A portfolio's past out of its bookings and the packs of the days: what was held, and what each span earned.

Only securities are looked at. Buying brings money in, selling takes it out, and income is earned by the span in which
it is paid and leaves at its end; so cash lying idle neither helps nor harms the return. Everything is in base currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from app.core.attribution import Holding
from app.core.bookings import QUANTITY_PLACES
from app.core.errors import UnpricedError
from app.core.money import divide, multiply, quantize
from app.core.pack import PackContent
from app.core.performance import DatedPeriod
from app.core.reconcile import DUST
from app.core.twr import Period

ONE = Decimal(1)
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Event:
    """One booking: shares added (or, negative, taken away), what a split multiplies by, money put in, income."""

    day: date
    symbol: str
    quantity: Decimal = NOTHING
    ratio: Decimal = ONE
    flow: Decimal = NOTHING
    income: Decimal = NOTHING


@dataclass(frozen=True, slots=True)
class Mark:
    """A day with prices."""

    day: date
    pack: PackContent


class Walk:
    """Holdings as the days go by; each event is looked at once, so a long life costs no more than its bookings."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = sorted(events, key=lambda e: e.day)
        self._at = 0
        self._held: dict[str, Decimal] = {}

    def until(self, day: date) -> list[Event]:
        """Go on to the end of a day; the events that were passed. Events of one day count in their order."""
        first = self._at
        while self._at < len(self._events) and self._events[self._at].day <= day:
            event = self._events[self._at]
            self._held[event.symbol] = _after(event, self._held.get(event.symbol, NOTHING))
            self._at += 1
        return self._events[first : self._at]

    def held(self) -> dict[str, Decimal]:
        """Quantity by symbol, without what came to nothing."""
        return {symbol: quantity for symbol, quantity in self._held.items() if quantity != 0}


def _after(event: Event, before: Decimal) -> Decimal:
    # Lots keep ten decimals of what a split makes of them, one by one: their sale may miss the whole by a little, and
    # a remainder that nobody holds would turn the sale of everything into a loss of everything.
    quantity = multiply(before, event.ratio)
    left = event.quantity + (quantity if event.ratio == ONE else quantize(quantity, QUANTITY_PLACES))
    return NOTHING if event.quantity < 0 and abs(left) <= DUST else left


def held_on(events: Sequence[Event], day: date) -> dict[str, Decimal]:
    """Quantity by symbol at the end of a day."""
    walk = Walk(events)
    walk.until(day)
    return walk.held()


def worth(held: Mapping[str, Decimal], pack: PackContent, base: str) -> Decimal:
    """Value of holdings under a pack; raises UnpricedError for a holding without a price."""
    return sum((value for _, value in values(held, pack, base)), NOTHING)


def values(held: Mapping[str, Decimal], pack: PackContent, base: str) -> list[tuple[str, Decimal]]:
    """(symbol, value) of each holding, by symbol."""
    prices, table = pack.price_of(), pack.table()
    missing = sorted(set(held) - set(prices))
    if missing:
        raise UnpricedError(f"the pack of {pack.asof_date.isoformat()} has no price for {', '.join(missing)}")
    return [
        (symbol, multiply(held[symbol], prices[symbol].close, table.rate(prices[symbol].currency, base)))
        for symbol in sorted(held)
    ]


def periods(events: Sequence[Event], marks: Sequence[Mark], base: str) -> tuple[date, list[DatedPeriod]]:
    """The span's first day and its periods, one per mark after it, as long as something is invested.

    Marks before the first purchase and after the last sale are left out. Raises ValueError when less than two marks
    are left, and when something is bought again after a gap: a chain over it does not exist.
    """
    found: list[DatedPeriod] = []
    start, gap = None, None
    walk, opening = Walk(events), NOTHING
    if marks:
        walk.until(marks[0].day)
        opening = worth(walk.held(), marks[0].pack, base)
    for before, mark in pairwise(marks):
        within = walk.until(mark.day)
        put_in, paid = _moved(within)
        closing = worth(walk.held(), mark.pack, base)
        if opening == put_in == closing == 0:
            gap = before.day if found else None
            continue
        if gap is not None:
            raise ValueError(f"nothing was invested from {gap.isoformat()} on: ask for a span before or after")
        start = start or before.day
        found.append(DatedPeriod(mark.day, Period(opening, put_in, closing, paid)))
        opening = closing
    if start is None:
        raise ValueError("a return needs two days with prices and something invested")
    return start, found


def _moved(within: Sequence[Event]) -> tuple[Decimal, Decimal]:
    """What had to be put in at the start of a span, and what left at its end: what sales brought besides, and income.

    What a day's sales bring pays for what is bought after them, and so may the sale of one security for the purchase of
    another that was booked first. Only what is sold on the day it was bought needed money of its own before.
    """
    bought = {e.symbol for e in within if e.flow > 0}
    balance = put_in = NOTHING
    for event in sorted(within, key=lambda e: (e.day, e.symbol in bought)):
        balance += event.flow
        put_in = max(put_in, balance)
    return put_in, put_in - balance + sum((e.income for e in within), NOTHING)


def unchanged(events: Sequence[Event], first: Mark, last: Mark, base: str) -> list[Holding]:
    """What was held at both ends, in the smaller quantity of the two; a split in between is undone."""
    factor: dict[str, Decimal] = {}
    for event in events:
        if first.day < event.day <= last.day:
            factor[event.symbol] = multiply(factor.get(event.symbol, ONE), event.ratio)
    before, after = held_on(events, first.day), held_on(events, last.day)
    prices = first.pack.price_of(), last.pack.price_of()
    tables = first.pack.table(), last.pack.table()
    found = []
    for symbol in sorted(before.keys() & after.keys() & prices[0].keys() & prices[1].keys()):
        scale = factor.get(symbol, ONE)
        currency = prices[0][symbol].currency
        # In shares of the first day: later ones are worth `scale` of them each.
        quantity = min(multiply(before[symbol], scale), after[symbol])
        price = prices[0][symbol].close, multiply(prices[1][symbol].close, scale)
        found.append(
            Holding(
                symbol,
                currency,
                divide(quantity, scale),
                price,
                (tables[0].rate(currency, base), tables[1].rate(currency, base)),
            )
        )
    return found
