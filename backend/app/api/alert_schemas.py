"""Shapes of alerts, notifications, quotes and exports."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, HttpUrl, UrlConstraints

from app.api.pricing import PackId
from app.api.schemas import Number, Request
from app.core.alerts import COOLDOWN_MINUTES, Condition
from app.services.alert_ports import AlertRule, Delivery, Firing
from app.services.alerting import NewAlert
from app.services.market import Answer
from app.services.provider_ports import Quote


def _no_code(address: str) -> str:
    # RFC 2047: `=?` begins an encoded word, which mail software decodes into another address, or into a line break.
    if "=?" in address:
        raise ValueError("an encoded word is not an address")
    return address


# One address, no display name, no line break: what could smuggle a second header or recipient does not match.
Email = Annotated[
    str,
    Field(max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"),
    AfterValidator(_no_code),
]
WebhookUrl = Annotated[HttpUrl, UrlConstraints(max_length=2000)]


class NewAlertIn(Request):
    """POST /v1/alerts: notify when the change of the portfolio's value meets a condition."""

    portfolio_id: UUID
    metric: Literal["value_change"] = "value_change"
    op: Literal["<", "<=", ">", ">="]
    threshold: Annotated[Decimal, Field(ge=-1, le=1000, max_digits=12, decimal_places=8)]
    window: Literal["daily", "intraday"] = "daily"
    cooldown_minutes: Annotated[int, Field(ge=1, le=10080)] = COOLDOWN_MINUTES
    webhook_url: WebhookUrl | None = None
    emails: Annotated[list[Email], Field(max_length=5, default_factory=list)]

    def wanted(self) -> NewAlert:
        """To the domain."""
        return NewAlert(
            self.portfolio_id,
            Condition(self.op, self.threshold, self.window),
            self.cooldown_minutes,
            str(self.webhook_url) if self.webhook_url else None,
            tuple(self.emails),
        )


class AlertOut(BaseModel):
    """A rule, without the secret."""

    alert_id: UUID
    portfolio_id: UUID
    metric: str
    op: str
    threshold: Number
    window: str
    cooldown_minutes: int
    webhook_url: str | None
    emails: list[str]
    reference: Number | None
    created_at: datetime
    last_evaluated_at: datetime | None

    @classmethod
    def of(cls, rule: AlertRule) -> AlertOut:
        """From the domain."""
        return cls(**_fields(rule))


class AlertMadeOut(AlertOut):
    """A new rule. This is the only answer with the webhook's secret."""

    webhook_secret: str | None

    @classmethod
    def made(cls, rule: AlertRule) -> AlertMadeOut:
        """From the domain."""
        return cls(**_fields(rule), webhook_secret=rule.webhook_secret)


def _fields(rule: AlertRule) -> dict[str, Any]:
    return {
        "alert_id": rule.id,
        "portfolio_id": rule.portfolio_id,
        "metric": "value_change",
        "op": rule.condition.op,
        "threshold": rule.condition.threshold,
        "window": rule.condition.window,
        "cooldown_minutes": rule.cooldown_minutes,
        "webhook_url": rule.webhook_url,
        "emails": list(rule.emails),
        "reference": rule.reference,
        "created_at": rule.created_at,
        "last_evaluated_at": rule.last_evaluated_at,
    }


class DeliveryOut(BaseModel):
    """One message: its recipient, its status, and the seconds from trigger to delivery."""

    delivery_id: UUID
    method: str
    recipient: str
    status: str
    attempts: int
    delivered_at: datetime | None
    seconds: float | None
    last_error: str

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryOut:
        """From the domain."""
        return cls(
            delivery_id=delivery.id,
            method=delivery.method,
            recipient=delivery.recipient,
            status=delivery.status,
            attempts=delivery.attempts,
            delivered_at=delivery.delivered_at,
            seconds=delivery.seconds,
            last_error=delivery.last_error,
        )


class NotificationOut(BaseModel):
    """A rule that held; `change` is null for a test message."""

    notification_id: UUID
    alert_id: UUID
    portfolio_id: UUID
    asof_date: date
    change: Number | None
    triggered_at: datetime
    deliveries: list[DeliveryOut]

    @classmethod
    def of(cls, firing: Firing, deliveries: list[Delivery]) -> NotificationOut:
        """From the domain."""
        return cls(
            notification_id=firing.id,
            alert_id=firing.alert_id,
            portfolio_id=firing.portfolio_id,
            asof_date=firing.asof_date,
            change=firing.change,
            triggered_at=firing.triggered_at,
            deliveries=[DeliveryOut.of(delivery) for delivery in deliveries],
        )


class QuoteOut(BaseModel):
    """A quote; `stale` means that no provider answered and this is the last known quote."""

    symbol: str
    price: Number
    volume: int
    time: datetime
    provider: str
    fetched_at: datetime
    stale: bool

    @classmethod
    def of(cls, answer: Answer[Quote]) -> QuoteOut:
        """From the domain."""
        quote = answer.value
        return cls(
            symbol=quote.symbol,
            price=quote.price,
            volume=quote.volume,
            time=quote.at,
            provider=answer.provider,
            fetched_at=answer.fetched_at,
            stale=answer.stale,
        )


class NewExport(Request):
    """POST /v1/exports/pdf."""

    portfolio_id: UUID
    pricing_pack_id: PackId | None = None
