"""Alert rules: their conditions, their cooldown, the retries of deliveries, and the limits on messages.

A rule compares the change of a portfolio's value with a threshold. `daily` compares the night's value with the one
before and fires once per date; `intraday` compares the value now with the last nightly one (or, before the first night,
with the value when the rule was made) and then waits for its cooldown. The two windows differ because a limit of one
message a date would leave no use for a cooldown of minutes.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from app.core.attribution import simple_return
from app.core.money import plain

DROP_LIMIT = Decimal("-0.05")
COOLDOWN_MINUTES = 15
# The number of tries before a delivery becomes a dead letter, and the seconds between them.
MAX_ATTEMPTS = 3
BACKOFF_SECONDS = (1.0, 4.0)
# Mail addresses are not verified, so these limits bound what one user can send to a stranger's mailbox.
LIMIT_WINDOW = timedelta(hours=1)
MAX_TESTS = 10
MAX_TESTS_PER_RECIPIENT = 5
MAX_MAILS = 100
MAX_MAILS_PER_RECIPIENT = 20
# In place of a condition's digest, for test messages.
TEST = "test"

Op = Literal["<", "<=", ">", ">="]
Window = Literal["daily", "intraday"]
COMPARE: dict[Op, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def value_drop(previous: Decimal, current: Decimal) -> Decimal | None:
    """The change as a fraction if it is an alert by the built-in rule (a fall of more than 5 %), else None."""
    moved = change(previous, current)
    return moved if moved is not None and moved < DROP_LIMIT else None


def change(reference: Decimal, current: Decimal) -> Decimal | None:
    """The relative change; None when the reference is not positive."""
    return simple_return(reference, current) if reference > 0 else None


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of the change with `threshold`, a fraction: -0.05 is a fall of 5 %."""

    op: Op
    threshold: Decimal
    window: Window

    def holds(self, moved: Decimal) -> bool:
        """Whether the change meets the condition."""
        return COMPARE[self.op](moved, self.threshold)

    def digest(self) -> str:
        """A digest of the condition: a recipient of two equal rules is notified once."""
        text = f"value_change {self.op} {plain(self.threshold)} {self.window}"
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class LastNotification:
    """The time of a recipient's last notification of a condition, and the date it was for."""

    at: datetime
    asof: date


def may_notify(
    condition: Condition, last: LastNotification | None, now: datetime, asof: date, cooldown_minutes: int
) -> bool:
    """Whether a recipient may be notified (again) of a condition that holds."""
    if last is None:
        return True
    if condition.window == "daily":
        return asof > last.asof
    return now - last.at >= timedelta(minutes=cooldown_minutes)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message of a user in the last hour, pending or delivered."""

    method: str
    recipient: str
    at: datetime
    test: bool

    @property
    def mailbox(self) -> str:
        """The recipient in one spelling, without differences in case."""
        return self.recipient.casefold()


def delay_before_test(
    recipients: Iterable[tuple[str, str]], sent: Sequence[SentMessage], now: datetime
) -> tuple[timedelta, str]:
    """The time until the recipients may get a test message, and the reason; zero when they may now.

    The owner's list gets an entry for every test, so its limit is the limit of the user.
    """
    longest, why = timedelta(0), ""
    for method, recipient in recipients:
        own = method == "in_app"
        most = MAX_TESTS if own else MAX_TESTS_PER_RECIPIENT
        to = sorted(s.at for s in sent if s.test and (s.method, s.mailbox) == (method, recipient.casefold()))
        if len(to) >= most and (wait := to[-most] + LIMIT_WINDOW - now) > longest:
            longest = wait
            why = f"{most} tests an hour are enough" if own else f"{most} test messages an hour go to {recipient}"
    return longest, why


def may_send_mail(address: str, sent: Sequence[SentMessage]) -> bool:
    """Whether this user may send one more mail to an address."""
    mails = [s.mailbox for s in sent if s.method == "email"]
    return len(mails) < MAX_MAILS and mails.count(address.casefold()) < MAX_MAILS_PER_RECIPIENT


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When a delivery that failed `attempts` times is tried again; None makes it a dead letter."""
    if attempts >= MAX_ATTEMPTS:
        return None
    return now + timedelta(seconds=BACKOFF_SECONDS[min(attempts, len(BACKOFF_SECONDS)) - 1])
