"""Journals on a real disk beside a real database: many writers, killed writers, real git, and migration 011."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
from beancount import loader

from app.core.bookings import Booking, CashMovement, Dividend, Split
from app.core.errors import LedgerUnavailableError
from app.core.lots import Transaction
from app.services.access import ATTEMPT
from app.storage.db import Database
from app.storage.ledger import GitLedger
from app.storage.tenants import PgTenantStore
from tests.integration.test_schema import open_tables
from tests.integration.test_service import client, open_portfolio, order
from tests.support.servers import BACKEND, Running, Stack, refused, run, serving

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
D = Decimal
DAY = date(2024, 1, 2)


def file(stack: Stack, portfolio: str) -> Path:
    return Path(stack.ledger_dir) / "portfolios" / f"{portfolio}.bean"


def git(stack: Stack, *arguments: str) -> str:
    command = ["git", "-c", f"safe.directory={stack.ledger_dir}", "-C", stack.ledger_dir, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
async def tenants(db: Database) -> PgTenantStore:
    return PgTenantStore(db)


def test_the_ledger_is_a_git_repository_that_git_itself_accepts(stack: Stack, service: Running) -> None:
    user = uuid4()
    with client(service, user) as http:
        portfolio = open_portfolio(http)
        order(http, portfolio, "buy", "100")
        run_1 = http.post(f"/v1/portfolios/{portfolio}/reconciliations", json={}).json()
        order(http, portfolio, "sell", "40")
        run_2 = http.post(f"/v1/portfolios/{portfolio}/reconciliations", json={}).json()
    assert (run_1["status"], run_2["status"]) == ("OK", "OK")
    name = f"portfolios/{portfolio}.bean"
    assert git(stack, "show", f"{run_2['ledger_commit_hash']}:{name}") == file(stack, portfolio).read_text()
    assert git(stack, "show", f"{run_1['ledger_commit_hash']}:{name}").count("ledger_tx_id") == 1
    assert git(stack, "fsck", "--strict") == ""


def test_many_writers_on_two_processes_write_every_entry_once(stack: Stack, service: Running) -> None:
    """Twenty trades at once over two serving processes on one journal."""
    user = uuid4()
    with serving(stack.env()) as second, client(service, user) as one, client(second, user) as two:
        portfolio = open_portfolio(one)
        clients = (one, two)
        with ThreadPoolExecutor(8) as threads:
            booked = list(threads.map(lambda n: order(clients[n % 2], portfolio, "buy", str(n + 1)), range(20)))
        assert [answer.status_code for answer in booked] == [201] * 20
        text = file(stack, portfolio).read_text()
        assert {text.count(f'ledger_tx_id: "{answer.json()["ledger_tx_id"]}"') for answer in booked} == {1}
        assert one.post(f"/v1/portfolios/{portfolio}/reconciliations", json={}).json()["status"] == "OK"
    assert loader.load_string(text)[1] == []


KILLED = """
import asyncio, os, signal, sys
from uuid import UUID
from app.container import connect
from app.services.bookings import TradeOrder
from app.settings import Settings
from datetime import date
from decimal import Decimal

