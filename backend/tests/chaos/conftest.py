"""The service behind two proxies that can take its servers away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.api.auth import issue
from tests.support.external import wait_for
from tests.support.proxy import Proxy, fault_api, proxied
from tests.support.servers import SECRET, Running, Stack, address, at, migrated_stack, run, serving

# A pack is whole when it prices its universe in every currency pair; a chain of packs has one head per date.
PARTIAL_PACKS = """
SELECT p.id FROM pricing_pack AS p WHERE
    (SELECT count(*) FROM prices WHERE pricing_pack_id = p.id) = 0
    OR (SELECT count(*) FROM fx_rates AS r WHERE r.pricing_pack_id = p.id)
    <> (SELECT count(DISTINCT base) * (count(DISTINCT base) - 1) FROM fx_rates WHERE pricing_pack_id = p.id)
    OR NOT EXISTS (SELECT 1 FROM pricing_pack_event WHERE pricing_pack_id = p.id)
"""
FORKED_PACKS = """
SELECT asof_date FROM pricing_pack AS p
WHERE NOT EXISTS (SELECT 1 FROM pricing_pack AS n WHERE n.supersedes = p.id)
GROUP BY asof_date, policy HAVING count(*) > 1
"""


@dataclass
class Site:
    """A running service, its proxies, and a user with a portfolio."""

    stack: Stack
    service: Running
    database: Proxy
    redis: Proxy
    http: httpx.Client
    portfolio: str

    @property
    def valuation(self) -> str:
        """The path whose answer must never change."""
        return f"/v1/portfolios/{self.portfolio}/valuation"


@pytest.fixture(scope="session")
def stack() -> Stack:
    """Servers with the newest schema and a fresh pack."""
    ready = migrated_stack()
    done = run(ready.env(), "jobs.nightly")
    assert done.returncode == 0, done.stderr
    return ready


@pytest.fixture(scope="session")
def faults() -> Iterator[httpx.Client]:
    """The fault proxy's API."""
    with fault_api() as api:
        yield api


@pytest.fixture
def site(stack: Stack, faults: httpx.Client) -> Iterator[Site]:
    """A service of its own for each test: what one breaks must not help or hurt another.

    After each test the faults are taken away, and nothing may be corrupt: the portfolio reconciles, packs are whole.
    """
    with (
        proxied(faults, address(stack.database_url)) as database,
        proxied(faults, address(stack.redis_url)) as redis,
    ):
        env = stack.env(DATABASE_URL=at(stack.database_url, database.port), REDIS_URL=at(stack.redis_url, redis.port))
        token = issue(SECRET, uuid4(), datetime.now(UTC), timedelta(minutes=10))
        headers = {"Authorization": f"Bearer {token}"}
        with (
            serving(env) as service,
            httpx.Client(base_url=service.url, headers=headers, timeout=15) as http,
        ):
            made = http.post("/v1/portfolios", json={"name": "Chaos", "base_currency": "USD"})
            made.raise_for_status()
            portfolio = made.json()["portfolio_id"]
            trade = {"portfolio_id": portfolio, "symbol": "AAPL", "action": "buy", "quantity": "100", "price": "150"}
            http.post("/v1/trades", json=trade).raise_for_status()
            made_site = Site(stack, service, database, redis, http, portfolio)
            yield made_site
            database.set("pass")
            redis.set("pass")
            assert corruption(made_site) == []


def corruption(site: Site) -> list[str]:
    """What is not as it must be, once the faults are gone: nothing."""
    wait_for(lambda: site.http.get(site.valuation).status_code == 200, "no recovery after the test")
    found = asyncio.run(_broken_packs(site.stack))
    run_ = site.http.post(f"/v1/portfolios/{site.portfolio}/reconciliations", json={}).json()
    return found + ([] if run_["status"] == "OK" else [f"reconciliation: {run_}"])


async def _broken_packs(stack: Stack) -> list[str]:
    connection = await asyncpg.connect(stack.database_url)
    try:
        partial = [f"partial pack {row[0]}" for row in await connection.fetch(PARTIAL_PACKS)]
        return partial + [f"two heads for {row[0]}" for row in await connection.fetch(FORKED_PACKS)]
    finally:
        await connection.close()
