"""No release goes to production without its evidence, by whichever action."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actions.test_commands import changed
from dawsos.actions.deploy import deploy_release
from dawsos.actions.rollout import roll_out
from dawsos.engine.contract import StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.model.status import StageState
from support.facts import fact
from support.paper import Paper


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path / "project")


def test_no_release_goes_to_production_without_its_evidence(paper: Paper) -> None:
    session = paper.session()
    paper.built(session, paper.release())
    with pytest.raises(ReleaseFailed, match="may not go to production: stage lint: its statement is missing"):
        asyncio.run(roll_out(paper.context(session), paper.attempt(session, "canary")))
    assert paper.production.deployments == {}


def test_the_end_of_a_rollout_that_was_let_in_waits_for_nothing(paper: Paper) -> None:
    release = paper.release()
    paper.serve(release, "new")
    session = paper.session()
    paper.built(session, release)
    session.record(
        fact(
            "rollout_started",
            release=release.digest,
            deployment="new",
            stable_release="",
            stable_deployment="",
            ladder=[50, 100],
            policy={},
            traffic="real",
            first=True,
            drill="",
        ),
        "canary",
    )
    assert asyncio.run(roll_out(paper.context(session), paper.attempt(session, "canary"))) == StageOutcome(
        StageState.PASSED
    )


def test_production_refuses_a_plain_deployment_without_evidence_as_it_does_a_rollout(paper: Paper) -> None:
    paper.serve(paper.release("1"))
    session = paper.session()
    paper.built(session, paper.release("2"))
    work = changed(paper.attempt(session, "canary"), uses="deploy")
    with pytest.raises(ReleaseFailed, match="may not go to production: stage lint: its statement is missing"):
        asyncio.run(deploy_release(paper.context(session), work))
    assert list(paper.production.deployments) == ["old"]
