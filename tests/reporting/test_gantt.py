"""The timeline: its axis goes forward and folds waits, its texts are escaped, its bars lie where their time is."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.reporting.gantt import Bar, axis, gantt, place

SPANS = st.lists(
    st.tuples(st.floats(0, 1e5), st.floats(0, 1e4)).map(lambda span: (span[0], span[0] + span[1])), max_size=8
)
BAR = Bar("unit", "Unit tests", "good", 0.0, 40.0, 40.0, 300.0, "412 of 412")


def drawn(*bars: Bar) -> ET.Element:
    return ET.fromstring(gantt(bars))  # noqa: S314 - our own output


def texts(svg: ET.Element) -> list[str]:
    return ["".join(found.itertext()) for found in svg.iter("text")]


@settings(max_examples=30, deadline=None)
@given(SPANS)
def test_the_axis_is_whole_and_goes_forward(busy: list[tuple[float, float]]) -> None:
    pieces = axis(busy, 0.0, 1000.0)
    if not busy:
        assert pieces == ()
        return
    assert pieces[0].start == 0.0
    assert pieces[-1].end == max(end for _, end in busy)
    assert pieces[-1].x1 == pytest.approx(1000.0) or pieces[-1].end == 0
    for before, after in pairwise(pieces):
        assert (before.end, before.x1) == (after.start, after.x0)
        assert before.idle != after.idle


@settings(max_examples=30, deadline=None)
@given(SPANS.filter(bool), st.lists(st.floats(0, 2e5), min_size=2, max_size=6).map(sorted))
def test_what_is_later_is_never_further_left(busy: list[tuple[float, float]], moments: list[float]) -> None:
    pieces = axis(busy, 0.0, 1000.0)
    places = [place(pieces, at) for at in moments]
    assert all(before <= after + 1e-6 for before, after in pairwise(places))
    assert all(-1e-6 <= x <= 1000.0 + 1e-6 for x in places)


def test_a_night_s_wait_is_folded_and_a_pause_is_not() -> None:
    night = axis([(0, 100), (40_000, 40_030)], 0, 1000)
    assert [piece.idle for piece in night] == [False, True, False]
    assert night[1].x1 - night[1].x0 < 60
    assert [piece.idle for piece in axis([(0, 100), (150, 200)], 0, 1000)] == [False]
    late = axis([(500, 600)], 0, 1000)
    assert [piece.idle for piece in late] == [True, False]


def test_without_stages_there_is_no_timeline() -> None:
    assert gantt([]) == ""
    assert place((), 5.0) == 190.0


def test_a_bar_lies_where_its_time_is() -> None:
    svg = drawn(BAR, replace(BAR, name="next", title="Next", start=40.0, end=80.0))
    first, second = (bar for bar in svg.iter("rect") if "bar good" in bar.get("class", ""))
    assert float(first.get("x", 0)) == 190.0
    assert float(first.get("x", 0)) + float(first.get("width", 0)) == pytest.approx(float(second.get("x", 0)), abs=0.2)
    assert "Unit tests: 0:00 to 0:40. 412 of 412" in [title.text for title in svg.iter("title")]
    assert "0:40 of 5:00" in texts(svg)


def test_a_stage_that_never_ran_has_its_note_and_one_restored_a_mark() -> None:
    never, restored = replace(BAR, start=None, end=None, note="not started"), replace(BAR, end=0.0, instant=True)
    svg = drawn(never, restored)
    assert "not started" in texts(svg)
    assert [path.get("class") for path in svg.iter("path")] == ["bar good hollow"]
    assert not [bar for bar in svg.iter("rect") if "bar" in bar.get("class", "").split()]


@pytest.mark.parametrize(("seconds", "full"), [(239.0, False), (241.0, True), (900.0, True)])
def test_a_budget_that_is_nearly_used_up_is_marked(seconds: float, full: bool) -> None:
    (meter,) = [bar for bar in drawn(replace(BAR, seconds=seconds)).iter("rect") if "used" in bar.get("class", "")]
    assert ("full" in meter.get("class", "")) is full
    assert float(meter.get("width", 0)) <= 72


def test_without_a_budget_there_is_no_meter() -> None:
    svg = drawn(replace(BAR, budget=0.0))
    assert "0:40" in texts(svg)
    assert not [bar for bar in svg.iter("rect") if "meter" in bar.get("class", "")]


def test_a_note_stands_in_the_bar_behind_it_or_before_it_or_nowhere() -> None:
    def note(bar: Bar, *others: Bar) -> str | None:
        found = [text for text in drawn(bar, *others).iter("text") if text.text == bar.note]
        return found[0].get("class") if found else None

    long = replace(BAR, name="long", start=0.0, end=1000.0, note="")
    assert note(BAR) == "within"
    assert note(replace(BAR, end=1.0), long) == "tick"
    late = replace(BAR, start=999.0, end=1000.0)
    assert note(late, long) == "tick"
    assert note(replace(late, note="x" * 150), long) is None


def test_a_long_wait_is_named_and_has_no_ticks() -> None:
    svg = drawn(BAR, replace(BAR, start=40_000.0, end=40_030.0))
    assert "waited 11:06:00" in texts(svg)
    ticks = [text for text in texts(svg) if re.fullmatch(r"\d+:\d\d:\d\d", text)]
    assert all(not (40 < seconds(text) < 40_000) for text in ticks)


def seconds(text: str) -> int:
    hours, minutes, rest = map(int, text.split(":"))
    return hours * 3600 + minutes * 60 + rest


def test_every_text_is_escaped() -> None:
    evil = "<script>\"'&"
    svg = drawn(Bar(evil, evil, evil, 0.0, 40.0, 40.0, 0.0, evil))
    assert evil in texts(svg)
    assert not list(svg.iter("script"))
