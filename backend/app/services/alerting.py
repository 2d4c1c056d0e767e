"""Alert rules and their evaluation: a change in value becomes rows of the outbox, in one transaction.

This module sends nothing. The firing and one outbox row for each recipient commit together; `delivery` sends from the
rows afterwards. A crash at any moment loses no message, and repeats at most the one that was being sent.
"""

from __future__ import annotations

import json
import math
import secrets
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

from app.core import alerts
from app.core.alerts import Condition, SentMessage, Window
from app.core.errors import DawsosError, NotFoundError, PackWarmingError, RateLimitedError, UnpricedError
from app.core.money import quantize
from app.core.signing import encode_secret
from app.services.access import owned
from app.services.alert_ports import AlertRule, AlertStore, AlertTx, Delivery, Firing
from app.services.portfolios import PortfolioService
from app.services.ports import Clock, TenantStore
from app.services.tracing import current_traceparent

# Limits the evaluator's work for one user.
MAX_RULES = 50
# NUMERIC(28, 8) in the database; a rise from next to nothing can be larger.
MAX_CHANGE = Decimal("1e19")
SECRET_BYTES = 24


class AlertRefusedError(DawsosError):
    """The rule cannot be made as asked."""


@dataclass(frozen=True, slots=True)
class NewAlert:
    """The rule that a user requests."""

    portfolio_id: UUID
    condition: Condition
    cooldown_minutes: int
    webhook_url: str | None
    emails: tuple[str, ...]


