"""Journals: a write-ahead log in the database and a file that follows it.

The order of a booking is: (1) its transaction also adds the text of the entry to the log in the database; (2) after the
commit, the entries that the file lacks are appended and synced; (3) the log records the bytes on disk. A crash
before (1) leaves nothing. After a crash between (1) and (2), the next booking or the nightly jobs append the missing
entries. After a crash between (2) and (3), or within a write, the file is longer than recorded; the additional bytes
must be the beginning of the missing entries, and the rest is appended. A file that is shorter than recorded, or that
continues differently, was changed by another program: nothing is written then, and reconciliation fails.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from app.core import journal
from app.core.bookings import cash_effect
from app.core.errors import JournalError
from app.core.journal import Replaced
from app.services.ports import JournalState, JournalStore, Portfolio, TenantStore, TenantTx


class Journals:
    """Adds entries to the journals and writes them to the files, one portfolio at a time."""

    def __init__(self, tenants: TenantStore, store: JournalStore) -> None:
        self._tenants = tenants
        self.store = store

    async def settle(self, tx: TenantTx, portfolio: Portfolio, replaced: Replaced = ()) -> None:
        """Give every booking that has no entry yet its entry and its effect on cash.

        Usually that is the booking just made. A portfolio older than the journals gets entries for all its bookings; a
        trade that an older release books while both serve gets its entry too. The caller must hold the lock.
        """
        state = await tx.journal(portfolio.id) or await self.open(tx, portfolio, Decimal(0))
        waiting = await tx.bookings(portfolio.id, state.last_seq)
        for booked in waiting:
            effect = cash_effect(booked.booking)
            if effect is not None:
                await tx.add_cash(portfolio.id, *effect)
            body = journal.entry(booked, replaced)
            await tx.add_entry(portfolio.id, state, body, booked.booking.id)
            state = replace(_with(state, body), last_seq=booked.seq)
        if waiting:
            await tx.save_journal(portfolio.id, state)

    async def open(self, tx: TenantTx, portfolio: Portfolio, cash: Decimal) -> JournalState:
        """Add the first entry: options, accounts and the opening balance in base currency."""
        body = journal.opening(portfolio.name, portfolio.base_currency, portfolio.created_at.date(), cash)
        await tx.add_entry(portfolio.id, JournalState(), body, None)
        if cash:
            await tx.add_cash(portfolio.id, portfolio.base_currency, cash)
        state = _with(JournalState(), body)
        await tx.save_journal(portfolio.id, state)
        return state

    async def flush(self, user_id: UUID, portfolio_id: UUID) -> None:
        """Append the entries that the file lacks.

        Raises JournalError when the file is not what was written, LedgerUnavailableError when it cannot be reached.
        """
        async with self._tenants.begin(user_id) as tx:
            await tx.lock_portfolio(portfolio_id)
            await self.write(tx, portfolio_id)

    async def write(self, tx: TenantTx, portfolio_id: UUID) -> None:
        """Append them within a transaction that holds the portfolio's lock."""
        state = await tx.journal(portfolio_id)
        if state is None or state.written_bytes == state.bytes:
            return
        there = await self.store.read_from(portfolio_id, state.written_bytes)
        expected = "".join(await tx.entries_from(portfolio_id, state.written_bytes)).encode()
        if there is None and state.written_bytes > 0:
            raise JournalError(f"the journal is gone or shorter than the {state.written_bytes} bytes written")
        missing = _continued(expected, there or b"")
        await self.store.append(portfolio_id, state.bytes - len(missing), missing)
        await tx.save_journal(portfolio_id, replace(state, written_bytes=state.bytes))


def _continued(expected: bytes, there: bytes) -> bytes:
    if not expected.startswith(there):
        raise JournalError("the journal continues differently from the bookings")
    return expected[len(there) :]


def _with(state: JournalState, body: str) -> JournalState:
    return replace(state, entries=state.entries + 1, bytes=state.bytes + len(body.encode()))


def altered(content: bytes | None, entries: Sequence[str]) -> str | None:
    """None if a file is exactly what was written; otherwise where it first differs."""
    expected = "".join(entries).encode()
    if content is None:
        return "the journal is gone"
    if hashlib.sha256(content).digest() == hashlib.sha256(expected).digest():
        return None
    same = next((i for i, (a, b) in enumerate(zip(content, expected, strict=False)) if a != b), None)
    at = min(len(content), len(expected)) if same is None else same
    return f"the journal differs from what was written, first in line {expected[:at].count(10) + 1}"
