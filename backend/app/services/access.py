"""One door to a portfolio: it is the user's, or it does not exist and the attempt is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from app.core.errors import NotFoundError
from app.services.ports import Portfolio, TenantStore, TenantTx

# One body for "does not exist" and "is not yours".
UNKNOWN_PORTFOLIO = "no such portfolio"
# What the runbook greps for. Unknown ids are kept too: in this transaction nobody can tell them from foreign ones.
ATTEMPT = "404_idor"


@asynccontextmanager
async def owned(
    tenants: TenantStore, user_id: UUID, portfolio_id: UUID, snapshot: bool = False
) -> AsyncIterator[tuple[TenantTx, Portfolio]]:
    """A transaction of the user and the portfolio in it; raises NotFoundError after writing the attempt down."""
    async with tenants.begin(user_id, snapshot) as tx:
        portfolio = await tx.portfolio(portfolio_id)
        if portfolio is not None:
            yield tx, portfolio
            return
    async with tenants.begin(user_id) as tx:
        await tx.audit(ATTEMPT, portfolio_id, {})
    raise NotFoundError(UNKNOWN_PORTFOLIO)
