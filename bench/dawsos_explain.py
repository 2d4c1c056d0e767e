"""One million transactions, and the plan of every statement the service runs on a tenant table: no sequential scan.

    scripts/with-services python bench/dawsos_explain.py [--users 2000]

Fills the database through row-level security (2,000 users, 10 portfolios each, 50 transactions each), then calls the methods
of the service's own transaction on a connection that explains each statement before it runs it. Prints one line per
statement and a summary; exit code 1 when a tenant table is scanned from end to end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from dawsos_service import BACKEND, environment, module

sys.path.insert(0, str(BACKEND))

import asyncpg
from app.core.alerts import Condition
from app.core.attribution import Contribution, PortfolioAttribution
from app.core.bookings import CashMovement
from app.core.lots import Transaction
from app.core.pack import PackHeader
from app.core.performance import Performance
from app.core.regression import Fit
from app.core.styles import Tilt
from app.services.alert_ports import AlertRule, Delivery, Firing
from app.services.ports import JournalState
from app.storage.alerts import PgAlertTx
from app.storage.analysis import PgAnalysisStore
from app.storage.tenants import PgTenantTx

PORTFOLIOS, TRADES = 10, 50
FILL = """
DO $$
DECLARE u uuid; p uuid;
BEGIN
    FOR i IN 1..%(users)s LOOP
        u := md5('user' || i)::uuid;
        PERFORM set_config('app.user_id', u::text, true);
        INSERT INTO users (id) VALUES (u);
        FOR j IN 1..%(portfolios)s LOOP
            p := md5(u::text || j)::uuid;
            INSERT INTO portfolios (id, user_id, title, base_currency) VALUES (p, u, 'P', 'USD');
            INSERT INTO transactions (id, portfolio_id, user_id, symbol, side, quantity, price, currency, fx_rate, trade_date)
            SELECT md5(p::text || n)::uuid, p, u, (ARRAY['AAPL', 'KO', 'MSFT', 'BABA', 'BMW.DE'])[1 + n %% 5], 'buy',
                1, 10, 'USD', 1, date '2020-01-01' + n
            FROM generate_series(1, %(trades)s) AS n;
            INSERT INTO lots (id, portfolio_id, user_id, symbol, opened_on, quantity, unit_cost, currency, fx_rate)
            SELECT id, p, u, symbol, trade_date, (seq %% 5), 10, 'USD', 1 FROM transactions WHERE portfolio_id = p;
            INSERT INTO journal_entries (portfolio_id, user_id, entry_no, transaction_id, start_byte, body)
            SELECT p, u, row_number() OVER (ORDER BY seq), id, 100 * row_number() OVER (ORDER BY seq), 'x'
            FROM transactions WHERE portfolio_id = p;
            INSERT INTO journals (portfolio_id, user_id, entries, bytes) VALUES (p, u, %(trades)s, 100 * %(trades)s);
            INSERT INTO cash_balances VALUES (p, u, 'USD', -1), (p, u, 'EUR', 1);
            INSERT INTO portfolio_daily_values SELECT p, u, date '2020-01-01' + n, 'PP-BENCH', n
            FROM generate_series(1, 20) AS n;
            INSERT INTO notifications (portfolio_id, user_id, asof_date, rule, change) VALUES (p, u, '2020-01-01', 'r', 0);
            INSERT INTO reconciliations SELECT p, u, date '2020-01-01' + n, 1, 'OK', repeat('0', 40), '[]'
            FROM generate_series(1, 5) AS n;
            INSERT INTO audit_log (user_id, portfolio_id, action) SELECT u, p, 'buy' FROM generate_series(1, 10);
            INSERT INTO portfolio_metrics SELECT p, u, date '2020-01-01' + n, 'PP-BENCH', '2020-01-01', n, 0, 0, 0, 0, 0
            FROM generate_series(1, 5) AS n;
            INSERT INTO currency_attribution
            SELECT p, u, date '2020-01-01' + n, line, 'PP-BENCH', '2020-01-01', 1, 0, 0, 0
            FROM generate_series(1, 5) AS n, unnest(ARRAY['portfolio', 'EUR', 'USD']) AS line;
            INSERT INTO factor_exposures SELECT p, u, date '2020-01-01' + n, style, 'PP-BENCH', 0, 1
            FROM generate_series(1, 5) AS n, unnest(ARRAY['growth', 'momentum', 'quality', 'value']) AS style;
            INSERT INTO factor_regressions SELECT p, u, date '2020-01-01' + n, 'PP-BENCH', n, 0, 0, 0, '{}', '{}'
            FROM generate_series(1, 5) AS n;
            INSERT INTO alerts (id, portfolio_id, user_id, op, threshold, span, cooldown_minutes, created_at)
            VALUES (p, p, u, '<', -0.05, 'daily', 15, '2020-01-01');
            INSERT INTO alert_firings (id, alert_id, portfolio_id, user_id, asof_date, change, triggered_at)
            SELECT md5(p::text || 'f' || n)::uuid, p, p, u, date '2020-01-01' + n, -0.06, date '2020-01-01' + n
            FROM generate_series(1, 5) AS n;
            INSERT INTO outbox (id, firing_id, user_id, condition_digest, method, recipient, status, due_at, delivered_at)
            SELECT md5(p::text || 'o' || n)::uuid, md5(p::text || 'f' || (1 + n %% 5))::uuid, u, 'd', 'in_app', 'owner',
                CASE WHEN n = 1 THEN 'dead' ELSE 'delivered' END, date '2020-01-01' + n,
                CASE WHEN n > 1 THEN date '2020-01-01' + n END
            FROM generate_series(1, 10) AS n;
        END LOOP;
    END LOOP;
