"""The policies that a person names, and the judges beside each."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.verbs.policies import contenders, is_manifest, manifests, policy_named
from support.paper import Paper

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
