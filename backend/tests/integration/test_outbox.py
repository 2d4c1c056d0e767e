"""The outbox in PostgreSQL and its senders, with nobody else at work on it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from prometheus_client import CollectorRegistry

from app.clients.webhook import WebhookSender
from app.core.alerts import Condition
from app.core.errors import PackWarmingError, StoreUnavailableError
from app.metrics import DeliveryMetrics
from app.services.alert_ports import AlertRule, Delivery, DeliveryError, Firing
from app.services.alerting import AlertService, NewAlert, new_secret
from app.services.delivery import DeliveryService
from app.services.portfolios import PortfolioService
from app.storage.alerts import PgAlertStore
from app.storage.db import Database
from app.storage.locks import PgMutex, listen_for_messages
from app.storage.tenants import PgTenantStore
from tests.support.external import Receiver, receiving, wait_for
from tests.support.servers import Stack

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


def now() -> datetime:
    return datetime.now(UTC)


class Post:
    """One user with one rule and letters in the outbox, straight on the store."""

    def __init__(self, db: Database, user: UUID, portfolio: UUID) -> None:
        self.store, self.tenants = PgAlertStore(db), PgTenantStore(db)
        self.user, self.portfolio = user, portfolio
        self.rule = AlertRule(
            uuid4(),
            portfolio,
            Condition("<", Decimal("-0.05"), "daily"),
            15,
            "http://h/",
            new_secret(),
            (),
            None,
            now(),
        )

    async def letters(self, count: int, recipient: str = "http://h/") -> list[UUID]:
        """Put pending letters into the outbox."""
        firing = Firing(uuid4(), self.rule.id, self.portfolio, now().date(), Decimal("-0.1"), now(), None)
        made = [
            Delivery(
                uuid4(), firing.id, self.portfolio, firing.asof_date, firing.change, "webhook", recipient,
                firing.triggered_at,
            )
            for _ in range(count)
        ]  # fmt: skip
        async with self.store.begin(self.user) as tx:
            await tx.add_firing(firing, self.rule.condition.digest(), made)
        return [delivery.id for delivery in made]

    def service(self, sender: WebhookSender) -> DeliveryService:
        """A delivery service over it."""
        return DeliveryService(self.store, self.tenants, [sender], now, DeliveryMetrics(CollectorRegistry()))


@pytest.fixture
async def post(db: Database) -> Post:
    user = uuid4()
    async with PgTenantStore(db).begin(user) as tx:
        portfolio = (await tx.create_portfolio("Post", "USD")).id
    made = Post(db, user, portfolio)
    async with made.store.begin(user) as tx:
        await tx.add_rule(made.rule)
    return made


async def test_many_workers_deliver_each_letter_once(post: Post, receiver: Receiver) -> None:
    ids = await post.letters(60, receiver.url)
    async with httpx.AsyncClient(trust_env=False) as client:
        sender = WebhookSender(client, now, LOOPBACK)
        await asyncio.gather(*(post.service(sender).deliver(post.user) for _ in range(5)))
    # The module's worker process hears of the letters too, and takes its share.
    await asyncio.to_thread(wait_for, lambda: len(receiver.messages) >= len(ids), "letters are missing")
    assert sorted(body["id"] for body in receiver.bodies()) == sorted(map(str, ids))
    assert receiver.genuine(post.rule.webhook_secret or "")


async def test_a_delivered_letter_cannot_be_sent_again(
    post: Post, receiver: Receiver, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    (letter,) = await post.letters(1, receiver.url)
    async with httpx.AsyncClient(trust_env=False) as client:
        await post.service(WebhookSender(client, now, LOOPBACK)).deliver(post.user)
    async with owner.transaction():
        await owner.execute("SELECT set_config('app.user_id', $1, true)", str(post.user))
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="was made"):
            await owner.execute("UPDATE outbox SET status = 'pending', delivered_at = NULL WHERE id = $1", letter)


async def test_a_claimed_letter_falls_due_again_when_its_worker_died(post: Post) -> None:
    ids = await post.letters(1)
    async with post.store.begin(post.user) as tx:
        first = await tx.claim(["webhook"], now(), now() + timedelta(seconds=60), 10)
    async with post.store.begin(post.user) as tx:
        none = await tx.claim(["webhook"], now(), now() + timedelta(seconds=60), 10)
    async with post.store.begin(post.user) as tx:
        later = now() + timedelta(seconds=61)
        again = await tx.claim(["webhook"], later, later + timedelta(seconds=60), 10)
    assert ([d.id for d in first], none, [d.attempts for d in again]) == (ids, [], [2])


async def test_two_evaluators_at_once_tell_once(post: Post, db: Database) -> None:
    """Both look before either has told; the lock makes the second see what the first did."""
    told: list[bool] = []

    async def evaluate() -> None:
        digest = post.rule.condition.digest()
        async with post.store.begin(post.user) as tx:
            await tx.hold(post.portfolio, digest)
            known = await tx.last_notification(post.portfolio, digest, "webhook", "http://h/")
            told.append(known is None)
            if known is None:
                firing = Firing(uuid4(), post.rule.id, post.portfolio, now().date(), None, now(), None)
                letter = Delivery(
                    uuid4(), firing.id, post.portfolio, firing.asof_date, None, "webhook", "http://h/", now()
                )
                await tx.add_firing(firing, digest, [letter])

    await asyncio.gather(evaluate(), evaluate(), evaluate())
    assert sorted(told) == [False, False, True]


async def test_listeners_hear_of_a_letter_when_it_commits(post: Post, stack: Stack) -> None:
    async with listen_for_messages(stack.database_url) as heard:
        await post.letters(1)
        assert await asyncio.wait_for(heard.get(), 5) == post.user


async def test_listeners_hear_of_a_rule_when_it_commits(post: Post, stack: Stack) -> None:
    ruled: asyncio.Queue[UUID] = asyncio.Queue()
    async with listen_for_messages(stack.database_url, ruled.put_nowait) as heard:
        async with post.store.begin(post.user) as tx:
            await tx.add_rule(replace(post.rule, id=uuid4()))
        assert await asyncio.wait_for(ruled.get(), 5) == post.user
        assert heard.empty()


async def test_a_lock_is_held_by_one(db: Database) -> None:
    mutex, name = PgMutex(db), f"lock-{uuid4()}"
    async with mutex.hold(name, wait=False) as first, mutex.hold(name, wait=False) as second:
        assert (first, second) == (True, False)
    async with mutex.hold(name, wait=True) as free:
        assert free


async def test_an_address_inside_is_refused_for_good(receiver: Receiver) -> None:
    delivery = Delivery(uuid4(), uuid4(), uuid4(), now().date(), None, "webhook", receiver.url, now())
    async with httpx.AsyncClient(trust_env=False) as client:
        for url in (receiver.url, "http://[::1]:1/", "http://169.254.169.254/latest", "http://localhost:1/"):
            with pytest.raises(DeliveryError) as refused:
                await WebhookSender(client, now).send(replace(delivery, recipient=url))
            assert (refused.value.reason, refused.value.final) == ("forbidden", True)
    assert receiver.messages == []


@pytest.mark.parametrize(
    ("answers", "reason", "final"), [([410], "status", True), ([302], "status", False), ([500], "status", False)]
)
async def test_what_a_receiver_says_decides(receiver: Receiver, answers: list[int], reason: str, final: bool) -> None:
    receiver.answers = answers
    delivery = Delivery(
        uuid4(), uuid4(), uuid4(), now().date(), None, "webhook", receiver.url, now(), secret=new_secret()
    )
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(DeliveryError) as failed:
            await WebhookSender(client, now, LOOPBACK).send(delivery)
    assert (failed.value.reason, failed.value.final) == (reason, final)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


async def test_who_waits_for_a_lock_waits_longer_than_a_statement_may(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night that waits for another one waits for minutes; the server would end its statement after seconds."""
    monkeypatch.setattr("app.storage.db.STATEMENT_TIMEOUT", "200ms")
    db, name = Database(stack.database_url, 2), f"lock-{uuid4()}"
    mutex = PgMutex(db)

    async def wait() -> bool:
        async with mutex.hold(name, wait=True) as taken:
            return taken

    try:
        async with mutex.hold(name, wait=False):
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0.6)
        assert await waiting
        # The patience ends with the lock: the connection goes back as it was.
        async with db.connection() as one, db.connection() as two:
            limits = [await connection.fetchval("SHOW statement_timeout") for connection in (one, two)]
        assert limits == ["200ms", "200ms"]
    finally:
        await db.close()


