"""A picture of simulated rollouts: for each judge, which part of the canaries is rolled back by when.  Pure: an SVG as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from dawsos.analysis.simulation.contest import SimulationResult

_WIDTH, _ROW, _LEFT, _TOP, _BOTTOM = 860, 320, 64, 54, 46
_COLOURS = ("#1a7f5a", "#0b5cad", "#b35900", "#a3262a", "#6a3d9a", "#555555")


def picture(outcomes: Sequence[SimulationResult]) -> str:
    """Return one chart per scenario, time on a logarithmic axis, one curve per judge with its median and cost in the legend."""
    scenarios = list(dict.fromkeys(outcome.scenario for outcome in outcomes))
    height = _ROW * len(scenarios)
    charts = [
        _chart([outcome for outcome in outcomes if outcome.scenario == name], row * _ROW)
        for row, name in enumerate(scenarios)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>{"".join(charts)}</svg>\n'
    )


def _chart(outcomes: Sequence[SimulationResult], top: float) -> str:
    longest = max([10.0, *(outcome.times[-1] for outcome in outcomes if outcome.times)])
    decades = math.ceil(math.log10(longest))
    low, high = top + _ROW - _BOTTOM, top + _TOP
    right = _WIDTH - 300

    def across(seconds: float) -> float:
        return _LEFT + (right - _LEFT) * math.log10(max(1.0, seconds)) / decades

    first = outcomes[0]
    title = (
        f"{first.scenario} at {first.rate:g} requests/s: canaries rolled back, {first.rollouts:,} simulated rollouts"
    )
    parts = [f'<text x="{_LEFT}" y="{top + 24}" font-size="14" font-weight="bold">{escape(title)}</text>']
    for power in range(decades + 1):
        x = across(10.0**power)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{high}" y2="{low}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{low + 16}" text-anchor="middle">{10**power} s</text>')
    for part in (0.0, 0.5, 1.0):
        y = low - (low - high) * part
        parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{part:.0%}</text>')
    for number, outcome in enumerate(outcomes):
        colour, legend = _COLOURS[number % len(_COLOURS)], high + 12 + 38 * number
        parts.append(_curve(outcome, across, (low, high, right), colour))
        parts.append(
            f'<line x1="{right + 14}" x2="{right + 34}" y1="{legend}" y2="{legend}" stroke="{colour}" stroke-width="3"/>'
        )
        parts.append(f'<text x="{right + 40}" y="{legend + 4}" font-weight="bold">{escape(outcome.judge)}</text>')
        parts.append(f'<text x="{right + 40}" y="{legend + 19}" fill="#555">{escape(_said(outcome))}</text>')
    return "".join(parts)


def _curve(
    outcome: SimulationResult, across: Callable[[float], float], box: tuple[float, float, float], colour: str
) -> str:
    low, high, right = box
    path = [f"M{_LEFT} {low:.1f}"]
    for number, seconds in enumerate(outcome.times, start=1):
        y = low - (low - high) * number / outcome.rollouts
        path.append(f"H{across(seconds):.1f} V{y:.1f}")
    return f'<path d="{" ".join(path)} H{right}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _said(outcome: SimulationResult) -> str:
    if outcome.median is None:
        return "none rolled back"
    return f"median {outcome.median:.0f} s, {outcome.failed:,.0f} failed requests, {outcome.rolled_back:.1%} out"
