"""Delivery from the outbox: claim due messages, send them, record the outcome.

One transaction claims the row, the message is sent outside of any transaction, another transaction records the outcome.
A process that dies in between leaves a row that is due again when its lease ends: delivery is at least once, and a
repeated message has the same id. A message that failed three times becomes a dead letter; a replay makes it due again.
A delivered message is never sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from app.core.alerts import next_attempt
from app.services.alert_ports import AlertStore, Delivery, DeliveryError, DeliveryMeter, Method, Sender
from app.services.ports import Clock, TenantStore
from app.services.tracing import from_traceparent, span

LEASE = timedelta(seconds=60)
BATCH = 20
# The number of automatic replays, an hour apart; `jobs.replay_dlq` replays without a limit.
MAX_REPLAYS = 3


class DeliveryService:
    """Delivers the messages of the outbox."""

    def __init__(
        self, store: AlertStore, tenants: TenantStore, senders: Sequence[Sender], clock: Clock, meter: DeliveryMeter
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._senders: dict[Method, Sender] = {sender.method: sender for sender in senders}
        self._clock = clock
        self._meter = meter
        # When the next retry of a user is due, so that the worker can wait for it instead of polling all users.
        self.retries: dict[UUID, datetime] = {}

    async def deliver(self, user_id: UUID) -> int:
        """Send the due messages of one user; the number of messages delivered."""
        done = 0
        self.retries.pop(user_id, None)
        while True:
            now = self._clock()
            async with self._store.begin(user_id) as tx:
                claimed = await tx.claim(list(self._senders), now, now + LEASE, BATCH)
            if not claimed:
                return done
            # Sent together, so that one slow receiver does not delay the others.
            done += sum(await asyncio.gather(*(self._deliver_one(user_id, delivery) for delivery in claimed)))

    async def deliver_all(self) -> int:
        """Send the due messages of all users."""
        return sum([await self.deliver(user_id) for user_id in await self._tenants.users()])

    async def replay(self, user_id: UUID, max_replays: int = MAX_REPLAYS) -> int:
        """Make the dead letters of one user due again; the number of them."""
        async with self._store.begin(user_id) as tx:
            return await tx.replay(self._clock(), max_replays)

    async def replay_all(self, max_replays: int = MAX_REPLAYS) -> int:
        """Make the dead letters of all users due again; the number of them."""
        return sum([await self.replay(user_id, max_replays) for user_id in await self._tenants.users()])

    async def _deliver_one(self, user_id: UUID, delivery: Delivery) -> bool:
        sender = self._senders[delivery.method]
        with from_traceparent(delivery.traceparent), span("alert.deliver", method=delivery.method):
            try:
                await sender.send(delivery)
            except DeliveryError as error:
                now = self._clock()
                retry_at = None if error.final else next_attempt(delivery.attempts, now)
                self._meter.failed(delivery.method, error.reason)
                if retry_at is not None:
                    self.retries[user_id] = min(retry_at, self.retries.get(user_id, retry_at))
                async with self._store.begin(user_id) as tx:
                    await tx.failed(delivery.id, f"{error.reason}: {error}", retry_at)
                return False
            now = self._clock()
            async with self._store.begin(user_id) as tx:
                await tx.delivered(delivery.id, now)
            self._meter.delivered(delivery.method, (now - delivery.triggered_at).total_seconds())
            return True
