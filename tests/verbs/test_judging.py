"""The verbs about judging, called as the command line calls them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from dawsos.errors import BadInput
from dawsos.verbs.judging import SimulationRequest, lint_manifest, parse_traffic, simulate

MANIFEST = """kind: Canary
apiVersion: flagger.app/v1beta1
metadata: {name: shop}
spec:
  targetRef: {kind: Deployment, name: shop}
  service: {port: 80}
  analysis:
    interval: 10s
    threshold: 2
    stepWeights: [20, 100]
    metrics:
      - {name: request-success-rate, thresholdRange: {min: 99}}
      - {name: nonsense, thresholdRange: {max: 1}}
"""


def _manifest(folder: Path) -> Path:
    path = folder / "canary.yaml"
    path.write_text(MANIFEST)
    return path


def test_a_manifest_is_linted_with_its_lines_and_simulated(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=160)
    assert lint_manifest(_manifest(tmp_path), "50rps", as_json=False, console=console) == 1
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Canary shop: 20 100 %, a step every 10 s" in text
    assert "canary.yaml:13: error: nonsense is no metric of Flagger" in text
    assert "this manifest" in text


def test_a_manifest_may_be_the_policy_of_a_simulation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    svg = tmp_path / "out.svg"
    wish = SimulationRequest(str(_manifest(tmp_path)), "100", ("errors=50%",), rollouts=5, picture=svg)
    simulate(None, wish, as_json=True, console=Console())
    found = json.loads(capsys.readouterr().out)
    assert [one["judge"] for one in found] == ["flagger", "statistical", "thresholds"]
    assert found[0]["median"] == 30.0
    assert svg.read_text().startswith("<svg")


@pytest.mark.parametrize("text", ["fast", "0", "-5rps", "", "10 rpm"])
def test_traffic_is_a_rate(text: str) -> None:
    assert parse_traffic("200rps") == 200.0
    with pytest.raises(BadInput, match="is no rate"):
        parse_traffic(text)


def test_what_is_asked_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no file"):
        lint_manifest(tmp_path / "gone.yaml", "200rps", as_json=False, console=Console())
    with pytest.raises(BadInput, match="no pipeline"):
        simulate(None, SimulationRequest(), as_json=False, console=Console())
    with pytest.raises(BadInput, match="rollouts"):
        simulate(None, SimulationRequest(str(_manifest(tmp_path)), rollouts=0), as_json=False, console=Console())
