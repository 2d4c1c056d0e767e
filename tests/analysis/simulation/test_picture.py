"""The picture is an SVG with a curve a judge, whatever came of the rollouts."""

from __future__ import annotations

from xml.etree import ElementTree

from dawsos.analysis.simulation.contest import SimulationResult
from dawsos.analysis.simulation.picture import picture


def _outcome(judge: str, scenario: str, *times: float) -> SimulationResult:
    median = times[len(times) // 2] if times else None
    return SimulationResult(judge, scenario, 200.0, 4, len(times) / 4, 0.0, 0.0, median, median, 3.0, None, 0.0, times)


def test_one_chart_a_scenario_and_one_curve_a_judge() -> None:
    drawn = picture([_outcome("a<b", "x", 5.0, 7.0), _outcome("c", "x"), _outcome("a<b", "y", 1000.0)])
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own text
    paths = [element for element in root.iter() if element.tag.endswith("path")]
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("text")]
    assert len(paths) == 3
    assert "none rolled back" in texts
    assert "median 7 s, 3 failed requests, 50.0% out" in texts