END $$
"""


class Explaining:
    """Stands where the service's connection stands: explains a statement, then runs it."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection
        self.plans: list[tuple[str, Any, float]] = []

    async def _plan(self, query: str, arguments: tuple[Any, ...]) -> Any:
        return json.loads(await self._connection.fetchval(f"EXPLAIN (FORMAT JSON) {query}", *arguments))[0]["Plan"]

    async def _do(self, method: str, query: str, arguments: tuple[Any, ...]) -> Any:
        plan = await self._plan(query, arguments)
        started = time.perf_counter()
        result = await getattr(self._connection, method)(query, *arguments)
        self.plans.append((" ".join(query.split()), plan, time.perf_counter() - started))
        return result

    async def execute(self, query: str, *arguments: Any) -> Any:
        return await self._do("execute", query, arguments)

    async def executemany(self, query: str, rows: list[tuple[Any, ...]]) -> None:
        plan = await self._plan(query, rows[0])
        started = time.perf_counter()
        await self._connection.executemany(query, rows)
        self.plans.append((" ".join(query.split()), plan, time.perf_counter() - started))

    @asynccontextmanager
    async def as_user(self, _user_id: UUID, snapshot: bool = False) -> AsyncIterator[Explaining]:  # noqa: ARG002 - the name of the argument is the interface
        """As the service's database: the transaction of the user, who is set already."""
        yield self

    async def fetch(self, query: str, *arguments: Any) -> Any:
        return await self._do("fetch", query, arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        return await self._do("fetchrow", query, arguments)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        return await self._do("fetchval", query, arguments)


def scans(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """(kind of node, table) of every node that reads a table."""
    found = [(plan["Node Type"], plan["Relation Name"])] if "Relation Name" in plan else []
    for child in plan.get("Plans", []):
        found += scans(child)
    return found


async def use(tx: PgTenantTx, portfolio: UUID) -> None:
    """Every statement of the service on tenant rows, once."""
    day = date(2026, 1, 1)
    bought = Transaction(uuid4(), "KO", "buy", Decimal(1), Decimal(1), "USD", Decimal(1), day)
    await tx.portfolio(portfolio)
    await tx.portfolios()
    await tx.open_lots(portfolio)
    (lot, *_) = await tx.lock_lots(portfolio, "KO")
    await tx.version(portfolio)
    await tx.last_two_values(portfolio)
    await tx.lock_portfolio(portfolio)
    await tx.bookings(portfolio)
    await tx.bookings(portfolio, 10, "KO")
    await tx.last_bookings(portfolio, None, 100)
    await tx.last_bookings(portfolio, 10**6, 100)
    await tx.last_day(portfolio, "KO")
    await tx.add_booking(portfolio, bought)
    await tx.add_booking(portfolio, CashMovement(uuid4(), day, "USD", Decimal(1), Decimal(1)))
    await tx.open_lot(portfolio, bought)
    await tx.set_lot_quantity(lot.id, Decimal(1))
    await tx.replace_lot(lot)
    await tx.cash(portfolio)
    await tx.add_cash(portfolio, "USD", Decimal(1))
    state = await tx.journal(portfolio)
    await tx.entries_from(portfolio, 4900)
    await tx.add_entry(portfolio, JournalState(99, 10**6), "x", bought.id)
    await tx.save_journal(portfolio, state or JournalState())
    await tx.save_daily_value(portfolio, day, "PP-BENCH", Decimal(1))
    await tx.add_notification(portfolio, day, "r", Decimal(0))
    await tx.add_reconciliation(portfolio, day, "0" * 40, [])
    await tx.reconciliations(portfolio, 20)
    await tx.audit("bench", portfolio, {})


async def use_analysis(store: PgAnalysisStore, user: UUID, portfolio: UUID) -> None:
    """Every statement on what the nights found out."""
    day, one = date(2026, 1, 1), Decimal(1)
    pack = PackHeader("PP-BENCH", day, "P", "0" * 64, None, True, datetime.now(UTC))
    part = Contribution("portfolio", one, one, one, one)
    fit = Fit(5, one, {"market": one}, one, {"market": one}, one)
    await store.save_performance(user, portfolio, pack, Performance(day, day, 1, one, one, one, one, one))
    await store.save_attribution(user, portfolio, pack, date(2025, 1, 1), PortfolioAttribution(part, (), ()))
    await store.save_tilts(user, portfolio, pack, {"value": Tilt(Decimal("0.5"), one)})
    await store.save_regression(user, portfolio, pack, fit)
    await store.metrics(user, portfolio, 30)


async def use_alerts(tx: PgAlertTx, portfolio: UUID) -> None:
    """Every statement on rules, what fired, and the outbox."""
    now = datetime.now(UTC)
    rule = AlertRule(uuid4(), portfolio, Condition("<", Decimal("-0.1"), "daily"), 15, None, None, (), None, now)
    firing = Firing(uuid4(), rule.id, portfolio, now.date(), Decimal("-0.2"), now, None)
    rest = (firing.id, portfolio, firing.asof_date, firing.change, "in_app")
    sent, lost = Delivery(uuid4(), *rest, "owner", now), Delivery(uuid4(), *rest, "other", now)
    await tx.add_rule(rule)
    await tx.rules()
    await tx.rules(portfolio)
    await tx.evaluated(rule.id, now)
    await tx.hold(portfolio, "d")
    await tx.last_notification(portfolio, "d", "in_app", "owner")
    await tx.add_firing(firing, "d", [sent, lost])
    await tx.firings(50)
    await tx.claim(["in_app"], now, now, 10)
    await tx.delivered(sent.id, now)
    await tx.failed(lost.id, "gone", None)
    await tx.replay(now, 3)
    await tx.remove_rule(rule.id)


async def measure(users: int) -> int:
    """Fill, analyse, use, judge."""
    app = await asyncpg.connect(os.environ["DATABASE_URL"], command_timeout=1800)
    owner = await asyncpg.connect(os.environ["DATABASE_OWNER_URL"], command_timeout=600)
    started = time.perf_counter()
    await app.execute(
        "INSERT INTO pricing_pack (id, asof_date, policy, hash) VALUES ('PP-BENCH', '1990-01-01', 'P', repeat('0', 64))"
    )
    await app.execute(FILL % {"users": users, "portfolios": PORTFOLIOS, "trades": TRADES})
    await owner.execute("ANALYZE")
    filled = time.perf_counter() - started
    tenant = {
        row["relname"]
        for row in await owner.fetch(
            "SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
            "WHERE a.attname IN ('user_id', 'portfolio_id') AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        )
    }
    user = await app.fetchval("SELECT md5('user7')::uuid")
    portfolio = await app.fetchval("SELECT md5($1::text || 3)::uuid", str(user))
    explaining = Explaining(app)
    async with app.transaction():
        await app.execute("SELECT set_config('app.user_id', $1, true)", str(user))
        # Each has the methods that are used.
        await use(PgTenantTx(explaining, user), portfolio)  # type: ignore[arg-type]
        await use_analysis(PgAnalysisStore(explaining), user, portfolio)  # type: ignore[arg-type]
        await use_alerts(PgAlertTx(explaining, user), portfolio)  # type: ignore[arg-type]
    whole = 0
    for statement, plan, seconds in explaining.plans:
        read = [(kind, table) for kind, table in scans(plan) if table in tenant]
        bad = [table for kind, table in read if kind == "Seq Scan"]
        whole += bool(bad)
        if read:
            print(f"{'SEQ ' if bad else 'ok  '} {seconds * 1000:7.2f} ms  {sorted(set(read))}  {statement[:90]}")
    rows = users * PORTFOLIOS * TRADES
    print(
        json.dumps(
            {
                "transactions": rows,
                "filled_in_seconds": round(filled),
                "statements": len(explaining.plans),
                "seq_scans": whole,
            }
        )
    )
    await app.close()
    await owner.close()
    return 1 if whole else 0


def main() -> int:
    """0 when no tenant table is scanned from end to end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2000)
    options = parser.parse_args()
    module(environment("unused"), "app.migrate", "up")
    module(environment("unused"), "app.seed")
    return asyncio.run(measure(options.users))


if __name__ == "__main__":
    sys.exit(main())
