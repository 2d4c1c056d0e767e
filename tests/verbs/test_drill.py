"""``drill``: a fault on a canary of the serving release must be noticed; whoever is interrupted leaves the traffic on stable."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from dawsos.adapters.locks import owned
from dawsos.errors import BadInput, OwnedElsewhere
from dawsos.model.status import Cause
from dawsos.platforms.contract import FaultInjector, Roles
from dawsos.platforms.faults import WireFault
from dawsos.runs.project import load_run
from dawsos.verbs.drill import drill, resume_drill
from support.facts import fact
from support.memory_platform import MemoryPlatform
from support.paper import Paper, erring
from support.world import written_as_version_1
from verbs.on_paper import finished, given_to_verbs, silent, under_way

STALE = {"jobs": [{"name": "pack", "run": "true"}], "drills": {"stale": {"job": "pack", "env": {}}}}


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    return given_to_verbs(Paper(tmp_path / "project", STALE), monkeypatch)


def test_a_drill_whose_fault_is_noticed_is_rolled_back(paper: Paper) -> None:
    paper.serve(paper.release())
    paper.production.script = erring
    code, result, reason = finished(paper, drill(paper.project, "errors=50%", "production", silent))
    assert (code, result) == (4, "rolled_back")
    assert "error rate" in reason
    assert paper.production.roles == Roles("old", None, None, 0)
    assert paper.production.faults == [WireFault(status=500, share=0.5), None]
    run = load_run(paper.tools, "last")
    assert (run.command, run.options["fault"]) == ("drill", "errors=50%")
    assert run.rollout is not None
    assert (run.rollout.drill, run.rollout.cause) == ("errors=50%", Cause.ERROR_RATE)


def test_a_fault_that_nobody_notices_is_a_failure(paper: Paper) -> None:
    paper.serve(paper.release())
    code, result, reason = finished(paper, drill(paper.project, "errors=1%", "production", silent))
    assert (code, result) == (1, "failed")
    assert reason == "the fault errors=1% was not noticed: the canary was promoted"


def test_a_drill_without_a_fault_asks_for_a_promotion(paper: Paper) -> None:
    paper.serve(paper.release())
    code, result, reason = finished(paper, drill(paper.project, "none", "production", silent))
    assert (code, result, reason) == (0, "passed", "a canary without a fault was promoted, as it must be")


def test_what_runs_is_drilled_with_a_file_of_version_1(paper: Paper) -> None:
    """Its commit may be older than the tool."""
    paper.serve(paper.release())
    written_as_version_1(paper.project.root)
    assert finished(paper, drill(paper.project, "none", "production", silent))[:2] == (0, "passed")


def test_a_canary_of_a_drill_that_does_not_start_is_told_so(paper: Paper) -> None:
    paper.serve(paper.release())
    paper.production.broken = {"*"}
    code, result, reason = finished(paper, drill(paper.project, "crash", "production", silent))
    assert (code, result) == (1, "failed")
    assert "is not ready" in reason


def test_nothing_is_drilled_where_nothing_serves(paper: Paper) -> None:
    with pytest.raises(BadInput, match="no release serves production yet"):
        drill(paper.project, "crash", "production", silent)


def test_one_operation_at_a_time(paper: Paper) -> None:
    paper.serve(paper.release())
    with owned(paper.project.deploy_lock, "the deployment"), pytest.raises(OwnedElsewhere):
        drill(paper.project, "crash", "production", silent)


@pytest.mark.parametrize(
    ("fault", "profile", "words"),
    [
        ("crash", "lapdog", "unknown profile 'lapdog'; there are: production"),
        ("flood", "production", "unknown fault 'flood'"),
    ],
)
def test_what_cannot_be_drilled_is_bad_input_and_no_run(fault: str, profile: str, words: str, paper: Paper) -> None:
    paper.serve(paper.release())
    with pytest.raises(BadInput, match=words):
        drill(paper.project, fault, profile, silent)
    assert paper.tools.journal.runs() == []


def test_where_the_platform_brings_no_faults_about_there_is_no_run(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.serve(paper.release())

    def none(_platform: MemoryPlatform) -> FaultInjector | None:
        return None

    monkeypatch.setattr(MemoryPlatform, "faults", none)
    with pytest.raises(BadInput, match="the platform of production cannot bring crash about"):
        drill(paper.project, "crash", "production", silent)
    assert paper.tools.journal.runs() == []
    assert list(paper.production.deployments) == ["old"]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "the disk is full"),
        # Without an end it would be resumed for ever, or taken for a rollout under way.
        (OwnedElsewhere("the environment production is being changed by the process 7"), "by the process 7"),
    ],
    ids=["disk", "owned elsewhere"],
)
def test_what_the_machine_refuses_ends_a_drill_as_the_machine_s_fault(
    refusal: Exception, words: str, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.serve(paper.release())

    async def refuse(_platform: MemoryPlatform, _seconds: float) -> None:
        raise refusal

    monkeypatch.setattr(MemoryPlatform, "renew_lease", refuse)
    code, result, reason = finished(paper, drill(paper.project, "crash", "production", silent))
    assert (code, result) == (3, "infrastructure")
    assert words in reason


def test_an_interrupted_drill_ends_with_the_traffic_on_stable(paper: Paper) -> None:
    session = under_way(paper, "drill")
    assert session.state.rollout is not None
    asyncio.run(paper.platform().route("old", session.state.rollout.deployment, 50))
    # The drill was killed while its fault was on the canary.
    asyncio.run(paper.platform().faults().set_fault(WireFault(status=500, share=0.5)))
    ended = resume_drill(paper.tools, load_run(paper.tools, session.id), silent)
    assert finished(paper, ended) == (4, "rolled_back", "the drill was interrupted")
    assert (paper.production.roles, list(paper.production.deployments)) == (Roles("old", None, None, 0), ["old"])
    rollout = load_run(paper.tools, session.id).rollout
    assert rollout is not None
    assert rollout.cause is Cause.INTERRUPTED
    assert paper.production.faults == [WireFault(status=500, share=0.5), None]


def test_a_drill_interrupted_before_it_began_changed_nothing(paper: Paper) -> None:
    session = paper.session(command="drill")
    ended = resume_drill(paper.tools, load_run(paper.tools, session.id), silent)
    assert finished(paper, ended) == (3, "infrastructure", "interrupted before anything was changed")


def test_a_drill_killed_while_it_tidied_up_is_told_as_it_ended(paper: Paper) -> None:
    session = under_way(paper, "drill")
    assert session.state.rollout is not None
    asyncio.run(paper.platform().route("old", session.state.rollout.deployment, 0))
    session.record(fact("rollout_decided", decision="rollback", reason="errors"), "canary")
    session.record(fact("rollout_finished", outcome="rolled_back", seconds=0.1, reason="errors"), "canary")
    ended = resume_drill(paper.tools, load_run(paper.tools, session.id), silent)
    assert finished(paper, ended) == (4, "rolled_back", "errors")
    assert (paper.production.roles, list(paper.production.deployments)) == (Roles("old", None, None, 0), ["old"])
