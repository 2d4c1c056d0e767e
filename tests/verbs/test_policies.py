"""The policies that a person names, and the judges beside each."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dawsos.analysis.simulation.scenarios import World
from dawsos.errors import BadInput
from dawsos.importers.flagger import Manifest
from dawsos.verbs.policies import contenders, is_manifest, manifests, policy_named, world_of
from support.paper import Paper

MANIFEST = """kind: Canary
apiVersion: flagger.app/v1beta1
metadata: {name: shop}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  service: {port: 80}
  analysis:
    interval: 10s
    threshold: 2
    stepWeights: [20, 100]
    metrics:
      - {name: request-success-rate, thresholdRange: {min: 99}}
      - {name: nonsense, thresholdRange: {max: 1}}
"""


def write_manifest(folder: Path) -> Path:
    path = folder / "canary.yaml"
    path.write_text(MANIFEST)
    return path


def test_a_manifest_is_a_policy_too(tmp_path: Path) -> None:
    path = write_manifest(tmp_path)
    assert is_manifest(str(path))
    policy = policy_named(None, str(path))
    assert (policy.judge, [step.weight for step in policy.ladder], policy.failed_checks) == ("flagger", [20, 100], 2)
    assert [name for name, _ in contenders(policy)] == ["flagger", "statistical", "thresholds"]
    assert [each.judge for _, each in contenders(policy)] == ["flagger", "statistical", "thresholds"]


def test_a_profile_is_looked_up_in_the_pipeline(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    assert policy_named(paper.project, "production").judge == "thresholds"
    with pytest.raises(BadInput, match="unknown policy 'lapdog'; there are: production"):
        policy_named(paper.project, "lapdog")


def test_what_is_asked_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no file"):
        manifests(tmp_path / "gone.yaml")
    with pytest.raises(BadInput, match="no pipeline"):
        policy_named(None, "production")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{{- if .Values.canary }}\n" + MANIFEST + "{{- end }}\n", 1),
        (MANIFEST.replace("name: shop}\nspec", 'name: {{ include "shop.name" . }}}\nspec'), 3),
        (MANIFEST.replace("threshold: 2", "threshold: {{ .Values.threshold }}"), 9),
        (MANIFEST.replace("threshold: 2", "threshold: {{ $threshold | default 2 }}"), 9),
        (MANIFEST.replace("10s", "{{/* a comment */}}10s"), 8),
    ],
)
def test_a_template_of_helm_is_no_manifest_yet(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "canary.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=f"canary.yaml:{line}: this is a template of Helm") as told:
        manifests(path)
    assert "helm template RELEASE CHART --show-only templates/canary.yaml" in str(told.value.fix)


def test_the_fields_of_flagger_s_own_queries_are_no_helm(tmp_path: Path) -> None:
    query = (
        'sum(rate(a{namespace="{{ namespace }}",pod=~"{{ target }}-x",team="{{ variables.team }}"}[{{ interval }}]))'
    )
    path = tmp_path / "canary.yaml"
    path.write_text(MANIFEST + f"      - {{name: busy, interval: 1m, query: '{query}', thresholdRange: {{max: 1}}}}\n")
    assert isinstance(manifests(path)[1][0], Manifest)


def test_a_file_that_is_no_text_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "canary.yaml"
    path.write_bytes(b"\xff\xfe\x00k")
    with pytest.raises(BadInput, match="cannot be read"):
        manifests(path)


@pytest.mark.parametrize(("name", "share"), [("request-duration", 2.3263), ("slow-p95", 1.6449)])
def test_a_healthy_version_has_half_of_the_latency_that_is_allowed(tmp_path: Path, name: str, share: float) -> None:
    query = "" if name == "request-duration" else ", query: 'histogram_quantile(0.95, a{b=\"c\"}) * 1000'"
    path = tmp_path / "canary.yaml"
    path.write_text(MANIFEST + f"      - {{name: {name}, interval: 1m{query}, thresholdRange: {{max: 500}}}}\n")
    world = world_of(policy_named(None, str(path)), 10.0)
    sigma = math.log(world.p95 / world.p50) / 1.6449
    assert (world.rate, world.slow) == (10.0, 0.5)
    assert world.p50 * math.exp(sigma * share) == pytest.approx(0.25, rel=1e-3)


def test_a_manifest_without_latency_has_the_usual_traffic(tmp_path: Path) -> None:
    assert world_of(policy_named(None, str(write_manifest(tmp_path))), 10.0) == World(rate=10.0)
