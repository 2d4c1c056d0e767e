"""The ports of the alerts: rules, firings and deliveries of one user, and the senders of messages."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol
from uuid import UUID

from app.core.alerts import Condition, LastNotification, SentMessage
from app.core.errors import DawsosError

Method = Literal["in_app", "webhook", "email"]
DeliveryStatus = Literal["pending", "delivered", "dead"]


class DeliveryError(DawsosError):
    """A message was not delivered. `reason` is a metric label; `final` means that no retry can succeed."""

    def __init__(self, reason: str, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.final = final


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A rule of one owner. `reference` is the portfolio's value at its making, used until a night has valued it."""

    id: UUID
    portfolio_id: UUID
    condition: Condition
    cooldown_minutes: int
    webhook_url: str | None
    webhook_secret: str | None
    emails: tuple[str, ...]
    reference: Decimal | None
    created_at: datetime
    last_evaluated_at: datetime | None = None

    def recipients(self) -> list[tuple[Method, str]]:
        """All recipients by method. The owner is always one of them, by the list in the application."""
        told: list[tuple[Method, str]] = [("in_app", "owner")]
        if self.webhook_url is not None:
            told.append(("webhook", self.webhook_url))
        return told + [("email", address) for address in self.emails]


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule whose condition held. `change` is a fraction; None for a test message."""

    id: UUID
    alert_id: UUID
    portfolio_id: UUID
    asof_date: date
    change: Decimal | None
    triggered_at: datetime
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one recipient. Its id is the same for every try, so that receivers can recognise a repetition."""

    id: UUID
    firing_id: UUID
    portfolio_id: UUID
    asof_date: date
    change: Decimal | None
    method: Method
    recipient: str
    triggered_at: datetime
    status: DeliveryStatus = "pending"
    attempts: int = 0
    delivered_at: datetime | None = None
    last_error: str = ""
    secret: str | None = None
    traceparent: str | None = None

    @property
    def seconds(self) -> float | None:
        """Seconds from the firing to the delivery; None before it."""
        return (self.delivered_at - self.triggered_at).total_seconds() if self.delivered_at else None


class AlertTx(Protocol):
    """One transaction of one user; rows of other users are invisible in it."""

    async def add_rule(self, rule: AlertRule) -> None: ...
    async def rules(self, portfolio_id: UUID | None = None) -> list[AlertRule]: ...
    async def remove_rule(self, rule_id: UUID) -> bool: ...
    async def evaluated(self, rule_id: UUID, at: datetime) -> None: ...

    # Locks one condition of one portfolio until the transaction ends: of two evaluators at once only one may notify.
    async def hold(self, portfolio_id: UUID, digest: str) -> None: ...
    async def last_notification(
        self, portfolio_id: UUID, digest: str, method: Method, recipient: str
    ) -> LastNotification | None: ...
    async def add_firing(self, firing: Firing, digest: str, deliveries: list[Delivery]) -> None: ...

    # Mails, and test messages by any method, that were requested after a time.
    async def sent_since(self, time: datetime) -> list[SentMessage]: ...
    async def firings(self, limit: int) -> list[tuple[Firing, list[Delivery]]]: ...

    # Leases due deliveries until `until`; after that another process may claim those without an outcome.
    async def claim(self, methods: list[Method], now: datetime, until: datetime, limit: int) -> list[Delivery]: ...
    async def delivered(self, delivery_id: UUID, at: datetime) -> None: ...
    async def failed(self, delivery_id: UUID, error: str, retry_at: datetime | None) -> None: ...

    # Makes dead letters due again with all their tries, and returns their number. Delivered messages stay as they are.
    async def replay(self, now: datetime, max_replays: int) -> int: ...


class AlertStore(Protocol):
    """Opens transactions for users."""

    def begin(self, user_id: UUID) -> AbstractAsyncContextManager[AlertTx]: ...


class Sender(Protocol):
    """One delivery method. Raises DeliveryError, and nothing else, when the message was not delivered."""

    method: Method

    async def send(self, delivery: Delivery) -> None: ...


class DeliveryMeter(Protocol):
    """Counts deliveries and failed tries."""

    def delivered(self, method: Method, seconds: float) -> None: ...
    def failed(self, method: Method, reason: str) -> None: ...


class Mutex(Protocol):
    """A lock that all processes share."""

    # Yields True while it holds the lock; without `wait` it yields False at once when another process holds it.
    def hold(self, name: str, wait: bool) -> AbstractAsyncContextManager[bool]: ...
