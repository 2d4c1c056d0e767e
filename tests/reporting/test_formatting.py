"""Words and numbers for people: nothing is shown of what cannot be measured, nothing moves the cursor."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.reporting import formatting as words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.005, "5 ms"), (0.314, "0.31 s"), (4.56, "4.6 s"), (42.4, "42 s"), (59.6, "1 min 00 s"),
     (185, "3 min 05 s"), (3725, "1 h 02 min")],
)  # fmt: skip
def test_a_span_is_shown_in_its_own_unit(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (words.latency(0.34), "340 ms"), (words.latency(1.2), "1.20 s"), (words.latency(0.9996), "1.00 s"),
        (words.percent(0.005), "0.50 %"), (words.percent(0.123456, 1), "12.3 %"),
        (words.size(12_345_678), "12.3 MB"), (words.size(999), "1.0 kB"),
        (words.count(1, "stage"), "1 stage"), (words.count(2000, "stage"), "2,000 stages"),
        (words.clock(42), "0:42"), (words.clock(3723), "1:02:03"), (words.utc(1_772_366_405), "2026-03-01 12:00:05 UTC"),
        (words.short("c0ffee" * 10), "c0ffeec0ffee"), (words.one_line("a\n  b\tc"), "a b c"),
    ],
)  # fmt: skip
def test_a_number_is_shown_with_its_unit(shown: str, text: str) -> None:
    assert shown == text


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_was_not_measured_is_not_a_zero(value: float | None) -> None:
    for show in (words.span, words.percent, words.latency, words.clock, words.utc):
        assert show(value) == words.NOTHING


@given(st.text())
def test_clean_text_has_no_character_that_moves_the_cursor(text: str) -> None:
    cleaned = words.clean(text)
    assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") for c in cleaned)
    assert words.clean(cleaned) == cleaned
    assert "\n" not in words.one_line(text)


def test_every_state_has_a_look_and_a_word() -> None:
    for state in (
        "pending",
        "running",
        "passed",
        "failed",
        "restored",
        "skipped",
        "waiting",
        "rejected",
        "rolled_back",
        "odd",
    ):
        assert words.look(state).tone
        assert words.words(state)


def test_a_line_that_nobody_reads_to_its_end_is_cut() -> None:
    assert len(words.clean("x" * 1_000_000)) < 5_000
    assert words.one_line("a\n" + "x" * 5_000).endswith("[1,000 more characters]")
