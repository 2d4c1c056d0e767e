"""Random lives of a portfolio: journal, lots and bookings always tell one story, and Beancount agrees with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from beancount import loader
from hypothesis import given
from hypothesis import strategies as st

from app.core import inventory, journal, reconcile
from app.core.bookings import Booked, Booking, CashMovement, Dividend, Split, cash_effect, split_lot
from app.core.lots import Lot, Transaction, fifo
from app.core.money import multiply, quantize, relative_difference
from app.storage.beancount import read_journal
from tests.support import evidence

D = Decimal
START = date(2024, 1, 2)
SYMBOLS = ("AAPL", "BMW.DE")
KINDS = ("buy", "buy", "sell", "split", "dividend", "cash")

number = st.integers(1, 10**7).map(lambda n: D(n) / 1000)
step = st.tuples(st.sampled_from(KINDS), st.sampled_from(SYMBOLS), number, number, st.integers(0, 2))


class Life:
    """A portfolio kept the way the service keeps one."""

    def __init__(self) -> None:
        self.lots: list[Lot] = []
        self.bookings: list[Booking] = []
        self.cash: dict[str, D] = {}
        self.text = journal.opening("Life", "USD", START, D(0))
        self.day = START

    def live(self, kind: str, symbol: str, amount: D, price: D, days: int) -> None:
        """One step; what would be refused is left out."""
        self.day += timedelta(days=days)
        key = UUID(int=len(self.bookings) + 1)
        mine = [lot for lot in self.lots if lot.symbol == symbol]
        held = sum((lot.quantity for lot in mine), D(0))
        if kind == "buy":
            bought = Transaction(key, symbol, "buy", amount, price, "USD", D("1.25"), self.day)
            self.lots.append(Lot(key, symbol, self.day, len(self.bookings), amount, price, "USD", D("1.25")))
            self._book(bought)
        elif kind == "sell" and held > 0:
            self._sell(Transaction(key, symbol, "sell", min(amount, held), price, "USD", D("1.5"), self.day), mine)
        elif kind == "split" and mine:
            split = Split(key, symbol, self.day, D(int(amount) % 7 + 1), D(int(price) % 7 + 1))
            pairs = [(lot, split_lot(lot, split)) for lot in mine]
            changed = {after.id: after for _, after in pairs}
            self.lots = [changed.get(lot.id, lot) for lot in self.lots]
            self._book(split, replaced=pairs)
        elif kind == "dividend" and held > 0:
            paid = (self.day, self.day, held, price, multiply(held, price) / 8)
            self._book(Dividend(key, symbol, *paid, "USD", D("1.1")))
        elif kind == "cash":
            self._book(CashMovement(key, self.day, "EUR", amount - price or D(1), D(1)))

    def _sell(self, sold: Transaction, mine: list[Lot]) -> None:
        disposals = fifo(mine, sold.quantity)
        left = {d.lot.id: d.remaining for d in disposals}
        self.lots = [replace(lot, quantity=left.get(lot.id, lot.quantity)) for lot in self.lots]
        self.lots = [lot for lot in self.lots if lot.quantity > 0]
        profit = sum((multiply(d.quantity, sold.price - d.lot.unit_cost) for d in disposals), D(0))
        self._book(sold, quantize(profit))

    def _book(self, booking: Booking, realised: D | None = None, replaced: journal.Replaced = ()) -> None:
        effect = cash_effect(booking)
        if effect is not None:
            self.cash[effect[0]] = self.cash.get(effect[0], D(0)) + effect[1]
        self.bookings.append(booking)
        self.text += journal.entry(Booked(len(self.bookings), booking, realised), replaced)


def _worst_bp(books: inventory.Books, life: Life) -> float:
    """The largest difference between what the journal and the lots say a symbol cost, in basis points."""
    costs: dict[str, D] = {}
    for lot in life.lots:
        costs[lot.symbol] = costs.get(lot.symbol, D(0)) + multiply(lot.quantity, lot.unit_cost, lot.fx_rate)
    return max((float(relative_difference(books.cost(s), c) * 10_000) for s, c in costs.items()), default=0.0)


@given(st.lists(step, max_size=12))
def test_journal_lots_bookings_and_beancount_agree(steps: list[tuple[Any, ...]]) -> None:
    life = Life()
    for one in steps:
        life.live(*one)
    books = inventory.book(read_journal(life.text))
    evidence.worst("reconciliation_worst_bp", _worst_bp(books, life))
    assert reconcile.against_journal(books, life.lots, life.cash) == []
    assert reconcile.against_bookings(life.lots, life.bookings) == []
    assert loader.load_string(life.text)[1] == []


def _counts(amount: str) -> bool:
    """Twice the amount is another amount, and not only by dust."""
    return abs(D(amount)) > reconcile.DUST


@given(st.lists(step, min_size=1, max_size=12), st.data())
def test_a_changed_number_of_shares_or_cash_is_always_found(steps: list[tuple[Any, ...]], data: st.DataObject) -> None:
    life = Life()
    life.live("buy", "AAPL", D(10), D(10), 0)
    for one in steps:
        life.live(*one)
    lines = life.text.splitlines()
    at = data.draw(
        st.sampled_from(
            [i for i, line in enumerate(lines) if line.startswith("  Assets:Cash") and _counts(line.split()[1])]
        )
    )
    account, amount, currency = lines[at].split()
    lines[at] = f"  {account}  {D(amount) * 2} {currency}"
    books = inventory.book(read_journal("\n".join(lines) + "\n"))
    # A cent is still within the limit of a balance that is large enough.
    assert abs(D(amount)) <= reconcile.MONEY_LIMIT or reconcile.against_journal(books, life.lots, life.cash)


ratio = st.tuples(st.integers(1, 1000), st.integers(1, 1000))


@given(number, number, st.lists(ratio, min_size=1, max_size=4))
def test_splits_never_change_the_total_cost(quantity: D, cost: D, ratios: list[tuple[int, int]]) -> None:
    lot = Lot(UUID(int=1), "AAPL", START, 1, quantity, cost, "USD", D(1))
    for new, old in ratios:
        after = Split(UUID(int=2), "AAPL", START, D(new), D(old))
        if after.applied(lot.quantity) <= 0:
            return
        lot = split_lot(lot, after)
    exact = Fraction(quantity) * Fraction(cost)
    assert abs(Fraction(lot.quantity) * Fraction(lot.unit_cost) - exact) <= exact / 10**20
