"""The running service over HTTP."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.api.auth import issue
from app.core.lots import Transaction
from app.services.ports import Portfolio
from app.storage.db import Database
from app.storage.tenants import PgTenantStore
from tests.support.servers import SECRET, Running, Stack, run, serving

# A quarter of the time that the platform gives it, and twice the grace: others may be using the machine as well.
LISTENS_WITHIN = 15.0
STOP_WITHIN = 10.0


def client(service: Running, user: UUID) -> httpx.Client:
    token = issue(SECRET, user, datetime.now(UTC), timedelta(minutes=5))
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=10)


def open_portfolio(http: httpx.Client) -> str:
    answer = http.post("/v1/portfolios", json={"name": "Main", "base_currency": "USD"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["portfolio_id"])


def order(http: httpx.Client, portfolio: str, action: str, quantity: str, symbol: str = "AAPL") -> httpx.Response:
    body = {"portfolio_id": portfolio, "symbol": symbol, "action": action, "quantity": quantity, "price": "150"}
    return http.post("/v1/trades", json=body)


def test_ready(service: Running) -> None:
    assert httpx.get(f"{service.url}/health/ready").json() == {
        "status": "ready",
        "database": "up",
        "redis": "up",
        "providers": {},
    }


def test_trades_lots_and_value(service: Running) -> None:
    with client(service, uuid4()) as http:
        portfolio = open_portfolio(http)
        assert order(http, portfolio, "buy", "100").status_code == 201
        assert order(http, portfolio, "buy", "50", "BMW.DE").json()["fx_rate"] == "1.1172"
        assert order(http, portfolio, "sell", "40").json()["open_lots"][0]["quantity"] == "60"
        refused = order(http, portfolio, "sell", "60.0000000001")
        assert (refused.status_code, "only 60 held" in refused.json()["detail"]) == (422, True)
        first = http.get(f"/v1/portfolios/{portfolio}/valuation")
        assert first.json()["total"] == "15142.8876"
        again = http.get(f"/v1/portfolios/{portfolio}/valuation")
        assert (again.headers["x-cache"], again.content) == ("hit", first.content)


def test_users_at_once_never_meet(service: Running) -> None:
    """Sixteen users on a pool of ten connections."""

    def life(_: int) -> None:
        with client(service, uuid4()) as http:
            mine = open_portfolio(http)
            for quantity in ("1", "2", "3"):
                assert order(http, mine, "buy", quantity).status_code == 201
            lots = http.get(f"/v1/portfolios/{mine}").json()["lots"]
            assert sorted(lot["quantity"] for lot in lots) == ["1", "2", "3"]
            known.append(mine)
            for other in list(known):
                status = http.get(f"/v1/portfolios/{other}").status_code
                assert status == (200 if other == mine else 404)

    known: list[str] = []
    with ThreadPoolExecutor(16) as threads:
        assert len(list(threads.map(life, range(16)))) == 16


def test_two_sales_at_once_cannot_use_one_lot(service: Running) -> None:
    user = uuid4()
    with client(service, user) as http:
        portfolio = open_portfolio(http)
        order(http, portfolio, "buy", "100")
        with ThreadPoolExecutor(5) as threads:
            statuses = list(threads.map(lambda _: order(http, portfolio, "sell", "60").status_code, range(5)))
        assert sorted(statuses) == [201, 422, 422, 422, 422]
        assert [lot["quantity"] for lot in http.get(f"/v1/portfolios/{portfolio}").json()["lots"]] == ["40"]


async def test_the_lots_of_a_sale_are_held_until_it_is_booked(db: Database, service: Running) -> None:
    """The same as above without luck: a second reader waits for as long as the first holds the lots."""
    tenants, user = PgTenantStore(db), uuid4()
    with client(service, user) as http:
        portfolio = UUID(open_portfolio(http))
        order(http, str(portfolio), "buy", "100")

    async def second() -> list[Decimal]:
        async with tenants.begin(user) as tx:
            return [lot.quantity for lot in await tx.lock_lots(portfolio, "AAPL")]

    async with tenants.begin(user) as tx:
        (lot,) = await tx.lock_lots(portfolio, "AAPL")
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        sale = Transaction(uuid4(), "AAPL", "sell", Decimal(60), Decimal(170), "USD", Decimal(1), lot.opened_on)
        await tx.add_booking(portfolio, sale)
        await tx.set_lot_quantity(lot.id, Decimal(40))
    assert await waiting == [Decimal(40)]


async def test_a_pooled_connection_forgets_its_user(db: Database, service: Running) -> None:
    tenants = PgTenantStore(Database(db._url, max_size=1))
    anna, ben = uuid4(), uuid4()
    made: dict[UUID, Portfolio] = {}
    for user in (anna, ben):
        async with tenants.begin(user) as tx:
            made[user] = await tx.create_portfolio("P", "USD")
    for user, other in ((anna, ben), (ben, anna), (anna, ben)):
        async with tenants.begin(user) as tx:
            assert [p.id for p in await tx.portfolios()] == [made[user].id]
            assert await tx.portfolio(made[other].id) is None
    async with tenants._db.transaction() as c:
        assert await c.fetchval("SELECT count(*) FROM portfolios") == 0
    await tenants._db.close()


def test_reconciliation_finds_a_tampered_lot(stack: Stack, service: Running) -> None:
    user = uuid4()
    with client(service, user) as http:
        portfolio = open_portfolio(http)
        order(http, portfolio, "buy", "100")

    async def set_quantity(quantity: int) -> None:
        database = Database(stack.database_url, max_size=1)
        async with database.as_user(user) as c:
            await c.execute("UPDATE lots SET quantity = $1 WHERE portfolio_id = $2", quantity, UUID(portfolio))
        await database.close()

    asyncio.run(set_quantity(99))
    try:
        done = run(stack.env(), "jobs.reconcile_ledger")
        assert done.returncode == 1
        assert f"{portfolio}: AAPL: lots hold 99, transactions say 100" in done.stderr
    finally:
        asyncio.run(set_quantity(100))
    # Other tests leave portfolios of their own behind; this one is in order again.
    assert portfolio not in run(stack.env(), "jobs.reconcile_ledger").stderr


def test_seed_twice_prints_one_portfolio(stack: Stack, service: Running) -> None:
    first, second = run(stack.env(), "app.seed"), run(stack.env(), "app.seed")
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    ids = json.loads(first.stdout)
    token = run(stack.env(), "app.token", "--user", ids["user_id"]).stdout.strip()
    answer = httpx.get(
        f"{service.url}/v1/portfolios/{ids['portfolio_id']}/valuation", headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, len(answer.json()["positions"])) == (200, 3)


def test_it_listens_soon_and_stops_when_told(stack: Stack) -> None:
    started = time.monotonic()
    with serving(stack.env()) as running:
        listening = time.monotonic() - started
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=STOP_WITHIN) in {0, -signal.SIGTERM}
    assert listening < LISTENS_WITHIN


async def test_a_request_in_flight_is_finished_after_sigterm(
    stack: Stack, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    """A table lock makes the request last; SIGTERM comes while it waits."""
    with serving(stack.env()) as running, client(running, uuid4()) as http:
        portfolio = open_portfolio(http)
        answers: list[httpx.Response] = []
        reader = threading.Thread(target=lambda: answers.append(http.get(f"/v1/portfolios/{portfolio}")))
        async with owner.transaction():
            await owner.execute("LOCK TABLE lots IN ACCESS EXCLUSIVE MODE")
            reader.start()
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'lots'::regclass"
            async with asyncio.timeout(STOP_WITHIN):
                while not await owner.fetchval(waiting):
                    await asyncio.sleep(0.02)
            running.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            assert answers == []
        await asyncio.to_thread(reader.join, STOP_WITHIN)
        assert [answer.status_code for answer in answers] == [200]
        assert await asyncio.to_thread(running.process.wait, STOP_WITHIN) in {0, -signal.SIGTERM}


@pytest.mark.parametrize("commands", [("app.migrate", "status"), ("app.migrate", "up")])
def test_migrate_speaks(stack: Stack, commands: tuple[str, str]) -> None:
    assert run(stack.env(), *commands).returncode == 0
