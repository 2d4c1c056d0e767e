"""Durations and shares as people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from dawsos.model.units import (
    LONGEST,
    Duration,
    Share,
    format_duration,
    parse_duration,
    parse_share,
    positive_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1m30s", 90), ("250ms", 0.25), ("1.5h", 5400), ("1h2m3s4ms", 3723.004), (" 7s ", 7),
     (0, 0), (2.5, 2.5)],
)  # fmt: skip
def test_a_duration_is_read(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 m", "1s1m", "-1s", -1, True, None, [], float("nan"), float("inf"), LONGEST + 1, "9000h"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration; write it like 90s, 5m"):
        parse_duration(text)


def test_nothing_is_a_duration_but_not_a_budget() -> None:
    assert parse_duration("0s") == 0
    with pytest.raises(ValueError, match="must be longer than nothing"):
        positive_duration("0s")


def test_per_cent_are_read_in_decimals() -> None:
    """n tenths of a per cent are n / 1000 exactly as a count gives it, else a limit could not be met by meeting it."""
    assert [parse_share(f"{n // 10}.{n % 10}%") for n in range(1001)] == [n / 1000 for n in range(1001)]
    assert parse_share(0.005) == parse_share("0.5%") == parse_share(" 0.50 % ".replace(" %", "%"))


@pytest.mark.parametrize(
    "text", ["120%", "-1%", "%", "half", "nan%", "inf%", "snan%", 1.01, -0.1, True, None, "0.5", float("nan")]
)
def test_what_is_no_share_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not a share; write it like 0\.5% or 0\.005"):
        parse_share(text)


@given(st.text(max_size=12) | st.floats() | st.integers() | st.none())
def test_anything_is_read_or_refused(value: object) -> None:
    for parse, top in ((parse_duration, LONGEST), (parse_share, 1)):
        try:
            assert 0 <= parse(value) <= top
        except ValueError as error:
            assert "write it like" in str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4s"), (42.4, "42s"), (60, "1m00s"), (185, "3m05s"), (3720, "1h02m"), (59.7, "1m00s"),
     (9.97, "10s")],
)  # fmt: skip
def test_a_duration_is_shown_shortly(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(0, LONGEST))
def test_a_shown_duration_is_near_the_true_one(seconds: float) -> None:
    shown = format_duration(seconds)
    assert re.fullmatch(r"\d\.\ds|[1-5]?\ds|\d{1,2}m\d\ds|\d+h\d\dm", shown), shown
    assert parse_duration(shown) == pytest.approx(
        seconds, abs=max(0.051, 0.5 * (seconds >= 9.95), 61 * (seconds >= 3600))
    )


def test_the_schema_accepts_what_the_parser_accepts() -> None:
    class Model(BaseModel):
        duration: Duration
        share: Share

    schema = Model.model_json_schema()["properties"]
    assert re.search(schema["duration"]["anyOf"][0]["pattern"], "1h30m")
    assert re.search(schema["share"]["anyOf"][0]["pattern"], "0.5%")
    assert Model.model_validate({"duration": "1m", "share": "5%"}).share == 0.05
    with pytest.raises(ValidationError):
        Model.model_validate({"duration": "soon", "share": "5%"})
