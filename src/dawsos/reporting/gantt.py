"""The timeline of stages as inline SVG.  Pure.

Wall time in which nothing ran (a night's wait for an approval) is folded to a narrow band, so that the work stays visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dawsos.reporting.charts import WIDTH, clock, text, time_ticks

_ROW, _HEAD, _FOOT = 24, 8, 24
_X0, _X1 = 190.0, 860.0


@dataclass(frozen=True)
class Bar:
    """One stage: ``start`` and ``end`` in seconds since the run's start, None when it has none; ``note`` says more."""

    name: str
    title: str
    tone: str
    start: float | None
    end: float | None
    seconds: float
    budget: float
    note: str = ""
    instant: bool = False


@dataclass(frozen=True)
class Piece:
    """A stretch of wall time and its place on the axis; ``idle`` ones are folded."""

    start: float
    end: float
    x0: float
    x1: float
    idle: bool


def axis(busy: Sequence[tuple[float, float]], x0: float = _X0, x1: float = _X1) -> tuple[Piece, ...]:
    """Return the pieces of the time axis for these intervals of work; long idle time becomes narrow."""
    edges = _pieces(_union(busy))
    working = sum(end - start for start, end, idle in edges if not idle) or 1.0
    band = 0.05 * working
    total = sum(band if idle else end - start for start, end, idle in edges) or 1.0
    pieces, x = [], x0
    for start, end, idle in edges:
        width = (band if idle else end - start) / total * (x1 - x0)
        pieces.append(Piece(start, end, x, x + width, idle))
        x += width
    return tuple(pieces)


def _union(busy: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in sorted(busy):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _pieces(joined: Sequence[tuple[float, float]]) -> list[tuple[float, float, bool]]:
    """Return (start, end, idle); short pauses count as work, so that only real waits are folded."""
    working = sum(end - start for start, end in joined)
    threshold = max(60.0, 0.5 * working)
    pieces: list[tuple[float, float, bool]] = []
    latest = 0.0
    for start, end in joined:
        if start - latest > threshold:
            pieces.append((latest, start, True))
            latest = start
        if pieces and not pieces[-1][2]:
            pieces[-1] = (pieces[-1][0], end, False)
        else:
            pieces.append((latest, end, False))
        latest = max(latest, end)
    return pieces


def place(pieces: Sequence[Piece], at: float) -> float:
    """Return the pixel of a moment."""
    for piece in pieces:
        if at <= piece.end:
            share = (at - piece.start) / (piece.end - piece.start) if piece.end > piece.start else 0.0
            return piece.x0 + min(max(share, 0.0), 1.0) * (piece.x1 - piece.x0)
    return pieces[-1].x1 if pieces else _X0


def gantt(bars: Sequence[Bar]) -> str:
    """Return the timeline; empty when there are no stages."""
    if not bars:
        return ""
    pieces = axis([(bar.start, bar.end) for bar in bars if bar.start is not None and bar.end is not None])
    height = _HEAD + len(bars) * _ROW + _FOOT
    parts = [_ground(pieces, height - _FOOT)]
    parts += [_row(bar, _HEAD + index * _ROW, pieces) for index, bar in enumerate(bars)]
    label = 'role="img" aria-label="Timeline of the stages"'
    return f'<svg class="chart gantt" viewBox="0 0 {WIDTH} {height}" {label}>{"".join(parts)}</svg>'


def _ground(pieces: Sequence[Piece], base: float) -> str:
    parts = []
    last = -100.0
    for second in time_ticks(pieces[-1].end if pieces else 0.0, _tick_count(pieces)):
        if any(piece.idle and piece.start < second < piece.end for piece in pieces):
            continue
        x = place(pieces, second)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_HEAD}" y2="{base}" class="grid"/>')
        if x - last > 38:
            parts.append(text(x, base + 15, clock(second), "tick", "middle"))
            last = x
    for piece in pieces:
        if piece.idle:
            width = piece.x1 - piece.x0
            parts.append(
                f'<rect x="{piece.x0:.1f}" y="{_HEAD}" width="{width:.1f}" height="{base - _HEAD}" class="idle"/>'
            )
            middle = (piece.x0 + piece.x1) / 2
            parts.append(f'<g transform="translate({middle:.1f} {(_HEAD + base) / 2:.1f}) rotate(-90)">')
            parts.append(text(0, 4, f"waited {clock(piece.end - piece.start)}", "tick", "middle") + "</g>")
    return "".join(parts)


def _tick_count(pieces: Sequence[Piece]) -> int:
    """With folded waits, ticks have to be as fine as the work between them needs, within reason."""
    working = sum(piece.end - piece.start for piece in pieces if not piece.idle)
    return min(400, int(10 * pieces[-1].end / working)) if pieces and working > 0 else 10


def _row(bar: Bar, y: float, pieces: Sequence[Piece]) -> str:
    middle = y + _ROW / 2
    name = text(_X0 - 12, middle + 4, bar.title or bar.name, "name", "end")
    tone = escape(bar.tone)
    if bar.start is None or bar.end is None:
        return name + text(_X0 + 6, middle + 4, bar.note, "tick")
    x0, x1 = place(pieces, bar.start), place(pieces, bar.end)
    tip = f"<title>{escape(f'{bar.title}: {clock(bar.start)} to {clock(bar.end)}. {bar.note}')}</title>"
    if bar.instant:
        shape = f'<path d="M{x0:.1f} {middle - 6:.1f} l6 6 l-6 6 l-6 -6 Z" class="bar {tone} hollow">{tip}</path>'
        return name + shape + _note(bar.note, x0, x0 + 12, middle)
    width = max(2.0, x1 - x0)
    shape = f'<rect x="{x0:.1f}" y="{y + 4:.1f}" width="{width:.1f}" height="{_ROW - 8}" rx="2.5" class="bar {tone}">{tip}</rect>'
    if width > len(bar.note) * 6 + 12:
        note = text(x0 + 7, middle + 4, bar.note, "within")
    else:
        note = _note(bar.note, x0, x0 + width + 6, middle)
    return name + shape + note + _budget(bar, y)


def _note(note: str, before: float, after: float, middle: float) -> str:
    """Write the note behind the bar, or in front of it where there is no room behind."""
    if not note:
        return ""
    if after + len(note) * 6 < _X1 + 6:
        return text(after, middle + 4, note, "tick")
    return text(before - 6, middle + 4, note, "tick", "end") if before - len(note) * 6 > _X0 else ""


def _budget(bar: Bar, y: float) -> str:
    """Return the time used and a meter of the budget."""
    label = text(
        WIDTH - 96,
        y + _ROW / 2 + 4,
        f"{clock(bar.seconds)} of {clock(bar.budget)}" if bar.budget else clock(bar.seconds),
        "budget",
        "end",
    )
    if not bar.budget:
        return label
    used = min(1.0, bar.seconds / bar.budget)
    css = "full" if used >= 0.8 else ""
    top = y + _ROW / 2 - 3
    return (
        f'{label}<rect x="{WIDTH - 86}" y="{top:.1f}" width="72" height="6" rx="3" class="meter"/>'
        f'<rect x="{WIDTH - 86}" y="{top:.1f}" width="{max(2.0, 72 * used):.1f}" height="6" rx="3" class="used {css}"/>'
    )
