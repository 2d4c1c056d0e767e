"""The first pipeline: what is written for a draft is a good pipeline, and it ships only where there is a service."""

from __future__ import annotations

import pytest

from dawsos.adoption.contract import Draft, Environment
from dawsos.adoption.starter import pipeline_text
from dawsos.config.load import load_pipeline
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import gate_options

STAGE = "  - {id: lint, steps: [{run: 'true'}], gates: [exit_status]}\n"
BARE = Draft("node", "tiny", (), ("lint",), (STAGE,))
SHIPS = BARE.changed(
    service=("project: .", "requirements: requirements.txt", "command: python -m tiny", "health: /status"),
    page="/items", health_gate="{kind: health, expect_status: ok, version: any}", builds=", toolchain: tools",
    toolchains=(Environment("tools", "dawsos-tools.txt"),),
)  # fmt: skip


def written(draft: Draft) -> Pipeline:
    return load_pipeline(pipeline_text(draft), "pipeline.yaml", gate_options())


def test_a_project_without_a_service_gets_its_quality_stages_and_no_others() -> None:
    pipeline = written(BARE)
    assert [stage.id for stage in pipeline.stages] == ["lint"]
    assert "No service was found" in pipeline_text(BARE)
    assert pipeline.toolchains == {}
    assert "laptop" in pipeline.profiles


def test_a_service_is_built_deployed_approved_and_rolled_out() -> None:
    pipeline = written(SHIPS)
    assert [(stage.id, stage.uses, stage.needs) for stage in pipeline.stages] == [
        ("lint", "commands", ()), ("build", "release", ("lint",)), ("staging", "deploy", ("build",)),
        ("canary", "rollout", ("staging",)),
    ]  # fmt: skip
    assert (pipeline.service.command, pipeline.service.health) == ("python -m tiny", "/status")
    assert pipeline.stage("build").toolchain == "tools"
    assert pipeline.stage("staging").approval is not None
    assert pipeline.stage("staging").gates[1].written_options == {"expect_status": "ok", "version": "any"}
    load = pipeline.policy("laptop").load
    assert load is not None
    assert [request.path for request in load.requests] == ["/items"]


@pytest.mark.parametrize("name", ["null", "true", "false", "y", "on", "no", "tiny-1_0"])
def test_a_name_that_yaml_takes_for_something_else_is_still_the_name(name: str) -> None:
    assert written(BARE.changed(name=name)).name == name
