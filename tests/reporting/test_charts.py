"""Charts: whatever the numbers are, well-formed SVG; a gap is a gap and never a zero."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.reporting.charts import Chart, Line, Mark, line_chart, nice_ticks, time_ticks

VALUES = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 2)
POINTS = st.lists(st.tuples(st.floats(0, 600), VALUES), max_size=12).map(
    lambda points: sorted(points, key=lambda p: p[0])
)


def drawn(*lines: Line, **changes: Any) -> ElementTree.Element:
    chart: dict[str, Any] = {
        "title": "Errors",
        "lines": lines,
        "show": lambda value: f"{value:.3g}",
        "end": 600.0,
    } | changes
    return ElementTree.fromstring(line_chart(Chart(**chart)))  # noqa: S314 - our own text


def curves(svg: ElementTree.Element) -> list[str]:
    return [element.get("d", "") for element in svg.iter() if element.tag.endswith("path")]


@settings(max_examples=60, deadline=None)
@given(POINTS, st.booleans(), st.booleans(), st.none() | st.floats(0, 3), st.text(max_size=12))
def test_any_numbers_and_any_words_are_well_formed(
    points: list[tuple[float, float | None]], step: bool, fill: bool, limit: float | None, words: str
) -> None:
    printable = re.sub(r"[^\x20-\ud7ff]", "", words)
    svg = drawn(
        Line(printable, "canary", points, step, fill), limit=limit, title=printable, marks=[Mark(3.0, printable)]
    )
    numbers = [value for element in svg.iter() for value in element.attrib.values()]
    assert not [value for value in numbers if re.search(r"\b(nan|inf)\b", value) and value != printable]


def test_a_missing_value_breaks_the_curve() -> None:
    whole = drawn(Line("p95", "canary", [(0, 1.0), (10, 1.0), (20, 1.0)]))
    gap = drawn(Line("p95", "canary", [(0, 1.0), (5, 1.0), (10, None), (15, 1.0), (20, 1.0)]))
    assert "".join(curves(gap)).count("M") > "".join(curves(whole)).count("M")


def test_words_are_escaped() -> None:
    text = line_chart(Chart("<b>&", [Line("<i>", "canary", [(0, 1.0)])], str, 10.0))
    assert "<b>" not in text
    assert "<i>" not in text


@pytest.mark.parametrize("value", [1.7976931348623157e308, 1.6e308, 5e-324, -1.7e308])
def test_the_largest_and_the_smallest_numbers_are_drawn(value: float) -> None:
    svg = drawn(Line("p95", "canary", [(0, value), (1, value)]))
    assert "nan" not in ElementTree.tostring(svg, encoding="unicode")


@given(st.floats(1e-9, 1e12))
def test_ticks_begin_at_nothing_and_rise_evenly_to_the_top(maximum: float) -> None:
    ticks = nice_ticks(maximum)
    assert ticks[0] == 0
    assert ticks[-1] >= maximum * (1 - 1e-9)
    steps = [after - before for before, after in zip(ticks, ticks[1:], strict=False)]  # noqa: RUF007
    assert all(math.isclose(step, steps[0], rel_tol=1e-6) for step in steps)
    assert len(ticks) <= 8


@given(st.floats(0.1, 1e6))
def test_there_are_not_too_many_times_on_the_axis(end: float) -> None:
    ticks = time_ticks(end)
    assert len(ticks) <= 13
    assert all(0 <= tick <= end for tick in ticks)