async def test_a_listener_that_cannot_take_its_leave_hides_no_reason(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that swallows packets answers neither a query nor a goodbye; it is waited for all the same."""

    async def silent(*_: object, **__: object) -> None:
        raise TimeoutError

    async def listen() -> None:
        async with listen_for_messages(stack.database_url):
            monkeypatch.setattr(asyncpg.Connection, "close", silent)
            raise StoreUnavailableError("the listening connection was lost")

    with pytest.raises(StoreUnavailableError, match="was lost"):
        await listen()


async def test_tests_at_once_do_not_pass_their_limit(post: Post) -> None:
    """Counted from the outbox under a lock: several processes of the service share one limit, with Redis or without."""
    service = AlertService(post.store, post.tenants, cast("PortfolioService", NoPack()), now, mail=True)
    made = await asyncio.gather(*(service.test(post.user, post.rule.id) for _ in range(8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in made) == ["Firing"] * 5 + ["RateLimitedError"] * 3


class NoPack:
    """A portfolio service before the first pack."""

    async def value(self, user_id: UUID, portfolio_id: UUID) -> None:
        raise PackWarmingError("the first pricing pack is still warming up")


async def test_requests_at_once_do_not_pass_the_limit_of_rules(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.alerting.MAX_RULES", 3)
    service = AlertService(post.store, post.tenants, cast("PortfolioService", NoPack()), now, mail=False)
    wanted = NewAlert(post.portfolio, post.rule.condition, 15, None, ())
    made = await asyncio.gather(*(service.create(post.user, wanted) for _ in range(8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in made) == ["AlertRefusedError"] * 6 + ["AlertRule"] * 2
    assert len(await service.rules(post.user)) == 3