async def main():
    async with connect(Settings.from_env(os.environ)) as services:
        where, user, portfolio = sys.argv[1], UUID(sys.argv[2]), UUID(sys.argv[3])
        real = services.ledger.append
        async def torn(key, at, data):
            if where == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            await real(key, at, data[: len(data) // 2] if where == "within" else data)
            os.kill(os.getpid(), signal.SIGKILL)
        object.__setattr__(services.ledger, "append", torn)
        order = TradeOrder(portfolio, "AAPL", "buy", Decimal(7), Decimal(10), date(2024, 1, 2))
        await services.bookings.trade(user, order)

asyncio.run(main())
"""


@pytest.mark.parametrize("where", ["before", "within", "after"])
def test_a_process_killed_around_its_write_loses_and_repeats_nothing(
    stack: Stack, service: Running, where: str
) -> None:
    """Killed after the commit: before it wrote the file, half-way through, and before it could note the write."""
    user = uuid4()
    with client(service, user) as http:
        portfolio = open_portfolio(http)
        before = file(stack, portfolio).read_text()
        command = [sys.executable, "-c", KILLED, where, str(user), portfolio]
        killed = subprocess.run(command, env=stack.env(), cwd=BACKEND, timeout=30, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert file(stack, portfolio).read_text().startswith(before)
        assert [lot["quantity"] for lot in http.get(f"/v1/portfolios/{portfolio}").json()["lots"]] == ["7"]
        outcome = http.post(f"/v1/portfolios/{portfolio}/reconciliations", json={}).json()
        assert outcome["status"] == "OK", outcome
    text = file(stack, portfolio).read_text()
    assert text.count("ledger_tx_id") == 1
    assert loader.load_string(text)[1] == []


def test_the_night_stops_at_a_tampered_journal_and_goes_on_when_it_is_restored(stack: Stack, service: Running) -> None:
    with client(service, uuid4()) as http:
        portfolio = open_portfolio(http)
        order(http, portfolio, "buy", "100")
    good = file(stack, portfolio).read_text()
    file(stack, portfolio).write_text(good.replace("100 AAPL", "100.02 AAPL"))
    try:
        done = run(stack.env(), "jobs.nightly")
        assert done.returncode == 1
        assert "reconcile_ledger: FAILED" in done.stderr
        assert "mark_pack_fresh" not in done.stderr
        assert f"{portfolio}: " in done.stderr
        assert "AAPL: journal holds 100.02" in done.stderr
    finally:
        file(stack, portfolio).write_text(good)
    assert run(stack.env(), "jobs.nightly").returncode == 0


def test_a_ledger_that_cannot_be_written_delays_the_journal_only(stack: Stack, tmp_path: Path) -> None:
    blocked = tmp_path / "ledger"
    blocked.write_text("a file where the folder should be")
    with serving(stack.env(LEDGER_DIR=str(blocked))) as service, client(service, uuid4()) as http:
        portfolio = open_portfolio(http)
        assert order(http, portfolio, "buy", "1").status_code == 201
        away = http.get(f"/v1/portfolios/{portfolio}/journal")
        assert (away.status_code, "ledger cannot be used" in away.json()["detail"]) == (503, True)
        blocked.unlink()
        assert http.post(f"/v1/portfolios/{portfolio}/reconciliations", json={}).json()["status"] == "OK"
        assert "buy AAPL" in http.get(f"/v1/portfolios/{portfolio}/journal").text
    # The shared ledger of the session has the entries too late to have written them: hand them over.
    written = blocked / "portfolios" / f"{portfolio}.bean"
    file(stack, portfolio).write_bytes(written.read_bytes())


async def test_git_locks_left_by_a_killed_process_do_not_matter(tmp_path: Path) -> None:
    ledger, portfolio = GitLedger(tmp_path / "l"), uuid4()
    assert await ledger.head() is None
    empty = await ledger.commit("empty")
    await ledger.append(portfolio, 0, b"one\n")
    for name in ("index.lock", "HEAD.lock", "refs/heads/master.lock"):
        left = tmp_path / "l" / ".git" / name
        left.parent.mkdir(parents=True, exist_ok=True)
        left.touch()
    first = await ledger.commit("one")
    assert first != empty
    assert await ledger.commit("nothing new") == first == await ledger.head()
    commits = await asyncio.gather(*(GitLedger(tmp_path / "l").commit(f"{n}") for n in range(4)))
    assert set(commits) == {first}
    with pytest.raises(LedgerUnavailableError):
        await ledger.append(portfolio, 3, b"not the end")
    (tmp_path / "l" / "portfolios" / f"{portfolio}.bean").unlink()
    assert await ledger.commit("gone") != first


async def test_every_kind_of_booking_reads_back_as_it_was_written(tenants: PgTenantStore, night: None) -> None:
    user = uuid4()
    wanted: list[Booking] = [
        Transaction(uuid4(), "AAPL", "buy", D("1.5"), D("150"), "USD", D("1.0956"), DAY),
        Dividend(uuid4(), "AAPL", DAY, DAY, D("1.5"), D("0.24"), D("0.036"), "USD", D("1.3")),
        Split(uuid4(), "AAPL", DAY, D(7), D(3)),
        CashMovement(uuid4(), DAY, "EUR", D("12.5"), D(1)),
        CashMovement(uuid4(), DAY, "EUR", D("-2.5"), D(1)),
    ]

    # Rolled back: these bookings have no lots, and the nights of other tests would rightly stop at them.
    async def rolled_back() -> None:
        async with tenants.begin(user) as tx:
            portfolio = await tx.create_portfolio("P", "EUR")
            for booking in wanted:
                await tx.add_booking(portfolio.id, booking, D(3) if booking is wanted[0] else None)
            back = await tx.bookings(portfolio.id)
            assert [b.booking for b in back] == wanted
            assert [b.realised for b in back] == [D(3), None, None, None, None]
            assert [b.booking for b in await tx.bookings(portfolio.id, back[1].seq, "AAPL")] == [wanted[2]]
            assert [b.booking for b in await tx.last_bookings(portfolio.id, back[4].seq, 2)] == [wanted[3], wanted[2]]
            assert await tx.last_day(portfolio.id, "AAPL") == DAY
            assert await tx.last_day(portfolio.id, "KO") is None
            assert await tx.version(portfolio.id) == back[4].seq
            raise UndoneError

    with pytest.raises(UndoneError):
        await rolled_back()


class UndoneError(Exception):
    """Rolls back."""


@pytest.mark.parametrize(
    "row",
    [
        "'dividend', 'AAPL', 1, 1, 'USD', NULL, current_date, 0, NULL",
        "'split', 'AAPL', 2, NULL, 'XXX', NULL, NULL, NULL, NULL",
        "'deposit', 'AAPL', 2, NULL, 'USD', 1, NULL, NULL, NULL",
        "'gift', 'AAPL', 2, 1, 'USD', 1, NULL, NULL, NULL",
    ],
)
async def test_the_database_refuses_a_booking_of_the_wrong_shape(
    db: Database, tenants: PgTenantStore, night: None, row: str
) -> None:
    """A dividend without the rate of its pay date, a split without its ratio, cash with a symbol, an unknown kind."""
    user = uuid4()
    async with tenants.begin(user) as tx:
        portfolio = await tx.create_portfolio("P", "EUR")
    async with db.as_user(user) as c:
        state = await refused(
            c,  # type: ignore[arg-type]  # a pooled connection has the same methods
            "INSERT INTO transactions (id, portfolio_id, user_id, trade_date, side, symbol, quantity, price, currency, "
            f"fx_rate, ex_date, withheld, old_shares) VALUES ($1, $2, $3, current_date, {row})",
            *(uuid4(), portfolio.id, user),
        )
    assert state == "23514"


async def test_attempts_and_changes_are_kept_and_cannot_be_removed(
    owner: Owner, db: Database, service: Running
) -> None:
    anna, ben = uuid4(), uuid4()
    with client(service, anna) as hers, client(service, ben) as his:
        portfolio = UUID(open_portfolio(hers))
        assert his.get(f"/v1/portfolios/{portfolio}").status_code == 404
    async with db.as_user(ben) as c:
        rows = await c.fetch("SELECT user_id, portfolio_id, action FROM audit_log")
        assert [tuple(row) for row in rows] == [(ben, portfolio, ATTEMPT)]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await c.execute("DELETE FROM audit_log")
    for table in ("audit_log", "reconciliations", "journal_entries", "transactions"):
        assert await refused(owner, f"TRUNCATE {table} CASCADE") == "55000"


# The older schema forgets splits, so a portfolio that another test had split could not be reconciled afterwards.
async def trades_of(stack: Stack, user: UUID, portfolio: UUID) -> list[asyncpg.Record]:
    """The columns of trades that every schema has."""
    database = Database(stack.database_url, max_size=1)
    async with database.as_user(user) as connection:
        trades = await connection.fetch(
            "SELECT id, symbol, side, quantity, price, currency, fx_rate, trade_date FROM transactions "
            "WHERE portfolio_id = $1 AND side IN ('buy', 'sell') ORDER BY seq",
            portfolio,
        )
    await database.close()
    return trades


@pytest.mark.young
async def test_011_goes_down_and_up_and_the_journals_begin_anew(
    stack: Stack, owner: Owner, tenants: PgTenantStore, service: Running
) -> None:
    """Trades and lots survive; dividends, splits and cash have no place in the older schema and are gone."""
    user = uuid4()
    with client(service, user) as http:
        portfolio = open_portfolio(http)
        order(http, portfolio, "buy", "100")
        deposit = {"portfolio_id": portfolio, "currency": "USD", "amount": "5"}
        assert http.post("/v1/cash-movements", json=deposit).status_code == 201
    key = UUID(portfolio)
    async with tenants.begin(user) as tx:
        lots = await tx.open_lots(key)
    trades = await trades_of(stack, user, key)
    assert [(trade["side"], trade["quantity"]) for trade in trades] == [("buy", 100)]
    try:
        assert run(stack.env(), "app.migrate", "down", "--only", "11").stdout == "down 011 ledger\n"
        # A pool of its own: statements that a connection has prepared are of the schema before.
        older = Database(stack.database_url, max_size=1)
        async with PgTenantStore(older).begin(user) as tx:
            assert await tx.open_lots(key) == lots
        await older.close()
        assert await trades_of(stack, user, key) == trades
    finally:
        assert run(stack.env(), "app.migrate", "up").stdout == "up 011 ledger\n"
    # The files on disk are of another age now: an operator moves them away, and the night writes them anew.
    shutil.rmtree(stack.ledger_dir)
    done = run(stack.env(), "jobs.reconcile_ledger")
    assert done.returncode == 0, done.stderr
    with client(service, user) as http:
        answer = http.get(f"/v1/portfolios/{portfolio}").json()
        assert (answer["cash"], [lot["quantity"] for lot in answer["lots"]]) == ({"USD": "-15000"}, ["100"])
    assert await owner.fetchval("SELECT count(*) FROM schema_migrations WHERE number = 11") == 1


@pytest.fixture
async def unguarded(owner: Owner) -> AsyncIterator[str]:
    """A tenant table whose author forgot the policy."""
    await owner.execute("CREATE TABLE forgotten (portfolio_id uuid NOT NULL)")
    yield "forgotten"
    await owner.execute("DROP TABLE forgotten")


async def test_the_catalogue_check_finds_a_table_without_policy(owner: Owner, unguarded: str) -> None:
    assert unguarded in await open_tables(owner, "SELECT")
    await owner.execute("ALTER TABLE forgotten ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    assert unguarded in await open_tables(owner, "SELECT")
    await owner.execute("CREATE POLICY own ON forgotten FOR SELECT USING (true)")
    assert unguarded not in await open_tables(owner, "SELECT")
    assert unguarded in await open_tables(owner, "INSERT")


async def test_discrepancies_read_back(tenants: PgTenantStore) -> None:
    user, found = uuid4(), [{"kind": "cash", "detail": 'cash "EUR"'}]
    async with tenants.begin(user) as tx:
        portfolio = await tx.create_portfolio("P", "EUR")
        for _ in range(2):
            await tx.add_reconciliation(portfolio.id, DAY, "0" * 40, found)
        runs = await tx.reconciliations(portfolio.id, 5)
    assert [(r.run_no, r.status) for r in runs] == [(2, "FAIL"), (1, "FAIL")]
    assert json.dumps(runs[0].discrepancies) == json.dumps(found)
    assert replace(runs[0], run_no=1, created_at=runs[1].created_at) == runs[1]
