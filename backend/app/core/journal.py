"""The Beancount text of a portfolio, one directive per booking. Pure: values in, text out.

The file must say the same to Beancount itself as to us. Hence the FIFO option, a label on every lot (so that two lots
of one day and price stay two lots), explicit profit of a sale (so that `bean-check` verifies it), and no include or
plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from app.core.bookings import Booked, CashMovement, Dividend, Split
from app.core.lots import Lot, Transaction
from app.core.money import multiply, plain

POSITIONS, CASH = "Assets:Positions", "Assets:Cash"
CAPITAL, OPENING = "Equity:Contributions", "Equity:Opening-Balances"
DIVIDENDS, PROFIT, WITHHOLDING = "Income:Dividends", "Income:Profit", "Expenses:Withholding-Tax"
ACCOUNTS = (POSITIONS, CASH, CAPITAL, OPENING, DIVIDENDS, PROFIT, WITHHOLDING)
# Trades may be dated before the portfolio was opened here; an account must be open by then.
ACCOUNTS_SINCE = "1970-01-01"
Replaced = Sequence[tuple[Lot, Lot]]


def opening(name: str, base_currency: str, day: date, cash: Decimal) -> str:
    """The head of a new file: options, accounts, and the opening balance in base currency (zero is said, too)."""
    head = [
        f'option "title" {quoted(name)}',
        f'option "operating_currency" "{base_currency}"',
        'option "booking_method" "FIFO"',
        # Costs after a split are quotients; the sum may miss by the last of 28 digits.
        'option "inferred_tolerance_default" "*:0.00000001"',
        "",
        *(f"{ACCOUNTS_SINCE} open {account}" for account in ACCOUNTS),
        "",
        f'{day.isoformat()} * "opening balance"',
        f"  {CASH}  {plain(cash)} {base_currency}",
        f"  {OPENING}  {plain(-cash)} {base_currency}",
    ]
    return "\n".join(head) + "\n"


def entry(booked: Booked, replaced: Replaced = ()) -> str:
    """The directive of one booking; `replaced` are the lots (before, after) that a split changed."""
    booking = booked.booking
    if isinstance(booking, Transaction):
        lines = _trade(booking, booked.realised)
    elif isinstance(booking, Dividend):
        lines = _dividend(booking)
    elif isinstance(booking, Split):
        lines = _split(booking, replaced)
    else:
        lines = _cash(booking)
    return "\n".join(["", *lines]) + "\n"


def _trade(t: Transaction, realised: Decimal | None) -> list[str]:
    amount = multiply(t.quantity, t.price)
    head = [
        f'{t.trade_date.isoformat()} * "{t.side} {t.symbol}"',
        f'  ledger_tx_id: "{t.id}"',
        f"  fx_rate: {plain(t.fx_rate)}",
    ]
    if t.side == "buy":
        position = (
            f"  {POSITIONS}  {plain(t.quantity)} {t.symbol} {_cost(t.price, t.currency, t.trade_date, str(t.id))}"
        )
        return [*head, position, f"  {CASH}  {plain(-amount)} {t.currency}"]
    profit = f"  {PROFIT}" if realised is None else f"  {PROFIT}  {plain(-realised)} {t.currency}"
    return [
        *head,
        # An empty cost leaves the choice of lots to the reader, who has to do FIFO again without us.
        f"  {POSITIONS}  {plain(-t.quantity)} {t.symbol} {{}} @ {plain(t.price)} {t.currency}",
        f"  {CASH}  {plain(amount)} {t.currency}",
        profit,
    ]


def _dividend(d: Dividend) -> list[str]:
    return [
        f'{d.pay_date.isoformat()} * "dividend {d.symbol}"',
        f'  ledger_tx_id: "{d.id}"',
        f"  ex_date: {d.ex_date.isoformat()}",
        f"  shares: {plain(d.shares)}",
        f"  pay_fx_rate: {plain(d.fx_rate)}",
        f"  gross_base: {plain(d.in_base(d.gross))}",
        f"  withheld_base: {plain(d.in_base(d.withheld))}",
        f"  net_base: {plain(d.in_base(d.net))}",
        f"  {CASH}  {plain(d.net)} {d.currency}",
        f"  {WITHHOLDING}  {plain(d.withheld)} {d.currency}",
        f"  {DIVIDENDS}  {plain(-d.gross)} {d.currency}",
    ]


def _split(s: Split, replaced: Replaced) -> list[str]:
    lines = [
        f'{s.day.isoformat()} * "split {s.symbol} {plain(s.new_shares)}:{plain(s.old_shares)}"',
        f'  ledger_tx_id: "{s.id}"',
    ]
    for before, after in replaced:
        for sign, lot in ((-1, before), (1, after)):
            cost = _cost(lot.unit_cost, lot.currency, lot.opened_on, str(lot.id))
            lines.append(f"  {POSITIONS}  {plain(sign * lot.quantity)} {lot.symbol} {cost}")
    return lines


def _cash(c: CashMovement) -> list[str]:
    word = "deposit" if c.amount > 0 else "withdrawal"
    return [
        f'{c.day.isoformat()} * "{word}"',
        f'  ledger_tx_id: "{c.id}"',
        f"  fx_rate: {plain(c.fx_rate)}",
        f"  {CASH}  {plain(c.amount)} {c.currency}",
        f"  {CAPITAL}  {plain(-c.amount)} {c.currency}",
    ]


def _cost(price: Decimal, currency: str, day: date, label: str) -> str:
    return f'{{{plain(price)} {currency}, {day.isoformat()}, "{label}"}}'


def quoted(text: str) -> str:
    """A string that both parsers read back: one line, quotes and backslashes escaped, no control characters."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
