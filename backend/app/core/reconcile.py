"""Comparison of journal, lots, balances and bookings: four readings in, discrepancies out.

Quantities may differ by 1e-6, costs and balances by one cent, and nothing by more than a basis point: both limits hold,
so a cent too much in a small position is found as well as a basis point in a large one. Only dust is no difference:
a split is rounded lot by lot to ten decimals, and their sum may end a few units of the last place beside the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from app.core.bookings import Booking, holdings
from app.core.inventory import Books
from app.core.lots import Lot, held
from app.core.money import CONTEXT, multiply, plain, within_one_bp

QUANTITY_LIMIT = Decimal("0.000001")
MONEY_LIMIT = Decimal("0.01")
# What a hundred roundings to ten decimals can add up to.
DUST = Decimal("0.00000001")
Discrepancy = dict[str, str]


def agree(left: Decimal, right: Decimal, limit: Decimal) -> bool:
    """Within one basis point and within the limit, or apart by dust alone."""
    gap = abs(CONTEXT.subtract(left, right))
    return gap <= DUST or (gap <= limit and within_one_bp(left, right))


def against_journal(books: Books, lots: Iterable[Lot], cash: Mapping[str, Decimal]) -> list[Discrepancy]:
    """Every symbol and currency in which the journal and the database differ."""
    open_lots = list(lots)
    quantities = held((lot.symbol, lot.quantity) for lot in open_lots)
    costs: dict[str, Decimal] = {}
    for lot in open_lots:
        cost = multiply(lot.quantity, lot.unit_cost, lot.fx_rate)
        costs[lot.symbol] = costs.get(lot.symbol, Decimal(0)) + cost
    found: list[Discrepancy] = []
    for symbol in sorted(books.symbols() | quantities.keys()):
        left, right = (
            (books.quantity(symbol), books.cost(symbol)),
            (quantities.get(symbol, Decimal(0)), costs.get(symbol, Decimal(0))),
        )
        if not (agree(left[0], right[0], QUANTITY_LIMIT) and agree(left[1], right[1], MONEY_LIMIT)):
            found.append(_position(symbol, left, right))
    for currency in sorted(books.cash.keys() | cash.keys()):
        ledger, database = books.cash.get(currency, Decimal(0)), cash.get(currency, Decimal(0))
        if not agree(ledger, database, MONEY_LIMIT):
            found.append(
                {
                    "kind": "cash",
                    "currency": currency,
                    "ledger": plain(ledger),
                    "database": plain(database),
                    "difference": plain(ledger - database),
                    "detail": f"cash {currency}: journal has {plain(ledger)}, balance is {plain(database)}",
                }
            )
    return found


def _position(symbol: str, ledger: tuple[Decimal, Decimal], database: tuple[Decimal, Decimal]) -> Discrepancy:
    return {
        "kind": "position",
        "symbol": symbol,
        "ledger_qty": plain(ledger[0]),
        "db_qty": plain(database[0]),
        "qty_diff": plain(ledger[0] - database[0]),
        "ledger_cost": plain(ledger[1]),
        "db_cost": plain(database[1]),
        "cost_diff": plain(ledger[1] - database[1]),
        "detail": (
            f"{symbol}: journal holds {plain(ledger[0])} at {plain(ledger[1])}, "
            f"lots hold {plain(database[0])} at {plain(database[1])}"
        ),
    }


def against_bookings(lots: Iterable[Lot], bookings: Iterable[Booking]) -> list[Discrepancy]:
    """Holdings recomputed from the bookings alone, compared with the lots, to one basis point."""
    from_lots, from_bookings = held((lot.symbol, lot.quantity) for lot in lots), holdings(bookings)
    found = []
    for symbol in sorted(from_lots.keys() | from_bookings.keys()):
        left, right = from_lots.get(symbol, Decimal(0)), from_bookings.get(symbol, Decimal(0))
        if not agree(left, right, QUANTITY_LIMIT):
            detail = f"{symbol}: lots hold {plain(left)}, transactions say {plain(right)}"
            found.append({"kind": "bookings", "symbol": symbol, "detail": detail})
    return found


def of_journal(detail: str) -> Discrepancy:
    """A discrepancy of the journal as a whole."""
    return {"kind": "journal", "detail": detail}
