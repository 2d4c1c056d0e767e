"""Alert rules, firings and the outbox in PostgreSQL. As in `tenants`, row-level security isolates the users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.core.alerts import TEST, Condition, LastNotification, SentMessage
from app.services.alert_ports import AlertRule, Delivery, Firing, Method
from app.storage.db import Database

if TYPE_CHECKING:
    import asyncpg

    from app.storage.db import Connection

# Notified when messages are committed, so that the worker delivers them at once. The payload is the user's id.
CHANNEL = "outbox"
# Notified when a rule is made, so that the worker need not poll all users. The payload is the user's id.
RULES_CHANNEL = "rules"
RULES = """
SELECT id, portfolio_id, op, threshold, span, cooldown_minutes, webhook_url, webhook_secret, emails, reference_value,
       created_at, last_evaluated_at
FROM alerts WHERE NOT removed AND ($1::uuid IS NULL OR portfolio_id = $1) ORDER BY created_at, id
"""
DELIVERY = """
o.id, o.firing_id, f.portfolio_id, f.asof_date, f.change, o.method, o.recipient, f.triggered_at, o.status, o.attempts,
o.delivered_at, o.last_error, a.webhook_secret AS secret, f.traceparent
"""
JOINED = "FROM outbox AS o JOIN alert_firings AS f ON f.id = o.firing_id JOIN alerts AS a ON a.id = f.alert_id "
LAST_NOTIFICATION = """
SELECT f.triggered_at, f.asof_date FROM outbox AS o JOIN alert_firings AS f ON f.id = o.firing_id
WHERE f.portfolio_id = $1 AND o.condition_digest = $2 AND o.method = $3 AND o.recipient = $4
ORDER BY f.triggered_at DESC LIMIT 1
"""
SENT = """
SELECT o.method, o.recipient, f.triggered_at, o.condition_digest = $2
FROM outbox AS o JOIN alert_firings AS f ON f.id = o.firing_id
WHERE f.triggered_at > $1 AND (o.method = 'email' OR o.condition_digest = $2)
"""
# SKIP LOCKED: two workers (of the canary and of the stable release) share the rows instead of claiming them twice.
CLAIM = """
WITH due AS (
    SELECT id FROM outbox WHERE status = 'pending' AND due_at <= $2 AND method = ANY($1::text [])
    ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET attempts = attempts + 1, due_at = $3 FROM due WHERE outbox.id = due.id RETURNING outbox.id
"""
REPLAY = """
UPDATE outbox SET status = 'pending', attempts = 0, replays = replays + 1, due_at = $1
WHERE status = 'dead' AND replays < $2
"""


def _rule(row: asyncpg.Record) -> AlertRule:
    return AlertRule(
        id=row["id"],
        portfolio_id=row["portfolio_id"],
        condition=Condition(row["op"], row["threshold"], row["span"]),
        cooldown_minutes=row["cooldown_minutes"],
        webhook_url=row["webhook_url"],
        webhook_secret=row["webhook_secret"],
        emails=tuple(row["emails"]),
        reference=row["reference_value"],
        created_at=row["created_at"],
        last_evaluated_at=row["last_evaluated_at"],
    )


class PgAlertTx:
    """Implements services.alert_ports.AlertTx on a connection whose user is already set."""

    def __init__(self, connection: Connection, user_id: UUID) -> None:
        self._connection = connection
        self._user_id = user_id

    async def add_rule(self, rule: AlertRule) -> None:
        """Insert a rule."""
        await self._connection.execute(
            "INSERT INTO alerts (id, portfolio_id, user_id, op, threshold, span, cooldown_minutes, webhook_url, "
            "webhook_secret, emails, reference_value, created_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            *(rule.id, rule.portfolio_id, self._user_id, rule.condition.op, rule.condition.threshold),
            *(rule.condition.window, rule.cooldown_minutes, rule.webhook_url, rule.webhook_secret),
            *(list(rule.emails), rule.reference, rule.created_at),
        )
        await self._connection.execute("SELECT pg_notify($1, $2)", RULES_CHANNEL, str(self._user_id))

    async def rules(self, portfolio_id: UUID | None = None) -> list[AlertRule]:
        """Rules of this user, or of one portfolio."""
        return [_rule(row) for row in await self._connection.fetch(RULES, portfolio_id)]

    async def remove_rule(self, rule_id: UUID) -> bool:
        """False when there is no such rule."""
        query = "UPDATE alerts SET removed = TRUE WHERE id = $1 AND NOT removed RETURNING 1"
        return await self._connection.fetchval(query, rule_id) is not None

    async def evaluated(self, rule_id: UUID, at: datetime) -> None:
        """Record the time of an evaluation."""
        await self._connection.execute("UPDATE alerts SET last_evaluated_at = $2 WHERE id = $1", rule_id, at)

    async def hold(self, portfolio_id: UUID, digest: str) -> None:
        """A lock that ends with the transaction."""
        await self._connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{portfolio_id} {digest}"
        )

    async def last_notification(
        self, portfolio_id: UUID, digest: str, method: Method, recipient: str
    ) -> LastNotification | None:
        """The last notification of this recipient for this condition."""
        row = await self._connection.fetchrow(LAST_NOTIFICATION, portfolio_id, digest, method, recipient)
        return LastNotification(row["triggered_at"], row["asof_date"]) if row else None

    async def add_firing(self, firing: Firing, digest: str, deliveries: list[Delivery]) -> None:
        """Insert the firing and its outbox rows; listeners are notified when the transaction commits."""
        await self._connection.execute(
            "INSERT INTO alert_firings (id, alert_id, portfolio_id, user_id, asof_date, change, triggered_at, "
            "traceparent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            *(firing.id, firing.alert_id, firing.portfolio_id, self._user_id, firing.asof_date, firing.change),
            *(firing.triggered_at, firing.traceparent),
        )
        await self._connection.executemany(
            "INSERT INTO outbox (id, firing_id, user_id, condition_digest, method, recipient, status, due_at, "
            "delivered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [
                (
                    d.id,
                    firing.id,
                    self._user_id,
                    digest,
                    d.method,
                    d.recipient,
                    d.status,
                    d.triggered_at,
                    d.delivered_at,
                )
                for d in deliveries
            ],
        )
        await self._connection.execute("SELECT pg_notify($1, $2)", CHANNEL, str(self._user_id))

    async def sent_since(self, time: datetime) -> list[SentMessage]:
        """Mails, and test messages by any method, after a time."""
        return [SentMessage(*row) for row in await self._connection.fetch(SENT, time, TEST)]

    async def firings(self, limit: int) -> list[tuple[Firing, list[Delivery]]]:
        """Newest first."""
        rows = await self._connection.fetch(
            "SELECT id, alert_id, portfolio_id, asof_date, change, triggered_at, traceparent FROM alert_firings "
            "ORDER BY triggered_at DESC, id LIMIT $1",
            limit,
        )
        found = [Firing(*row) for row in rows]
        sent: dict[UUID, list[Delivery]] = {firing.id: [] for firing in found}
        for delivery in await self._deliveries("WHERE o.firing_id = ANY($1::uuid [])", list(sent)):
            sent[delivery.firing_id].append(delivery)
        return [(firing, sent[firing.id]) for firing in found]

    async def claim(self, methods: list[Method], now: datetime, until: datetime, limit: int) -> list[Delivery]:
        """Claim due deliveries until a time."""
        taken = [row["id"] for row in await self._connection.fetch(CLAIM, list(methods), now, until, limit)]
        return await self._deliveries("WHERE o.id = ANY($1::uuid [])", taken) if taken else []

    async def delivered(self, delivery_id: UUID, at: datetime) -> None:
        """Record a delivery."""
        await self._connection.execute(
            "UPDATE outbox SET status = 'delivered', delivered_at = $2, last_error = '' "
            "WHERE id = $1 AND status = 'pending'",
            *(delivery_id, at),
        )

    async def failed(self, delivery_id: UUID, error: str, retry_at: datetime | None) -> None:
        """Record a failed try: due again at `retry_at`, or a dead letter without one."""
        await self._connection.execute(
            "UPDATE outbox SET status = CASE WHEN $3::timestamptz IS NULL THEN 'dead' ELSE 'pending' END, "
            "due_at = coalesce($3, due_at), last_error = $2 WHERE id = $1 AND status = 'pending'",
            *(delivery_id, error[:500], retry_at),
        )

    async def replay(self, now: datetime, max_replays: int) -> int:
        """Dead letters become due again."""
        done = await self._connection.execute(REPLAY, now, max_replays)
        return int(done.split()[-1])

    async def _deliveries(self, where: str, ids: list[Any]) -> list[Delivery]:
        # `where` is one of two literals above; the ids travel as a parameter.
        query = f"SELECT {DELIVERY} {JOINED} {where} ORDER BY o.method, o.recipient"
        return [Delivery(**dict(row)) for row in await self._connection.fetch(query, ids)]


class PgAlertStore:
    """Implements services.alert_ports.AlertStore."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def begin(self, user_id: UUID) -> AsyncIterator[PgAlertTx]:
        """A transaction of one user."""
        async with self._db.as_user(user_id) as connection:
            yield PgAlertTx(connection, user_id)
