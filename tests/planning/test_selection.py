"""Which stages a person's words choose."""

from __future__ import annotations

import pytest

from config.test_load import SMALL, load
from dawsos.errors import BadInput
from dawsos.planning.selection import ends_before_users, must_know_profile, select

PIPELINE = load(
    SMALL.replace(
        "rollout:\n",
        "  - {id: build, needs: [unit], uses: release, gates: [exit_status]}\n"
        "  - {id: staging, needs: [build], uses: deploy, environment: staging, gates: [health]}\n"
        "  - {id: docs, steps: [{run: 'true'}], gates: [exit_status]}\nrollout:\n",
        1,
    )
)


def chosen(*wanted: str, command: str = "run") -> list[str]:
    return [stage.id for stage in select(PIPELINE, wanted, command)]


def test_ship_takes_every_stage() -> None:
    assert chosen(command="ship") == ["lint", "unit", "build", "staging", "docs"]


def test_run_takes_what_is_named_with_its_needs_in_the_file_s_order() -> None:
    assert chosen("docs", "unit") == ["lint", "unit", "docs"]
    assert chosen("build") == ["lint", "unit", "build"]


def test_run_without_a_name_takes_every_command() -> None:
    assert chosen() == ["lint", "unit", "docs"]


def test_run_never_deploys() -> None:
    with pytest.raises(BadInput, match="`run` does not deploy, and staging would"):
        chosen("staging")


def test_an_unknown_stage_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="unknown stage 'uni'; the stages: lint, unit, build, staging, docs"):
        chosen("uni")


def test_a_profile_is_one_of_the_pipeline_or_production() -> None:
    for name in ("", "production", "laptop"):
        must_know_profile(PIPELINE, name)
    with pytest.raises(BadInput, match="unknown profile 'lapdog'; there are: production, laptop"):
        must_know_profile(PIPELINE, "lapdog")


def test_a_ship_of_named_stages_takes_all_that_they_need() -> None:
    assert chosen("build", command="ship") == ["lint", "unit", "build"]
    assert chosen("staging", "docs", command="ship") == ["lint", "unit", "build", "staging", "docs"]
    with pytest.raises(BadInput, match="unknown stage 'stagin'"):
        chosen("stagin", command="ship")


def test_a_ship_ends_before_the_users_when_it_leaves_out_the_stage_that_gives_them_the_release() -> None:
    staged = PIPELINE.stage("staging")
    live = PIPELINE.model_copy(
        update={
            "stages": (*PIPELINE.stages, staged.model_copy(update={"id": "live", "environment": "production"})),
        }
    )
    assert ends_before_users(live, select(live, ("staging",), "ship"))
    assert not ends_before_users(live, select(live, ("live",), "ship"))
    assert not ends_before_users(live, select(live, (), "ship"))
    # Where no environment is called production, rollback acts on the last deployment.
    assert ends_before_users(PIPELINE, select(PIPELINE, ("build",), "ship"))
    assert not ends_before_users(PIPELINE, select(PIPELINE, ("staging",), "ship"))
    # Where nothing is deployed, no ship can end before it.
    nowhere = PIPELINE.model_copy(update={"stages": PIPELINE.stages[:3]})
    assert not ends_before_users(nowhere, select(nowhere, ("lint",), "ship"))
