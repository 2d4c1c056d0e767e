"""Keys of real providers: taken from whoever ships, asked for before anything runs, kept for who acts later."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions import passed
from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentChanges, EnvironmentSettings
from dawsos.model.observability import Observability, TraceServer
from dawsos.model.pipeline import Pipeline, Profile, Stage
from dawsos.runs.project import Project
from support.world import PIPELINE, pipeline_of

KEYS = {"POLYGON_KEY": "polygon-secret", "SMTP_URL": "smtp://mail.example.org"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, tmp_path / ".dawsos")


@pytest.fixture
def pipeline() -> Pipeline:
    """Production takes two variables, except with the profile laptop."""
    real = EnvironmentSettings(pass_env=("POLYGON_KEY", "SMTP_URL"))
    laptop = Profile(environments={"production": EnvironmentChanges(pass_env=())})
    environments = {"staging": EnvironmentSettings(), "production": real}
    return pipeline_of(PIPELINE).model_copy(update={"environments": environments, "profiles": {"laptop": laptop}})


def stages(pipeline: Pipeline, *names: str) -> list[Stage]:
    return [stage for stage in pipeline.stages if stage.environment in names]


def take(project: Project, pipeline: Pipeline, environ: dict[str, str], **how: Any) -> None:
    chosen = how.pop("stages", pipeline.stages)
    passed.take(project, pipeline, chosen, how.pop("profile", ""), environ, fresh=how.pop("fresh", True))


def test_what_is_not_set_is_told_by_its_name_with_all_the_others(project: Project, pipeline: Pipeline) -> None:
    with pytest.raises(BadInput) as refused:
        take(project, pipeline, {"SMTP_URL": "", "OTHER": "x"})
    assert refused.value.message.splitlines() == [
        "pipeline.yaml: environments.production.pass_env: POLYGON_KEY is not set",
        "pipeline.yaml: environments.production.pass_env: SMTP_URL is not set",
    ]
    assert "set it where you start dawsos" in str(refused.value.fix)
    assert not project.environment("production").exists()


def test_only_environments_of_the_chosen_stages_and_the_profile_are_asked(project: Project, pipeline: Pipeline) -> None:
    take(project, pipeline, {}, stages=stages(pipeline, "staging"))
    take(project, pipeline, {}, profile="laptop")
    with pytest.raises(BadInput):
        take(project, pipeline, {}, stages=stages(pipeline, "production"))


def test_what_was_given_is_kept_for_its_owner_alone(project: Project, pipeline: Pipeline) -> None:
    take(project, pipeline, {**KEYS, "OTHER": "x"})
    settings = pipeline.environment("production")
    # Whoever rolls back from another shell, without them or with others, gives a process those that production has.
    assert passed.passed(project, "production", settings, {"POLYGON_KEY": "mine"}) == KEYS
    (path,) = project.environment("production").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "OTHER" not in path.read_text()
    # The next ship brings its own.
    take(project, pipeline, {**KEYS, "POLYGON_KEY": "rotated"})
    assert passed.passed(project, "production", settings, {})["POLYGON_KEY"] == "rotated"


def test_a_run_that_is_resumed_needs_them_only_once(project: Project, pipeline: Pipeline) -> None:
    with pytest.raises(BadInput):
        take(project, pipeline, {}, fresh=False)
    take(project, pipeline, KEYS)
    take(project, pipeline, {}, fresh=False)
    with pytest.raises(BadInput):
        take(project, pipeline, {}, fresh=True)


def test_a_token_is_asked_for_and_kept_like_them_and_the_newest_one_is_used(
    project: Project, pipeline: Pipeline
) -> None:
    traces = TraceServer(url="https://jaeger.example.org", token="TRACES_TOKEN")
    settings = EnvironmentSettings(observability=Observability(traces=traces))
    watched = pipeline.model_copy(update={"environments": {"staging": EnvironmentSettings(), "production": settings}})
    with pytest.raises(
        BadInput, match=r"pipeline\.yaml: environments\.production\.observability: TRACES_TOKEN is not set"
    ):
        take(project, watched, {})
    with pytest.raises(BadInput, match=r"environments\.production\.observability: TRACES_TOKEN is not set"):
        passed.tokens(project, "production", settings, {"TRACES_TOKEN": ""})
    take(project, watched, {"TRACES_TOKEN": "first"})
    assert passed.tokens(project, "production", settings, {}) == {"TRACES_TOKEN": "first"}
    assert passed.tokens(project, "production", settings, {"TRACES_TOKEN": "second"}) == {"TRACES_TOKEN": "second"}
    # No release gets it.
    assert passed.passed(project, "production", settings, {"TRACES_TOKEN": "second"}) == {}


def test_an_environment_that_never_kept_any_takes_the_caller_s(project: Project, pipeline: Pipeline) -> None:
    """It was deployed before it took variables."""
    settings = pipeline.environment("production")
    assert passed.passed(project, "production", settings, KEYS) == KEYS
    with pytest.raises(BadInput, match="SMTP_URL is not set"):
        passed.passed(project, "production", settings, {"POLYGON_KEY": "mine"})
    (project.environment("production")).mkdir(parents=True)
    (project.environment("production") / "passed.json").write_text("{ cut")
    assert passed.passed(project, "production", settings, KEYS) == KEYS
