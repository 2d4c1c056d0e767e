"""The evaluation context: the time and the profile are read strictly, and a day is over at its last moment in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.gates.documents import Malformed, Missing
from dawsos.gates.readers.context import CONTEXT, PRODUCTION, EvaluationContext, end_of, read_context
from gates.samples import NOW, context, encoded


def read(content: Any) -> EvaluationContext:
    return read_context(encoded({CONTEXT: content}))


def test_the_hour_and_the_profile_are_read() -> None:
    assert read(context("production")) == EvaluationContext(NOW, PRODUCTION)
    assert read({"at": 1, "profile": ""}) == EvaluationContext(1.0, "")


def test_the_day_is_that_of_utc() -> None:
    assert read(context()).day == date(2026, 11, 25)
    assert EvaluationContext(86_400 - 0.001, "laptop").day == date(1970, 1, 1)
    assert EvaluationContext(86_400, "laptop").day == date(1970, 1, 2)


def test_no_file_is_missing_and_is_named() -> None:
    with pytest.raises(Missing, match=r"there is no context\.json"):
        read_context({"other.json": b"{}"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "context.json is not JSON"),
        ([], "context.json is an array, not an object"),
        (b"\xff", "context.json is not UTF-8 text"),
        ({"at": NOW}, "context.json has no 'profile'"),
        ({"profile": "laptop"}, "context.json has no 'at'"),
        (context() | {"profile": None}, "context.json: profile is None, not a name"),
        (context() | {"profile": ["laptop"]}, "context.json: profile is ['laptop'], not a name"),
        (context() | {"at": "now"}, "context.json: at is 'now', not a number"),
        (context() | {"at": True}, "context.json: at is True, not a number"),
        ('{"at": NaN, "profile": "laptop"}', "context.json: at is nan, not a finite number"),
        ('{"at": Infinity, "profile": "laptop"}', "context.json: at is inf, not a finite number"),
        (context(at=0), "context.json: at is 0.0, not a time in seconds since 1970"),
        (context(at=-1), "context.json: at is -1.0, not a time in seconds since 1970"),
        # So a clock that counts milliseconds is noticed, instead of a day in the far future on which every waiver is over.
        (context(at=NOW * 1000), "not a time in seconds since 1970"),
        (context(at=1e11), "not a time in seconds since 1970"),
    ],
)
def test_what_is_no_hour_or_no_profile_is_malformed(content: Any, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(content)
    assert message in str(refused.value)


def test_the_last_hour_that_can_be_a_time_has_a_day() -> None:
    assert read(context(at=1e11 - 1)).day.year == 5138


def test_a_day_ends_at_the_last_moment_before_midnight() -> None:
    midnight = datetime(2026, 11, 26, tzinfo=UTC).timestamp()
    assert end_of(date(2026, 11, 25)) < midnight
    assert midnight - end_of(date(2026, 11, 25)) == pytest.approx(0, abs=1e-3)


@given(st.dates(min_value=date(1970, 1, 1), max_value=date(2200, 1, 1)))
def test_the_end_of_a_day_lies_in_it_and_the_next_second_does_not(day: date) -> None:
    assert EvaluationContext(end_of(day), "laptop").day == day
    assert EvaluationContext(end_of(day) + 1, "laptop").day == day + timedelta(days=1)
