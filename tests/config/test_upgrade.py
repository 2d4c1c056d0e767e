"""Version 1 as version 2: it means the same, its comments stay, and who still writes it is told what to change, line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from config.test_load import JUNK, OPTIONS, Change, changed, dumped, load, places
from dawsos.config.load import load_pipeline
from dawsos.config.upgrade import upgrade, upgrade_text
from dawsos.errors import BadInput
from dawsos.model.pipeline import Pipeline

# pipeline.yaml of commit 9091e4c, the last of version 1.
LAST = (Path(__file__).parent / "version1.yaml").read_text()
SMALL = """\
# Ours.
version: 1  # the first
name: demo
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}
service:
  project: .
  requirements: requirements.txt
  # Two, for the one that dies.
  replicas: 3
  # What people get.
  env:
    LIMIT: "100"
    # Ours alone.
    COLOUR: red
  # How it starts.
  command: python -m demo
  services: [postgres]
  # The end of the service.

# Everything.
stages:
  - {id: lint, steps: [{run: "true"}], gates: [{kind: threshold, file: slo.json, path: cold_p95, max: 2.0, unit: s}]}
  - {id: deploy, uses: deploy, environment: staging, gates: [exit_status]}
  - {id: out, needs: [deploy], uses: rollout, environment: production, gates: [rollout]}
rollout:
  ladder: [{weight: 100, duration: 5m}]
  # Of a check.
  error_rate: 0.5%
  p95: 1000ms
  tick: 1s  # often
"""
SMALL_NOW = """\
# Ours.
version: 2  # the first
name: demo
slo: {error_rate: 0.5%, warm_p95: 1s, cold_p95: 2s}
service:
  project: .
  requirements: requirements.txt
  # How it starts.
  command: python -m demo
  # The end of the service.

environments:
  staging:
    # Two, for the one that dies.
    replicas: 3
    # What people get.
    env: &env
      LIMIT: "100"
      # Ours alone.
      COLOUR: red
    services: [postgres]
  production:
    replicas: 3
    env: *env
    services: [postgres]

# Everything.
stages:
  - {id: lint, steps: [{run: "true"}], gates: [{kind: threshold, file: slo.json, path: cold_p95, slo: cold_p95}]}
  - {id: deploy, uses: deploy, environment: staging, gates: [exit_status]}
  - {id: out, needs: [deploy], uses: rollout, environment: production, gates: [rollout]}
rollout:
  ladder: [{weight: 100, duration: 5m}]
  tick: 1s  # often
"""


def as_before(text: str) -> Pipeline:
    return load_pipeline(text, "pipeline.yaml", OPTIONS, accept_old=True)


def test_the_text_is_edited_where_version_2_differs_and_nowhere_else() -> None:
    now, changes = upgrade_text(SMALL, "pipeline.yaml")
    assert now == SMALL_NOW
    assert changes == [
        "version 1 is 2",
        "service.replicas moves to environments.staging.replicas and environments.production.replicas",
        "service.services moves to environments.staging.services and environments.production.services",
        "service.env moves to environments.staging.env and environments.production.env",
        "rollout.error_rate moves to slo.error_rate, which was 1% and bound nothing",
        "rollout.p95 goes: slo.warm_p95 is the limit",
        "the limit of the gate 'threshold' is slo: cold_p95",
    ]
    assert load(now) == as_before(SMALL)


def test_the_last_version_1_of_dawsos_means_what_it_meant() -> None:
    now, _ = upgrade_text(LAST, "pipeline.yaml")
    written: dict[str, Any] = YAML(typ="safe").load(LAST)
    pipeline = load(now)
    assert pipeline == as_before(LAST)
    assert [stage.id for stage in pipeline.stages] == [stage["id"] for stage in written["stages"]]
    for stage, before in zip(pipeline.stages, written["stages"], strict=True):
        kinds = [gate if isinstance(gate, str) else gate["kind"] for gate in before["gates"]]
        assert [gate.kind for gate in stage.gates] == kinds
        for gate, one in zip(stage.gates, before["gates"], strict=True):
            if gate.kind == "threshold":
                limits = {
                    "min": None,
                    "max": None,
                    "unit": "",
                    **{k: v for k, v in one.items() if k in ("min", "max", "unit")},
                }
                assert gate.options.model_dump(include=set(limits)) == limits
    for profile in (None, "laptop", "drill"):
        policy = pipeline.policy(profile)
        assert (policy.error_rate, policy.p95) == (0.005, 1.2)
        for name in ("staging", "production"):
            environment = pipeline.environment(name, profile)
            assert environment.env == written["service"]["env"]
            assert environment.services == tuple(written["service"]["services"])
            assert environment.replicas == written["service"]["replicas"]
    assert pipeline.policy("laptop").ladder[0].duration == 6
    assert [line for line in LAST.splitlines() if "#" in line and line.strip() not in now] == []


def test_who_still_writes_version_1_is_told_each_line_to_change() -> None:
    with pytest.raises(BadInput) as refused:
        load(SMALL)
    assert refused.value.message.splitlines() == [
        "pipeline.yaml:2: version 1 is no longer supported; write version 2",
        "pipeline.yaml:9: service.replicas moves to environments.staging.replicas and environments.production.replicas",
        "pipeline.yaml:11: service.env moves to environments.staging.env and environments.production.env",
        "pipeline.yaml:17: service.services moves to environments.staging.services and environments.production.services",
        "pipeline.yaml:22: the limit of the gate 'threshold' is slo: cold_p95",
        "pipeline.yaml:28: rollout.error_rate moves to slo.error_rate, which was 1% and bound nothing",
        "pipeline.yaml:29: rollout.p95 goes: slo.warm_p95 is the limit",
    ]
    assert "dawsos lint --fix rewrites the file" in str(refused.value.fix)


def test_what_is_wrong_in_a_version_1_file_is_told_with_its_own_line() -> None:
    with pytest.raises(BadInput) as refused:
        as_before(SMALL.replace("  tick: 1s", "  tik: 1s").replace("id: deploy,", "id: deploy, needs: [x],"))
    assert [line.partition(": ")[0] for line in refused.value.message.splitlines()] == ["pipeline.yaml:30"]
    assert "unknown key 'tik'" in refused.value.message


def test_version_2_is_left_as_it_is() -> None:
    assert upgrade_text(SMALL_NOW, "pipeline.yaml") == (SMALL_NOW, [])
    again, changes = upgrade_text(LAST, "pipeline.yaml")
    assert upgrade_text(again, "pipeline.yaml") == (again, [])
    assert len(changes) == 8


DOCUMENT = YAML(typ="safe").load(SMALL)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(places(DOCUMENT)), st.sampled_from(["replace", "delete"]), JUNK), max_size=3))
def test_whatever_version_1_said_its_upgrade_says_the_same_or_is_refused(
    changes: list[Change],
) -> None:
    document = changed(DOCUMENT, changes)
    text = dumped(document)
    try:
        now, _ = upgrade_text(text, "pipeline.yaml")
    except BadInput as refused:
        strange = [line for line in refused.message.splitlines() if not line.startswith("pipeline.yaml:")]
        assert not strange
        return
    if document.get("version") == 1:
        assert YAML(typ="safe").load(now) == upgrade(YAML(typ="safe").load(text)).document
