"""Asked: the hour and the profile are read strictly, and a day is over at its last moment in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.gates.documents import Malformed, Missing
from dawsos.gates.readers.asked import ASKED, PRODUCTION, Asked, end_of, read_asked
from gates.samples import NOW, asked, encoded


def read(content: Any) -> Asked:
    return read_asked(encoded({ASKED: content}))


def test_the_hour_and_the_profile_are_read() -> None:
    assert read(asked("production")) == Asked(NOW, PRODUCTION)
    assert read({"at": 1, "profile": ""}) == Asked(1.0, "")


def test_the_day_is_that_of_utc() -> None:
    assert read(asked()).day == date(2026, 11, 25)
    assert Asked(86_400 - 0.001, "laptop").day == date(1970, 1, 1)
    assert Asked(86_400, "laptop").day == date(1970, 1, 2)


def test_no_file_is_missing_and_is_named() -> None:
    with pytest.raises(Missing, match=r"there is no asked\.json"):
        read_asked({"other.json": b"{}"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "asked.json is not JSON"),
        ([], "asked.json is an array, not an object"),
        (b"\xff", "asked.json is not UTF-8 text"),
        ({"at": NOW}, "asked.json has no 'profile'"),
        ({"profile": "laptop"}, "asked.json has no 'at'"),
        (asked() | {"profile": None}, "asked.json: profile is None, not a name"),
        (asked() | {"profile": ["laptop"]}, "asked.json: profile is ['laptop'], not a name"),
        (asked() | {"at": "now"}, "asked.json: at is 'now', not a number"),
        (asked() | {"at": True}, "asked.json: at is True, not a number"),
        ('{"at": NaN, "profile": "laptop"}', "asked.json: at is nan, not a finite number"),
        ('{"at": Infinity, "profile": "laptop"}', "asked.json: at is inf, not a finite number"),
        (asked(at=0), "asked.json: at is 0.0, not a time in seconds since 1970"),
        (asked(at=-1), "asked.json: at is -1.0, not a time in seconds since 1970"),
        # So a clock that counts milliseconds is noticed, instead of a day in the far future on which every waiver is over.
        (asked(at=NOW * 1000), "not a time in seconds since 1970"),
        (asked(at=1e11), "not a time in seconds since 1970"),
    ],
)
def test_what_is_no_hour_or_no_profile_is_malformed(content: Any, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(content)
    assert message in str(refused.value)


def test_the_last_hour_that_can_be_a_time_has_a_day() -> None:
    assert read(asked(at=1e11 - 1)).day.year == 5138


def test_a_day_ends_at_the_last_moment_before_midnight() -> None:
    midnight = datetime(2026, 11, 26, tzinfo=UTC).timestamp()
    assert end_of(date(2026, 11, 25)) < midnight
    assert midnight - end_of(date(2026, 11, 25)) == pytest.approx(0, abs=1e-3)


@given(st.dates(min_value=date(1970, 1, 1), max_value=date(2200, 1, 1)))
def test_the_end_of_a_day_lies_in_it_and_the_next_second_does_not(day: date) -> None:
    assert Asked(end_of(day), "laptop").day == day
    assert Asked(end_of(day) + 1, "laptop").day == day + timedelta(days=1)
