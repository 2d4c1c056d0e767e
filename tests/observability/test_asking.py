"""A check asks until it passes or the time is up; an error is no pass, and what is final is not asked again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dawsos.model.events import CheckResult
from dawsos.observability.answers import Unusable
from dawsos.observability.asking import Asking, counted, some
from fakes import VirtualClock
from support.observed import SERVING, checked

Seen = bool | Unusable


def asked(*seen: Seen) -> tuple[CheckResult, float, int]:
    """Return the result of a check that sees these one after the other, the last for ever; the seconds; how often it looked."""
    clock, looks = VirtualClock(), 0
    rest: Iterator[Seen] = iter(seen)
    last: Seen = False

    async def look() -> tuple[bool, str]:
        nonlocal last, looks
        looks += 1
        last = next(rest, last)
        if isinstance(last, Unusable):
            raise last
        return last, f"look {looks}"

    async def check(asking: Asking) -> CheckResult:
        return await asking.until("it", "all", look)

    return checked(check, {"within": 20.0}, clock=clock), clock.elapsed, looks


def test_what_is_there_is_not_asked_again() -> None:
    assert asked(True) == (CheckResult("it", "pass", "look 1", "all"), 0.0, 1)


def test_a_new_version_may_take_its_time() -> None:
    found, seconds, looks = asked(False, Unusable("cannot connect"), False, True)
    assert (found.result, found.measured, looks) == ("pass", "look 4", 4)
    assert 0 < seconds < 2


@pytest.mark.parametrize(
    ("last", "result", "measured"), [(False, "fail", "look"), (Unusable("no answer"), "error", "no answer")]
)
def test_when_the_time_is_up_the_last_look_counts(last: Seen, result: str, measured: str) -> None:
    found, seconds, looks = asked(last)
    assert (found.result, found.measured.split(" 1")[0][: len(measured)], seconds) == (result, measured, 20.0)
    assert not found.passed
    assert found.failed
    # Often at first, later every five seconds.
    assert 5 < looks < 20


def test_what_is_final_is_not_asked_again() -> None:
    found, seconds, looks = asked(Unusable("status 401", status=401), True)
    assert (found.result, seconds, looks) == ("error", 0.0, 1)


def test_what_serves_is_named_in_a_series() -> None:
    text = SERVING.named_in("{release} {commit} {environment} {deployment} {other}")
    assert text == f"{SERVING.release} {SERVING.commit} production old {{other}}"


def test_lists_are_short_and_counts_have_their_plural() -> None:
    assert some(["a"]) == "a"
    assert some(list("abcde")) == "a, b, c, and 2 more"
    assert (counted(1, "span"), counted(0, "span")) == ("1 span", "0 spans")
