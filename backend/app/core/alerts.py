"""Alert rules: when one holds, when it may fire again, how long a failed delivery waits, and how much may be sent.

A rule compares the change of a portfolio's value with a threshold. `daily` compares the night's value with the one
before and fires once per date; `intraday` compares the value now with the last nightly one (or, before the first night,
with the value when the rule was made) and then keeps quiet for its cooldown. Both are told apart because a limit of one
message per day would make a cooldown of minutes invisible.
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
# A delivery is tried so often before it becomes a dead letter; the waits between are seconds.
MAX_ATTEMPTS = 3
BACKOFF_SECONDS = (1.0, 4.0)
# Nobody has verified that an address belongs to who names it: this is what one user can do to a stranger's mailbox.
LIMIT_WINDOW = timedelta(hours=1)
MAX_TESTS = 10
MAX_TESTS_PER_RECIPIENT = 5
MAX_MAILS = 100
MAX_MAILS_PER_RECIPIENT = 20
# What stands in the place of a condition's digest where a message was asked for.
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
    """The relative change. From nothing there is neither rise nor fall."""
    return simple_return(reference, current) if reference > 0 else None


@dataclass(frozen=True, slots=True)
class Condition:
    """What is compared with what; `threshold` is a fraction, -0.05 for a fall of five percent."""

    op: Op
    threshold: Decimal
    window: Window

    def holds(self, moved: Decimal) -> bool:
        """Whether the change meets the condition."""
        return COMPARE[self.op](moved, self.threshold)

    def digest(self) -> str:
        """Two rules that say the same have the same digest, so that a recipient of both is told once."""
        text = f"value_change {self.op} {plain(self.threshold)} {self.window}"
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class LastNotification:
    """When a recipient was last told of a condition, and for which date."""

    at: datetime
    asof: date


def may_notify(
    condition: Condition, last: LastNotification | None, now: datetime, asof: date, cooldown_minutes: int
) -> bool:
    """Whether a recipient may be told (again) of a condition that holds."""
    if last is None:
        return True
    if condition.window == "daily":
        return asof > last.asof
    return now - last.at >= timedelta(minutes=cooldown_minutes)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message of a user in the last hour, on its way or there."""

    method: str
    recipient: str
    at: datetime
    test: bool

    @property
    def mailbox(self) -> str:
        """The same address however it is written."""
        return self.recipient.casefold()


def delay_before_test(
    recipients: Iterable[tuple[str, str]], sent: Sequence[SentMessage], now: datetime
) -> tuple[timedelta, str]:
    """How long until the recipients may be sent a test, and why; no time at all if they may.

    The owner's own list gets one line of every test, so its limit is that of the user.
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
    """Whether one more mail of this user may go to an address."""
    mails = [s.mailbox for s in sent if s.method == "email"]
    return len(mails) < MAX_MAILS and mails.count(address.casefold()) < MAX_MAILS_PER_RECIPIENT


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When a delivery that failed `attempts` times is tried again; None makes it a dead letter."""
    if attempts >= MAX_ATTEMPTS:
        return None
    return now + timedelta(seconds=BACKOFF_SECONDS[min(attempts, len(BACKOFF_SECONDS)) - 1])
