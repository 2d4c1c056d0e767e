"""Charts: numbers in, a string of inline SVG out.  Pure; colours come from the page's style sheet by class.

A value that is None or not finite is a gap, never a zero.  Every text is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 1080
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 26, 22
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
# Outside of these a step between ticks would itself be 0 or infinite.
_ROUNDABLE = (1e-300, 1e300)

Point = tuple[float, float | None]


@dataclass(frozen=True)
class Line:
    """One curve.  ``css`` names its colour; ``step`` holds a value until the next point; ``fill`` tints the area below."""

    name: str
    css: str
    points: Sequence[Point]
    step: bool = False
    fill: bool = False


@dataclass(frozen=True)
class Mark:
    """A moment worth a vertical line."""

    at: float
    label: str
    css: str = "mark"


@dataclass(frozen=True)
class Chart:
    """One chart over seconds; ``show`` writes a value with its unit, ``limit`` is drawn as a dashed line."""

    title: str
    lines: Sequence[Line]
    show: Callable[[float], str]
    end: float
    limit: float | None = None
    marks: Sequence[Mark] = ()
    height: int = 128
    top: float | None = None
    labels: bool = False


@dataclass(frozen=True)
class Scale:
    """Maps a domain that begins at 0 to a range of pixels."""

    maximum: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = min(max(value / self.maximum, 0.0), 1.0) if self.maximum > 0 else 0.0
        return self.start + share * (self.end - self.start)


def finite(value: float | None) -> bool:
    """True for a number that can be drawn."""
    return value is not None and math.isfinite(value)


def nice_ticks(maximum: float, most: int = 4) -> tuple[float, ...]:
    """Return round values from 0 that reach ``maximum``; (0, 1) when there is nothing to show."""
    if not finite(maximum) or maximum <= 0:
        return (0.0, 1.0)
    if not _ROUNDABLE[0] < maximum < _ROUNDABLE[1]:
        return (0.0, maximum)
    raw = maximum / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.9999)
    return tuple(round(index * step, 12) for index in range(math.ceil(maximum / step - 1e-9) + 1))


def time_ticks(end: float, most: int = 10) -> tuple[float, ...]:
    """Return round seconds from 0 up to ``end``."""
    if not finite(end) or end <= 0:
        return (0.0,)
    step = next((step for step in _TIME_STEPS if end / step <= most), _TIME_STEPS[-1])
    return tuple(float(index * step) for index in range(int(end // step) + 1))


def clock(seconds: float) -> str:
    """Return ``0:42`` or ``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def text(x: float, y: float, content: str, css: str = "", anchor: str = "start") -> str:
    """Return an SVG text element with escaped content."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{escape(css)}" text-anchor="{anchor}">{escape(content)}</text>'


def line_chart(chart: Chart) -> str:
    """Return one chart with axes, legend, limit and marks; without data it says so."""
    top = _top(chart)
    ticks = nice_ticks(top, 3 if chart.height < 110 else 4)
    across = Scale(max(chart.end, 1e-9), LEFT, WIDTH - RIGHT)
    up = Scale(ticks[-1], chart.height - BOTTOM, TOP)
    parts = [_axes(chart, ticks, across, up)]
    if not any(finite(value) for line in chart.lines for _, value in line.points):
        parts.append(text((LEFT + WIDTH - RIGHT) / 2, (TOP + chart.height - BOTTOM) / 2, "no data", "none", "middle"))
    parts += [_curve(line, across, up) for line in chart.lines]
    parts += [_limit(chart, up, ticks[-1]), _legend(chart, ticks[-1])]
    parts += [_mark(mark, row, across, chart) for row, mark in enumerate(chart.marks)]
    parts.append(_hover(chart, across))
    return _svg(chart.title, chart.height, "".join(parts))


def _svg(title: str, height: float, content: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">{content}</svg>'
    )


def _top(chart: Chart) -> float:
    """Return the highest value to show; a limit far above all data is named in the legend instead of flattening the curves."""
    if chart.top is not None:
        return chart.top
    values = [value for line in chart.lines for _, value in line.points if value is not None and math.isfinite(value)]
    highest = max(values, default=0.0)
    if chart.limit is not None and (highest <= 0 or chart.limit <= 5 * highest):
        return max(highest, chart.limit * 1.15)
    return highest


def _axes(chart: Chart, ticks: Sequence[float], across: Scale, up: Scale) -> str:
    parts = [text(LEFT, 13, chart.title, "title")]
    for value in ticks:
        y = up(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(text(LEFT - 7, y + 3.5, chart.show(value), "tick", "end"))
    base = chart.height - BOTTOM
    for second in time_ticks(chart.end):
        x = across(second)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}" class="axis"/>')
        parts.append(text(x, base + 15, clock(second), "tick", "middle"))
    parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}" class="axis"/>')
    return "".join(parts)


def _curve(line: Line, across: Scale, up: Scale) -> str:
    parts = []
    for run in _unbroken(line.points):
        spots = [(across(at), up(value)) for at, value in run]
        if len(spots) == 1:
            parts.append(
                f'<circle cx="{spots[0][0]:.1f}" cy="{spots[0][1]:.1f}" r="2" class="dot {escape(line.css)}"/>'
            )
            continue
        path = _path(spots, line.step)
        if line.fill:
            base = up.start
            closed = f"{path} V{base:.1f} H{spots[0][0]:.1f} Z"
            parts.append(f'<path d="{closed}" class="area {escape(line.css)}"/>')
        parts.append(f'<path d="{path}" class="curve {escape(line.css)}"/>')
    return "".join(parts)


def _unbroken(points: Sequence[Point]) -> list[list[tuple[float, float]]]:
    """Split at gaps, so that no curve is drawn where nothing was measured."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is not None and math.isfinite(value) and math.isfinite(at):
            runs[-1].append((at, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _path(spots: Sequence[tuple[float, float]], step: bool) -> str:
    first, *others = spots
    moves = [f"M{first[0]:.1f} {first[1]:.1f}"]
    for x, y in others:
        moves.append(f"H{x:.1f} V{y:.1f}" if step else f"L{x:.1f} {y:.1f}")
    return " ".join(moves)


def _limit(chart: Chart, up: Scale, top: float) -> str:
    if chart.limit is None or chart.limit > top:
        return ""
    y = up(chart.limit)
    return f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="limit"/>'


def _legend(chart: Chart, top: float) -> str:
    """Return the legend, written from the right edge to the left."""
    entries = [(line.name, f"curve {escape(line.css)}") for line in chart.lines]
    if chart.limit is not None:
        above = "" if chart.limit <= top else ", above this scale"
        entries.append((f"limit {chart.show(chart.limit)}{above}", "limit"))
    parts, x = [], float(WIDTH - RIGHT)
    for name, css in reversed(entries):
        parts.append(text(x, 13, name, "legend", "end"))
        x -= len(name) * 5.7 + 8
        parts.append(f'<line x1="{x - 16:.1f}" x2="{x:.1f}" y1="9" y2="9" class="{css}"/>')
        x -= 32
    return "".join(parts)


def _mark(mark: Mark, row: int, across: Scale, chart: Chart) -> str:
    x, css = across(mark.at), escape(mark.css)
    line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{chart.height - BOTTOM}" class="mark {css}"/>'
    if not chart.labels:
        return line
    left = x > WIDTH / 2
    # A promotion stands where the curve is at its top; every other mark has room above the curve.
    y = chart.height - BOTTOM - 8 - 14 * row if mark.css == "good" else TOP + 3 + 14 * row
    return line + text(x - 5 if left else x + 5, y, mark.label, f"marked {css}", "end" if left else "start")


def _hover(chart: Chart, across: Scale) -> str:
    """Return one invisible column per moment, with its values as a tooltip; no script is needed for that."""
    times = sorted({at for line in chart.lines if not line.step for at, _ in line.points if math.isfinite(at)})
    values = [(line.name, dict(line.points)) for line in chart.lines]
    parts, before = [], float(LEFT)
    for at in times:
        x = across(at)
        shown = [
            f"{name} {chart.show(found)}"
            for name, known in values
            if (found := known.get(at)) is not None and finite(found)
        ]
        tip = escape(f"{clock(at)}  {', '.join(shown) or 'no data'}")
        parts.append(
            f'<rect x="{before:.1f}" y="{TOP}" width="{max(0.0, x - before):.1f}" height="{chart.height - BOTTOM - TOP}" '
            f'class="tip"><title>{tip}</title></rect>'
        )
        before = max(before, x)
    return "".join(parts)
