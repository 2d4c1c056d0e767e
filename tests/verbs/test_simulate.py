"""``simulate``: the outcomes of each judge, and how far the work is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.verbs.simulate import SimulationRequest, parse_traffic, simulate
from verbs.test_policies import write_manifest


def test_a_manifest_may_be_the_policy_of_a_simulation(tmp_path: Path) -> None:
    svg = tmp_path / "out.svg"
    wanted = SimulationRequest(str(write_manifest(tmp_path)), "100", ("errors=50%", "aa"), rollouts=5, picture=svg)
    told: list[float] = []
    found = simulate(None, wanted, told.append)
    assert [(one.scenario, one.judge) for one in found] == [
        (scenario, judge) for scenario in ("errors=50%", "aa") for judge in ("flagger", "statistical", "thresholds")
    ]
    assert found[0].median == 30.0
    assert svg.read_text().startswith("<svg")
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize("text", ["fast", "0", "-5rps", "", "10 rpm"])
def test_traffic_is_a_rate(text: str) -> None:
    assert parse_traffic("200rps") == 200.0
    with pytest.raises(BadInput, match="is no rate"):
        parse_traffic(text)


@pytest.mark.parametrize("rollouts", [0, 100_001])
def test_how_many_rollouts_is_bounded(rollouts: int, tmp_path: Path) -> None:
    wanted = SimulationRequest(str(write_manifest(tmp_path)), rollouts=rollouts)
    with pytest.raises(BadInput, match="rollouts"):
        simulate(None, wanted, lambda _: None)
