"""What a rollout's stage does around the rollout: who may begin one, what is found done already, the evidence for the gate."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from dawsos.actions.rollout import roll_out
from dawsos.engine.contract import StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.model.environment import EnvironmentChanges
from dawsos.model.events import RolloutFinished
from dawsos.model.pipeline import Profile
from dawsos.model.status import RolloutOutcome, StageState
from dawsos.platforms.contract import Roles
from rollout.test_lifecycle import begun, kinds, roll
from support.facts import fact
from support.paper import Paper
from support.world import rollout_of


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path / "project")


def test_what_serves_already_is_not_rolled_out_again(paper: Paper) -> None:
    release = paper.release("1")
    paper.serve(release)
    session = paper.session()
    outcome, told = roll(paper, session, release)
    assert outcome == StageOutcome(StageState.PASSED)
    assert (told["outcome"], told["reason"]) == ("promoted", "this release already serves 100 % of the traffic")
    assert session.state.rollout is None
    assert paper.production.weights == []


def test_what_serves_with_other_settings_is_rolled_out_again(paper: Paper) -> None:
    """It was said to serve already, and its processes kept the variables of the other profile."""
    changed = Profile(environments={"production": EnvironmentChanges(env={"GREETING": "good day"})})
    paper.pipeline = paper.pipeline.model_copy(update={"profiles": {"laptop": changed}})
    release = paper.release("1")
    paper.serve(release)
    outcome, told = roll(paper, paper.session(profile="laptop"), release)
    assert (outcome.result, told["outcome"]) == ("passed", "promoted")
    serving = paper.production.roles.stable
    assert serving not in (None, "old")
    again, told = roll(paper, paper.session("20260301-120001-c0ffee0-ab", profile="laptop"), release)
    assert (again.result, told["reason"]) == ("passed", "this release already serves 100 % of the traffic")


def test_a_canary_that_does_not_start_changes_nothing(paper: Paper) -> None:
    paper.serve(paper.release("1"))
    paper.production.broken = {"*"}
    session = paper.session()
    with pytest.raises(ReleaseFailed, match="is not ready"):
        roll(paper, session, paper.release("2"))
    told = json.loads((session.artifacts("canary") / "rollout.json").read_text())
    assert (told["outcome"], told["weight"]) == ("not started", 0)
    assert "is not ready" in told["reason"]
    assert (paper.production.roles, tuple(paper.production.deployments)) == (Roles("old"), ("old",))
    assert "rollout_started" not in kinds(session)


def test_promoted_and_killed_before_it_was_written_down(paper: Paper) -> None:
    session, new = begun(paper)
    canary = rollout_of(session).deployment
    session.record(fact("rollout_decided", decision="promote", reason="every step was healthy"), "canary")
    asyncio.run(paper.platform().route(canary, None, 0))
    outcome, told = roll(paper, session, new)
    assert (outcome.result, told["outcome"]) == ("passed", "promoted")
    (end,) = [event for event in session.since(0) if event.kind == "rollout_finished"]
    assert end.fact == RolloutFinished(RolloutOutcome.PROMOTED, "found promoted after a restart")


def test_a_release_that_is_refused_leaves_the_reason_for_the_gate(paper: Paper) -> None:
    session = paper.session()
    release = paper.release()
    paper.built(session, release)
    work = paper.attempt(session, "canary")
    with pytest.raises(ReleaseFailed) as refused:
        asyncio.run(roll_out(paper.context(session), work))
    told = json.loads((work.artifacts / "rollout.json").read_text())
    assert told == {"outcome": "refused", "reason": refused.value.message, "weight": 0, "release": release.digest}
