"""The service behind two proxies that can take its servers away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from app.api.auth import issue
from tests.support.proxy import Proxy, proxied
from tests.support.servers import SECRET, Running, Stack, address, at, migrated_stack, run, serving


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


@pytest.fixture
def site(stack: Stack) -> Iterator[Site]:
    """A service of its own for each test: what one breaks must not help or hurt another."""
    with proxied(address(stack.database_url)) as database, proxied(address(stack.redis_url)) as redis:
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
            yield Site(stack, service, database, redis, http, portfolio)
