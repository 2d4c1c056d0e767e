"""The pipeline as values: what contradicts itself is refused, a profile overrides what it names and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from config.test_load import SMALL, load
from dawsos.errors import BadInput
from dawsos.model.pipeline import Approval, Pipeline, Profile, Retry, RolloutStage, Signing, Stage, Step
from dawsos.model.policy import RolloutPolicy
from dawsos.model.service import Worker
from dawsos.planning.fingerprint import matches
from gates.samples import gate

PIPELINE = load(SMALL)
GATES = [gate("exit_status")]


@pytest.mark.parametrize(
    ("model", "fields", "words"),
    [
        (Stage, {"id": "a", "gates": GATES}, "a stage that runs commands needs at least one step"),
        (Stage, {"id": "a", "uses": "deploy", "gates": GATES}, "a stage that uses deploy needs an environment"),
        (Stage, {"id": "a", "uses": "rollout", "gates": GATES}, "a stage that uses rollout needs an environment"),
        (Stage, {"id": "a", "steps": [{"run": "x"}]}, "a stage without an exit criterion proves nothing"),
        (Stage, {"id": "A b", "steps": [{"run": "x"}], "gates": GATES}, "String should match pattern"),
        (Step, {"run": ""}, "at least 1 character"),
        (Step, {"run": "x", "repeat": 21}, "less than or equal to 20"),
        (Step, {"run": "x", "judged_exits": [0]}, "greater than or equal to 1"),
        (Step, {"run": "x", "judged_exits": [137]}, "less than or equal to 125"),
        (Retry, {"attempts": 6}, "less than or equal to 5"),
        (Approval, {"of": ["Ada", "Ada"], "needed": 2}, "needed is 2 and of names only 1: nobody could ever approve"),
        (Signing, {"sigstore": "auto", "identity": "me"}, "identity and issuer belong together"),
        (Signing, {"sigstore": "required"}, "required needs identity and issuer"),
        (Signing, {"sigstore": "maybe"}, "Input should be 'off', 'auto' or 'required'"),
        (Profile, {"min_requests": 0}, "greater than or equal to 1"),
        (Worker, {"name": "w", "command": "x", "ready": "/"}, "ready is a page on the first of ports"),
        (
            Worker,
            {"name": "w", "command": "x", "ports": ["W_PORT"], "replicas": 2},
            "two processes cannot listen on one",
        ),
        (Worker, {"name": "w", "command": "x", "ports": ["port"]}, "String should match pattern"),
    ],
)
def test_what_contradicts_itself_is_refused(model: type[BaseModel], fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(fields)
    assert words in str(refused.value)


def test_anybody_may_approve_where_nobody_is_named() -> None:
    assert Approval(needed=3).of == ()
    assert Approval(of=("Ada", "Bob"), needed=2).needed == 2


def test_a_stage_is_found_by_its_id() -> None:
    assert PIPELINE.stage("unit") is PIPELINE.stages[1]
    with pytest.raises(KeyError):
        PIPELINE.stage("units")


def test_without_a_profile_the_policy_is_as_written() -> None:
    written = RolloutPolicy(**dict(PIPELINE.rollout), error_rate=0.01, p95=1.0)
    assert PIPELINE.policy() == PIPELINE.policy("") == PIPELINE.policy("production") == written
    with pytest.raises(KeyError):
        PIPELINE.policy("desktop")


def test_a_profile_overrides_what_it_names_and_nothing_else() -> None:
    policy = PIPELINE.policy("laptop")
    assert [(step.weight, step.duration) for step in policy.ladder] == [(5, 1.0), (100, 1.0)]
    plain, changed = PIPELINE.policy().model_dump(), policy.model_dump()
    assert {key for key in plain if plain[key] != changed[key]} == {"ladder", "check_interval"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("tick", 0.5), ("judge", "thresholds"), ("min_requests", 7), ("no_data_deadline", 9.0), ("shortest_step", 3.0)],
)
def test_every_override_reaches_the_policy(key: str, value: object) -> None:
    made = Pipeline.model_validate({**dict(PIPELINE), "profiles": {"laptop": {key: value}}})
    assert getattr(made.policy("laptop"), key) == value
    assert made.policy("laptop").ladder == PIPELINE.rollout.ladder


@pytest.mark.parametrize("profile", [None, "laptop"])
def test_the_limits_of_a_rollout_are_the_objectives_whatever_the_profile(profile: str | None) -> None:
    slo = PIPELINE.slo.model_copy(update={"error_rate": 0.02, "warm_p95": 0.7, "cold_p95": 9.0})
    policy = PIPELINE.model_copy(update={"slo": slo}).policy(profile)
    assert (policy.error_rate, policy.p95) == (0.02, 0.7)


def test_the_stage_that_rolls_out_says_where_the_users_are() -> None:
    with pytest.raises(BadInput, match="no stage uses rollout or deploy, so no release gets to any users"):
        PIPELINE.rollout_stage()
    stages = list(PIPELINE.stages)
    for use, name, environment in (("deploy", "first", "test"), ("deploy", "last", "eu"), ("rollout", "out", "us")):
        made = {"id": name, "uses": use, "environment": environment, "gates": GATES}
        stages.insert(2 if use == "rollout" else len(stages), Stage.model_validate(made))
        found = PIPELINE.model_copy(update={"stages": tuple(stages)}).rollout_stage()
        # Without a rollout it is the last deployment that reaches the users.
        assert found == RolloutStage(name, environment)


def test_an_environment_has_its_settings_and_a_profile_changes_what_it_names() -> None:
    written = PIPELINE.environment("staging")
    assert (written.platform, written.replicas, written.services) == ("local", 2, ("postgres",))
    changes = {"laptop": {"environments": {"staging": {"replicas": 1, "env": {"SIZE": "2", "MORE": "x"}}}}}
    made = Pipeline.model_validate({**dict(PIPELINE), "profiles": changes})
    for profile in (None, "", "production"):
        assert made.environment("staging", profile) == written
    there = made.environment("staging", "laptop")
    assert (there.replicas, there.services) == (1, ("postgres",))
    assert there.env == {"COLOUR": "red", "SIZE": "2", "MORE": "x"}
    assert made.environment("production", "laptop") == made.environment("production")
    with pytest.raises(KeyError):
        made.environment("nowhere")
    with pytest.raises(KeyError):
        made.environment("staging", "desktop")


@pytest.mark.parametrize("pattern", ["", "!", "./src/**", "/src/**", "src/", "!docs/", "../shared/**", "src//a.py"])
def test_an_input_that_no_path_of_the_project_can_match_is_refused(pattern: str) -> None:
    """Such a stage would be restored from the cache whatever is changed in the files that it was to name."""
    assert not matches("src/a.py", (pattern.removeprefix("!"),))
    with pytest.raises(ValidationError, match="matches no file: write it from the project's root"):
        Stage.model_validate({"id": "a", "steps": [{"run": "x"}], "gates": GATES, "inputs": [pattern]})


@pytest.mark.parametrize(
    ("project", "images", "name"),
    [
        (".", [], "shop"),
        ("backend", [], "shop-backend"),
        ("services/api/", [], "shop-api"),
        ("shop", [], "shop"),
        ("src", [{"name": "backend", "dockerfile": "Dockerfile", "base": "localhost/base"}], "shop-backend"),
    ],
)
def test_monitoring_calls_the_service_by_the_pipeline_and_its_image(
    project: str, images: list[dict[str, str]], name: str
) -> None:
    service = PIPELINE.service.model_validate({**PIPELINE.service.model_dump(), "project": project, "images": images})
    assert PIPELINE.model_copy(update={"name": "shop", "service": service}).service_name == name
