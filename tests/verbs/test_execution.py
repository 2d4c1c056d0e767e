"""What ``ship``, ``run`` and ``resume`` share: the options, what is checked before a run begins, and how it ends."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions import verification
from dawsos.adapters.locks import owned
from dawsos.errors import BadInput, OwnedElsewhere
from dawsos.model.environment import EnvironmentSettings
from dawsos.runs.context import RunContext
from dawsos.runs.project import load_run
from dawsos.verbs import execution
from dawsos.verbs.execution import (
    Options,
    execute,
    looking_at_environments,
    must_be_ready,
)
from support.facts import fact
from support.paper import Paper
from verbs.on_paper import committed, given_to_verbs


def test_options_are_read_as_they_were_kept_and_what_is_not_known_is_left_out() -> None:
    options = Options("laptop", "Ada", "seen", True, "prices are wrong", ("lint",), 7, 9)
    kept = {**asdict(options), "stages": ["lint"]}
    assert Options.read(kept) == options
    assert Options.read({**kept, "colour": "blue"}) == options
    assert Options.read({}) == Options()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options("lapdog"), "unknown profile"),
        (Options("production", "Eve", "seen"), "Eve may not approve; who may: Ada, Bob, Cy"),
        (Options("production", seed=7), "no chosen stage takes a seed"),
    ],
)
def test_what_would_only_fail_after_minutes_is_refused_at_once(options: Options, words: str, paper: Paper) -> None:
    with pytest.raises(BadInput, match=words):
        must_be_ready(paper.pipeline, paper.pipeline.stages, options, paper.project.root)


def test_a_named_file_that_is_missing_is_said_with_where_it_was_looked_for(paper: Paper) -> None:
    (paper.project.root / "requirements.txt").unlink()
    options = Options("production")
    with pytest.raises(BadInput, match=r"requirements\.txt.* in commit c0ffee00"):
        must_be_ready(paper.pipeline, paper.pipeline.stages, options, paper.project.root, where=" in commit c0ffee00")


def test_an_environment_that_lacks_something_is_told_before_the_first_gate(paper: Paper) -> None:
    """Of the named stages alone: the environment of another job may need what this machine has not."""
    on_a_cluster = EnvironmentSettings(platform="kubernetes", context="c", namespace="n", release="r", chart="x")
    pipeline = paper.pipeline.model_copy(
        update={"environments": {**paper.pipeline.environments, "production": on_a_cluster}}
    )
    paper.environments["production"].missing = "there is no helm on PATH"
    stages = [
        paper.pipeline.stage("lint").model_copy(update={"environment": name}) for name in ("staging", "production")
    ]
    execution._check_environments(paper.tools, pipeline, stages[:1], "production", paper.project.root)
    with pytest.raises(BadInput, match="no helm on PATH"):
        execution._check_environments(paper.tools, pipeline, stages, "production", paper.project.root)


def test_a_run_that_looks_at_an_environment_is_alone_with_it(paper: Paper) -> None:
    """It starts what is down: beside ``dawsos down`` it would undo it."""
    plain = paper.pipeline.stage("lint")
    looking = plain.model_copy(update={"environment": "staging"})
    with owned(paper.project.deploy_lock, "the deployment"):
        with pytest.raises(OwnedElsewhere), looking_at_environments(paper.project, [plain, looking]):
            raise AssertionError("both had it")
        with looking_at_environments(paper.project, [plain]):
            pass


def test_a_token_command_that_fails_in_verification_is_the_release_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stage has passed.  The command is the release's own: blamed on the machine, the run would be resumed for ever."""
    service = {"latest": "/latest/7", "seed": "echo '{}'", "token": "sh -c 'echo no key for Ada; exit 3'"}
    paper = given_to_verbs(Paper(tmp_path / "project", service), monkeypatch)
    commit = committed(paper)
    paper.serve(paper.release("1", commit.sha))
    session = paper.session(commit=commit.sha)
    for stage in paper.pipeline.stages:
        session.record(fact("stage_finished", result="passed"), stage.id)

    async def get(url: str, *, token: str = "") -> dict[str, Any]:
        return {"status_code": 200, "body": {"status": "healthy", "version": commit.sha}, "headers": {}, "error": ""}

    monkeypatch.setattr(verification, "get", get)
    context = RunContext(paper.tools, paper.pipeline, commit, paper.project.root, session)
    ended = execute(context, Options(), paper.pipeline.stages)
    run = load_run(paper.tools, ended.run)
    assert (run.result, run.exit_code, ended.exit_code) == ("failed", 1, 1), run.reason
    assert "no key for Ada" in run.reason