class AlertService:
    """The use cases behind /v1/alerts, and what the night and the worker evaluate."""

    def __init__(
        self, store: AlertStore, tenants: TenantStore, portfolios: PortfolioService, clock: Clock, mail: bool
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._portfolios = portfolios
        self._clock = clock
        self._mail = mail

    async def create(self, user_id: UUID, wanted: NewAlert) -> AlertRule:
        """Make a rule. The webhook's secret is in this answer only."""
        if wanted.emails and not self._mail:
            raise AlertRefusedError("e-mail is not set up here: leave emails empty")
        async with owned(self._tenants, user_id, wanted.portfolio_id):
            pass
        rule = AlertRule(
            id=uuid4(),
            portfolio_id=wanted.portfolio_id,
            condition=wanted.condition,
            cooldown_minutes=wanted.cooldown_minutes,
            webhook_url=wanted.webhook_url,
            webhook_secret=new_secret() if wanted.webhook_url else None,
            emails=tuple(dict.fromkeys(wanted.emails)),
            reference=await self._value(user_id, wanted.portfolio_id),
            created_at=self._clock(),
        )
        async with self._store.begin(user_id) as tx:
            # Locked, so that two requests at once cannot both pass the limit.
            await tx.hold(user_id, "rules")
            if len(await tx.rules()) >= MAX_RULES:
                raise AlertRefusedError(f"there are {MAX_RULES} rules already: remove one first")
            await tx.add_rule(rule)
        return rule

    async def rules(self, user_id: UUID) -> list[AlertRule]:
        """All rules of a user."""
        async with self._store.begin(user_id) as tx:
            return await tx.rules()

    async def remove(self, user_id: UUID, rule_id: UUID) -> None:
        """Remove a rule; its notifications stay. Raises NotFoundError."""
        async with self._store.begin(user_id) as tx:
            if not await tx.remove_rule(rule_id):
                raise NotFoundError("no such alert")

    async def notifications(self, user_id: UUID, limit: int) -> list[tuple[Firing, list[Delivery]]]:
        """Firings, newest first, each with its deliveries."""
        async with self._store.begin(user_id) as tx:
            return await tx.firings(limit)

    async def test(self, user_id: UUID, rule_id: UUID) -> Firing:
        """Queue a test message to every recipient of a rule; raises RateLimitedError above the limit.

        The limit counts rows of the outbox: it holds across processes, without the cache, and when rules are removed.
        """
        async with self._store.begin(user_id) as tx:
            rule = next((rule for rule in await tx.rules() if rule.id == rule_id), None)
            if rule is None:
                raise NotFoundError("no such alert")
            await tx.hold(user_id, alerts.TEST)
            now = self._clock()
            sent = await tx.sent_since(now - alerts.LIMIT_WINDOW)
            wait, why = alerts.delay_before_test(rule.recipients(), sent, now)
            if wait:
                raise RateLimitedError(math.ceil(wait.total_seconds()), why)
            firing = self._firing(rule, now.date(), None)
            await tx.add_firing(firing, alerts.TEST, [_delivery(firing, *to) for to in rule.recipients()])
            return firing

    async def evaluate(self, user_id: UUID, portfolio_id: UUID, window: Window) -> int:
        """Evaluate the rules of one portfolio and one window; the number of rules that fired."""
        async with self._store.begin(user_id) as tx:
            rules = [rule for rule in await tx.rules(portfolio_id) if rule.condition.window == window]
        if not rules:
            return 0
        async with self._tenants.begin(user_id) as tenant:
            values = await tenant.last_two_values(portfolio_id)
        now = await self._value(user_id, portfolio_id) if window == "intraday" else None
        fired = 0
        for rule in rules:
            asof, moved = self._change(rule, values, now)
            async with self._store.begin(user_id) as tx:
                await tx.evaluated(rule.id, self._clock())
                if moved is not None and rule.condition.holds(moved):
                    fired += await self._fire(tx, rule, asof, min(quantize(moved), MAX_CHANGE))
        return fired

    async def _value(self, user_id: UUID, portfolio_id: UUID) -> Decimal | None:
        try:
            found = await self._portfolios.value(user_id, portfolio_id)
        except (PackWarmingError, UnpricedError):
            # Without a value no condition holds; a later evaluation may have one.
            return None
        return Decimal(json.loads(found.body)["total"])

    def _change(
        self, rule: AlertRule, values: list[tuple[date, Decimal]], now: Decimal | None
    ) -> tuple[date, Decimal | None]:
        today = self._clock().date()
        if rule.condition.window == "daily":
            if len(values) < 2:
                return today, None
            (asof, current), (_, previous) = values
            return asof, alerts.change(previous, current)
        reference = values[0][1] if values and values[0][0] > rule.created_at.date() else rule.reference
        if reference is None and values:
            reference = values[0][1]
        if reference is None or now is None:
            return today, None
        return today, alerts.change(reference, now)

    async def _fire(self, tx: AlertTx, rule: AlertRule, asof: date, moved: Decimal) -> bool:
        digest = rule.condition.digest()
        await tx.hold(rule.portfolio_id, digest)
        now = self._clock()
        due = []
        for method, recipient in rule.recipients():
            last = await tx.last_notification(rule.portfolio_id, digest, method, recipient)
            if alerts.may_notify(rule.condition, last, now, asof, rule.cooldown_minutes):
                due.append((method, recipient))
        # The owner's list alone is no reason to fire when another rule has notified the other recipients already.
        if not due or (due == [("in_app", "owner")] and len(rule.recipients()) > 1):
            return False
        firing = self._firing(rule, asof, moved)
        sent = await tx.sent_since(now - alerts.LIMIT_WINDOW) if rule.emails else []
        allowed = []
        for method, recipient in due:
            if method != "email" or alerts.may_send_mail(recipient, sent):
                allowed.append(_delivery(firing, method, recipient))
                sent.append(SentMessage(method, recipient, now, test=False))
        await tx.add_firing(firing, digest, allowed)
        return True

    def _firing(self, rule: AlertRule, asof: date, moved: Decimal | None) -> Firing:
        return Firing(uuid4(), rule.id, rule.portfolio_id, asof, moved, self._clock(), current_traceparent())


def _delivery(firing: Firing, method: str, recipient: str) -> Delivery:
    made = Delivery(
        id=uuid4(),
        firing_id=firing.id,
        portfolio_id=firing.portfolio_id,
        asof_date=firing.asof_date,
        change=firing.change,
        method=method,  # type: ignore[arg-type]
        recipient=recipient,
        triggered_at=firing.triggered_at,
        traceparent=firing.traceparent,
    )
    if made.method != "in_app":
        return made
    # A message in the application is delivered by being in its list.
    return Delivery(
        made.id, made.firing_id, made.portfolio_id, made.asof_date, made.change, "in_app", recipient,
        made.triggered_at, "delivered", 0, firing.triggered_at, traceparent=firing.traceparent,
    )  # fmt: skip


def new_secret() -> str:
    """A random secret that signs the webhooks of one rule."""
    return encode_secret(secrets.token_bytes(SECRET_BYTES))
