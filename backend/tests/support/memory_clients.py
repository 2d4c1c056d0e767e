"""The ports of alerts, providers and rights in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from app.core.alerts import TEST, LastNotification, SentMessage
from app.core.rights import Right
from app.services.alert_ports import AlertRule, Delivery, DeliveryError, DeliveryStatus, Firing, Method
from app.services.provider_ports import Fundamentals, ProviderError, Quote, Series, Statement


@dataclass
class Letter:
    """One row of the outbox."""

    delivery: Delivery
    digest: str
    due_at: datetime
    replays: int = 0


@dataclass
class AlertBooks:
    """The rows of one user."""

    rules: dict[UUID, AlertRule] = field(default_factory=dict)
    firings: list[Firing] = field(default_factory=list)
    letters: dict[UUID, Letter] = field(default_factory=dict)


class MemoryAlertTx:
    """services.alert_ports.AlertTx over one user's books."""

    def __init__(self, books: AlertBooks) -> None:
        self._books = books

    async def add_rule(self, rule: AlertRule) -> None:
        self._books.rules[rule.id] = rule

    async def rules(self, portfolio_id: UUID | None = None) -> list[AlertRule]:
        return [r for r in self._books.rules.values() if portfolio_id in {None, r.portfolio_id}]

    async def remove_rule(self, rule_id: UUID) -> bool:
        return self._books.rules.pop(rule_id, None) is not None

    async def evaluated(self, rule_id: UUID, at: datetime) -> None:
        self._books.rules[rule_id] = replace(self._books.rules[rule_id], last_evaluated_at=at)

    async def hold(self, portfolio_id: UUID, digest: str) -> None:
        """One user's books have one writer at a time here."""

    async def last_notification(
        self, portfolio_id: UUID, digest: str, method: Method, recipient: str
    ) -> LastNotification | None:
        told = [
            LastNotification(letter.delivery.triggered_at, letter.delivery.asof_date)
            for letter in self._books.letters.values()
            if (letter.delivery.portfolio_id, letter.digest) == (portfolio_id, digest)
            and (letter.delivery.method, letter.delivery.recipient) == (method, recipient)
        ]
        return max(told, key=lambda t: t.at, default=None)

    async def add_firing(self, firing: Firing, digest: str, deliveries: list[Delivery]) -> None:
        self._books.firings.append(firing)
        for delivery in deliveries:
            rule = self._books.rules.get(firing.alert_id)
            known = replace(delivery, secret=rule.webhook_secret if rule else None)
            self._books.letters[delivery.id] = Letter(known, digest, delivery.triggered_at)

    async def sent_since(self, time: datetime) -> list[SentMessage]:
        return [
            SentMessage(
                letter.delivery.method, letter.delivery.recipient, letter.delivery.triggered_at, letter.digest == TEST
            )
            for letter in self._books.letters.values()
            if letter.delivery.triggered_at > time and (letter.delivery.method == "email" or letter.digest == TEST)
        ]

    async def firings(self, limit: int) -> list[tuple[Firing, list[Delivery]]]:
        newest = sorted(self._books.firings, key=lambda f: f.triggered_at, reverse=True)[:limit]
        letters = [letter.delivery for letter in self._books.letters.values()]
        return [(firing, [d for d in letters if d.firing_id == firing.id]) for firing in newest]

    async def claim(self, methods: list[Method], now: datetime, until: datetime, limit: int) -> list[Delivery]:
        due = [
            letter
            for letter in self._books.letters.values()
            if letter.delivery.status == "pending" and letter.due_at <= now and letter.delivery.method in methods
        ][:limit]
        for letter in due:
            letter.due_at = until
            letter.delivery = replace(letter.delivery, attempts=letter.delivery.attempts + 1)
        return [letter.delivery for letter in due]

    async def delivered(self, delivery_id: UUID, at: datetime) -> None:
        letter = self._books.letters[delivery_id]
        assert letter.delivery.status == "pending"
        letter.delivery = replace(letter.delivery, status="delivered", delivered_at=at, last_error="")

    async def failed(self, delivery_id: UUID, error: str, retry_at: datetime | None) -> None:
        letter = self._books.letters[delivery_id]
        letter.due_at = retry_at or letter.due_at
        status: DeliveryStatus = "pending" if retry_at else "dead"
        letter.delivery = replace(letter.delivery, status=status, last_error=error)

    async def replay(self, now: datetime, max_replays: int) -> int:
        dead = [
            letter
            for letter in self._books.letters.values()
            if letter.delivery.status == "dead" and letter.replays < max_replays
        ]
        for letter in dead:
            letter.delivery = replace(letter.delivery, status="pending", attempts=0)
            letter.due_at, letter.replays = now, letter.replays + 1
        return len(dead)


class MemoryAlerts:
    """services.alert_ports.AlertStore; a failed transaction leaves nothing behind."""

    def __init__(self) -> None:
        self.books: dict[UUID, AlertBooks] = {}

    @asynccontextmanager
    async def begin(self, user_id: UUID) -> AsyncIterator[MemoryAlertTx]:
        working = deepcopy(self.books.get(user_id, AlertBooks()))
        yield MemoryAlertTx(working)
        self.books[user_id] = working


class MemorySender:
    """services.alert_ports.Sender that keeps what it sends, or fails as told."""

    def __init__(self, method: Method) -> None:
        self.method: Method = method
        self.sent: list[Delivery] = []
        self.failures: list[DeliveryError] = []

    async def send(self, delivery: Delivery) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(delivery)


class MemoryMutex:
    """services.alert_ports.Mutex."""

    def __init__(self) -> None:
        self.held: set[str] = set()

    @asynccontextmanager
    async def hold(self, name: str, wait: bool) -> AsyncIterator[bool]:
        if name in self.held:
            assert not wait, "a test that waits for itself never ends"
            yield False
            return
        self.held.add(name)
        try:
            yield True
        finally:
            self.held.discard(name)


class MemoryRights:
    """services.ports.RightsStore."""

    def __init__(self) -> None:
        self.known = {
            "fixture": Right("fixture", True, True, "Prices: recorded fixture"),
            "ecb": Right("ecb", True, True, "Rates: ECB"),
            "newsapi": Right("newsapi", False, False, ""),
        }

    async def rights(self) -> dict[str, Right]:
        return dict(self.known)


class MemoryProvider:
    """services.provider_ports.Provider with one symbol, which fails as told."""

    per_minute = 6000.0

    def __init__(self, name: str = "polygon") -> None:
        self.name = name
        self.failure: ProviderError | None = None
        self.calls = 0

    def _ask(self, key: str) -> None:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        if key not in {"AAPL", "UNRATE"}:
            raise ProviderError("unknown", f"{self.name} does not know {key}")

    async def quote(self, symbol: str) -> Quote:
        self._ask(symbol)
        return Quote(symbol, Decimal("170.77"), 1000, datetime(2023, 10, 31, 21, tzinfo=UTC))

    async def fundamentals(self, symbol: str) -> Fundamentals:
        self._ask(symbol)
        return Fundamentals(symbol, (Statement(2023, Decimal("383285"), Decimal("96995")),))

    async def series(self, series_id: str) -> Series:
        self._ask(series_id)
        return Series(series_id, ((date(2020, 4, 1), Decimal("14.7")),))
