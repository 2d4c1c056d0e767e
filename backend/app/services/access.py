"""Access to one portfolio of a user, with an audit entry for every attempt on a portfolio that is not theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from app.core.errors import NotFoundError
from app.services.ports import Portfolio, TenantStore, TenantTx

# The same answer for a portfolio that does not exist and for one of another user.
UNKNOWN_PORTFOLIO = "no such portfolio"
# The audit action that the runbook searches for. It covers unknown ids too: row-level security makes them look alike.
ATTEMPT = "404_idor"


@asynccontextmanager
async def owned(
    tenants: TenantStore, user_id: UUID, portfolio_id: UUID, snapshot: bool = False
) -> AsyncIterator[tuple[TenantTx, Portfolio]]:
    """A transaction of the user, and the portfolio. Raises NotFoundError after it has audited the attempt."""
    async with tenants.begin(user_id, snapshot) as tx:
        portfolio = await tx.portfolio(portfolio_id)
        if portfolio is not None:
            yield tx, portfolio
            return
    async with tenants.begin(user_id) as tx:
        await tx.audit(ATTEMPT, portfolio_id, {})
    raise NotFoundError(UNKNOWN_PORTFOLIO)
