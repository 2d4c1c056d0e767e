"""The pure rules of alerts, breaker, bucket, rights, signatures and the schedule."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import alerts, rights, signing
from app.core.alerts import Condition, LastNotification
from app.core.circuit_breaker import CircuitBreaker
from app.core.token_bucket import TokenBucket
from app.services.alerting import new_secret
from app.services.nightly import SACRED_ORDER
from app.services.ports import JobRun
from app.services.schedule import due_at, seconds_to_night

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = date(2026, 11, 24)


def condition(window: str = "intraday", op: str = "<", threshold: str = "-0.05") -> Condition:
    return Condition(op, Decimal(threshold), window)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("op", "at", "below", "above"),
    [("<", False, True, False), ("<=", True, True, False), (">", False, False, True), (">=", True, False, True)],
)
def test_each_comparison(op: str, at: bool, below: bool, above: bool) -> None:
    rule = condition(op=op)
    moved = (Decimal("-0.05"), Decimal("-0.0500001"), Decimal("-0.0499999"))
    assert [rule.holds(value) for value in moved] == [at, below, above]


def test_from_nothing_there_is_no_change() -> None:
    assert alerts.change(Decimal(0), Decimal(5)) is None
    assert alerts.change(Decimal(100), Decimal(94)) == Decimal("-0.06")


def test_rules_that_say_the_same_have_one_digest() -> None:
    assert condition(threshold="-0.05").digest() == condition(threshold="-0.050").digest()
    others = {condition("daily"), condition(op="<="), condition(threshold="-0.06")}
    assert condition().digest() not in {other.digest() for other in others}


def test_intraday_keeps_quiet_for_its_cooldown() -> None:
    told = LastNotification(NOW, DAY)
    early, due = NOW + timedelta(minutes=14, seconds=59), NOW + timedelta(minutes=15)
    assert not alerts.may_notify(condition(), told, early, DAY, 15)
    assert alerts.may_notify(condition(), told, due, DAY, 15)
    assert alerts.may_notify(condition(), None, NOW, DAY, 15)


def test_daily_tells_once_per_date_however_long_ago() -> None:
    told = LastNotification(NOW - timedelta(hours=23), DAY)
    assert not alerts.may_notify(condition("daily"), told, NOW, DAY, 1)
    assert alerts.may_notify(condition("daily"), told, NOW, DAY + timedelta(days=1), 1)


def test_three_tries_then_a_dead_letter() -> None:
    waits = [alerts.next_attempt(tries, NOW) for tries in (1, 2, 3)]
    assert waits == [NOW + timedelta(seconds=1), NOW + timedelta(seconds=4), None]


def test_the_breaker_opens_at_the_third_failure_in_a_row() -> None:
    twice = CircuitBreaker().failed(0).failed(0)
    assert twice.state(0) == "closed"
    assert twice.succeeded().failed(0).failed(0).state(0) == "closed"
    assert twice.failed(0).state(59.9) == "open"
    assert twice.failed(0).admit(59.9) is None


def test_half_open_lets_one_probe_through_and_believes_it() -> None:
    opened = CircuitBreaker().failed(0).failed(0).failed(0)
    probing = opened.admit(60)
    assert probing is not None
    assert probing.state(60) == "half_open"
    assert probing.admit(60) is None
    assert probing.succeeded().state(60) == "closed"
    again = probing.failed(61)
    assert (again.state(62), again.state(121)) == ("open", "half_open")
    assert probing.abandoned().admit(60) is not None


@given(st.lists(st.sampled_from(["ok", "failed", "wait"]), max_size=60))
def test_a_breaker_never_admits_while_open_and_never_two_probes(events: list[str]) -> None:
    breaker, now, row = CircuitBreaker(), 0.0, 0
    for event in events:
        if event == "wait":
            now += 30
            continue
        admitted = breaker.admit(now)
        if admitted is None:
            assert row >= 3
            continue
        if admitted.probing:
            assert admitted.admit(now) is None
        breaker = admitted.succeeded() if event == "ok" else admitted.failed(now)
        row = 0 if event == "ok" else row + 1
        assert (breaker.state(now) == "open") == (row >= 3)


@given(st.lists(st.floats(min_value=0, max_value=20), min_size=1, max_size=80))
def test_no_minute_gets_more_than_rate_and_burst(pauses: list[float]) -> None:
    bucket, now = TokenBucket.full(60, 5, 0.0), 0.0
    taken: list[float] = []
    for pause in pauses:
        now += pause
        after = bucket.take(now)
        if after is not None:
            bucket = after
            taken.append(now)
    for first in taken:
        assert sum(first <= at < first + 60 for at in taken) <= 60 + 5 + 1


def test_an_empty_bucket_refuses_until_time_refills_it() -> None:
    bucket: TokenBucket | None = TokenBucket.full(60, 2, 0.0)
    assert bucket is not None
    one = bucket.take(0)
    assert one is not None
    two = one.take(0)
    assert two is not None
    assert two.take(0.5) is None
    assert two.take(1.0) is not None


RIGHTS = {
    name: rights.Right(name, allowed, allowed, f"Data by {name}" if allowed else "")
    for name, allowed in [("fmp", True), ("polygon", True), ("fred", True), ("newsapi", False)]
}


@pytest.mark.parametrize(
    ("sources", "refused"),
    [
        (["fmp"], []),
        (["polygon"], []),
        (["fred"], []),
        (["fmp", "polygon", "fred", "fmp"], []),
        (["newsapi"], ["newsapi"]),
        (["fmp", "newsapi"], ["newsapi"]),
        (["fmp", "somebody"], ["somebody"]),
    ],
    ids=["fmp", "polygon", "fred", "three", "newsapi", "newsapi with others", "unknown"],
)
def test_every_source_must_allow_the_export(sources: list[str], refused: list[str]) -> None:
    ruling = rights.may_export_pdf(sources, RIGHTS)
    assert [reason.split(":")[0] for reason in ruling.refused] == refused
    assert ruling.attributions == (() if refused else tuple(f"Data by {name}" for name in sorted(set(sources))))


def test_a_signature_is_what_the_specification_says() -> None:
    secret = new_secret()
    assert secret != new_secret()
    headers = signing.headers(secret, "msg_1", 1700000000, b'{"a":1}')
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, b'msg_1.1700000000.{"a":1}', hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert signing.signature(secret, "msg_2", 1700000000, b'{"a":1}') != headers["webhook-signature"]


def test_the_published_example_of_the_specification() -> None:
    """Test vector of the Standard Webhooks reference libraries."""
    found = signing.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def run_at(started: datetime, job: str = "build_pack") -> JobRun:
    return JobRun(1, None, job, "succeeded", started, started, "")


def test_a_night_is_due_once_and_the_first_is_somebody_elses() -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    assert due_at(midnight, [], 0, None) is None
    assert due_at(midnight, [run_at(midnight - timedelta(seconds=1))], 0, midnight.date()) == midnight
    whole = [run_at(midnight, job) for job in SACRED_ORDER]
    assert due_at(midnight + timedelta(hours=3), whole, 1, midnight.date()) is None
    assert seconds_to_night(midnight - timedelta(seconds=90)) == 90


def test_a_night_of_yesterday_that_began_after_midnight_is_not_the_one_of_today() -> None:
    """A night by hand or of a release takes its date when it starts, and its first job may be recorded a day later."""
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    late = [run_at(midnight + timedelta(seconds=1), job) for job in SACRED_ORDER]
    for served in (date(2026, 11, 24), None):
        assert due_at(midnight + timedelta(seconds=5), late, 1, served) == midnight
    running = [*late[:-1], replace(late[-1], status="running")]
    assert due_at(midnight + timedelta(seconds=5), running, 1, date(2026, 11, 24)) is None


@pytest.mark.parametrize(
    ("at", "tries", "error", "wait"),
    [
        (10, 1, "StoreUnavailableError: the database does not answer", 5),
        (60, 2, "", 10),
        (60, 4, "MarketDataError: cannot read", 40),
        (600, 5, "", 60),
        (899, 99, "", 60),
        (900, 3, "", 600),
        (10, 1, "ReconciliationError: lots hold 99", 600),
    ],
    ids=["first", "killed", "fourth", "fifth", "last in time", "late", "a difference"],
)
def test_a_night_that_failed_is_due_again(at: int, tries: int, error: str, wait: int) -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    ended, yesterday = midnight + timedelta(seconds=at), date(2026, 11, 24)
    # A worker that was killed has not written down when that was.
    finished = ended if error else None
    runs = [
        run_at(midnight),
        replace(run_at(ended, "reconcile_ledger"), status="failed", finished=finished, error=error),
    ]
    assert due_at(ended, runs, tries, yesterday) == ended + timedelta(seconds=wait)
    assert due_at(ended, [runs[0], replace(runs[1], status="running")], tries, yesterday) is None
    # Between two jobs the database went away, and the second was never written down.
    assert due_at(ended, [replace(runs[0], finished=ended)], tries, yesterday) is not None
