"""Reconciliation of one portfolio: its journal on disk against lots, balances and bookings in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from uuid import UUID

from app.core import inventory, reconcile
from app.core.errors import JournalError, LedgerUnavailableError
from app.services.access import owned
from app.services.journals import Journals, altered
from app.services.ports import JournalReader, Portfolio, Reconciliation, TenantStore

# Its name in the job record.
RECONCILE_JOB = "reconcile_ledger"


class Reconciler:
    """Compares two computations that share only the arithmetic: lots of the journal's text, lots kept by bookings."""

    def __init__(self, tenants: TenantStore, journals: Journals, read: JournalReader) -> None:
        self._tenants = tenants
        self._journals = journals
        self._read = read

    async def catch_up(self, user_id: UUID, portfolio: Portfolio) -> None:
        """Write the entries that the journal lacks. A changed journal stays as it is; `check` reports it."""
        async with self._tenants.begin(user_id) as tx:
            await tx.lock_portfolio(portfolio.id)
            await self._journals.settle(tx, portfolio)
        try:
            await self._journals.flush(user_id, portfolio.id)
        except JournalError:
            return

    async def commit(self, message: str, portfolio_ids: Sequence[UUID] | None = None) -> str:
        """Commit the journals as they are, including changes by other programs; the hash of the commit."""
        return await self._journals.store.commit(message, portfolio_ids)

    async def head(self) -> str | None:
        """The newest commit; None before the first, and while the ledger is unavailable (packs do not need it)."""
        try:
            return await self._journals.store.head()
        except LedgerUnavailableError:
            return None

    async def check(self, user_id: UUID, portfolio_id: UUID, asof: date, commit: str) -> Reconciliation:
        """Compare journal and database, and store the result as the next run of this date."""
        async with owned(self._tenants, user_id, portfolio_id) as (tx, _):
            # The lock delays bookings, so that file and rows are of one moment.
            await tx.lock_portfolio(portfolio_id)
            # A committed booking may not be in the file yet. The comparison below finds a changed file.
            with suppress(JournalError):
                await self._journals.write(tx, portfolio_id)
            lots, cash = await tx.open_lots(portfolio_id), await tx.cash(portfolio_id)
            bookings = [booked.booking for booked in await tx.bookings(portfolio_id)]
            content = await self._journals.store.read(portfolio_id)
            entries = await tx.entries_from(portfolio_id, 0)
            found = reconcile.against_bookings(lots, bookings)
            changed = altered(content, entries)
            if changed is not None:
                found.append(reconcile.of_journal(changed))
            try:
                books = inventory.book(self._read((content or b"").decode()))
                found += reconcile.against_journal(books, lots, cash)
            except (JournalError, UnicodeDecodeError) as error:
                found.append(reconcile.of_journal(str(error)))
            return await tx.add_reconciliation(portfolio_id, asof, commit, found)

    async def run(self, user_id: UUID, portfolio_id: UUID, asof: date) -> Reconciliation:
        """Write, commit and compare the journal of one portfolio now."""
        async with owned(self._tenants, user_id, portfolio_id) as (_, portfolio):
            pass
        await self.catch_up(user_id, portfolio)
        commit = await self.commit(f"reconcile {portfolio_id} as of {asof.isoformat()}", [portfolio_id])
        return await self.check(user_id, portfolio_id, asof, commit)


def details(found: Sequence[Mapping[str, str]]) -> str:
    """All discrepancies in one line."""
    return "; ".join(d["detail"] for d in found)
