"""Working through the outbox: take due messages, send them, write down what came of it.

The row is taken in one transaction, the message sent outside of any, the outcome written in another. Whoever dies in
between leaves a row that falls due again when its lease ends, so a message may arrive twice (with the same id) but
never not at all. A message that failed three times is a dead letter; a replay makes it due again. What was delivered
is never sent again, whatever is replayed.
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
# Dead letters are replayed by themselves so often, an hour apart; after that only by hand.
MOST_REPLAYS = 3


class DeliveryService:
    """Delivers what the outbox holds."""

    def __init__(
        self, store: AlertStore, tenants: TenantStore, senders: Sequence[Sender], clock: Clock, meter: DeliveryMeter
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._senders: dict[Method, Sender] = {sender.method: sender for sender in senders}
        self._clock = clock
        self._meter = meter
        # Users with a try to come, and when: for whoever would rather be woken than sweep everybody every second.
        self.retries: dict[UUID, datetime] = {}

    async def deliver(self, user_id: UUID) -> int:
        """Send everything of one user that is due; the number of messages taken by their recipients."""
        done = 0
        self.retries.pop(user_id, None)
        while True:
            now = self._clock()
            async with self._store.begin(user_id) as tx:
                claimed = await tx.claim(list(self._senders), now, now + LEASE, BATCH)
            if not claimed:
                return done
            # One slow receiver must not hold up the others.
            done += sum(await asyncio.gather(*(self._one(user_id, delivery) for delivery in claimed)))

    async def deliver_all(self) -> int:
        """The same for every user."""
        return sum([await self.deliver(user_id) for user_id in await self._tenants.users()])

    async def replay(self, user_id: UUID, most_replays: int = MOST_REPLAYS) -> int:
        """Make the dead letters of one user due again; the number of them."""
        async with self._store.begin(user_id) as tx:
            return await tx.replay(self._clock(), most_replays)

    async def replay_all(self, most_replays: int = MOST_REPLAYS) -> int:
        """The same for every user."""
        return sum([await self.replay(user_id, most_replays) for user_id in await self._tenants.users()])

    async def _one(self, user_id: UUID, delivery: Delivery) -> bool:
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
