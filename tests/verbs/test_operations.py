"""What an operator does outside a ship: drill, roll back, resume either."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.locks import owned
from dawsos.errors import BadInput, InfrastructureError, OwnedElsewhere
from dawsos.model.events import RollbackRequested
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.platforms.local.platform import Deployment
from dawsos.platforms.local.state import Roles
from dawsos.releases.bundle import Release
from dawsos.rollout.lifecycle import Fault, begin
from dawsos.runs.lifecycle import RunOutcome
from dawsos.runs.project import load_run, open_tools
from dawsos.runs.recorder import Session
from dawsos.verbs import operations
from dawsos.verbs.operations import drill, parse_fault, promoted, resume_operation, rollback
from support.facts import fact
from support.paper import Paper, erring
from support.world import Silent, rollout_of, written_as_version_1
from waiting import wait_until


def silent(pipeline: Pipeline, stages: Sequence[Stage]) -> Sequence[Silent]:
    return [Silent()]


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    stale = {"jobs": [{"name": "pack", "run": "true"}], "drills": {"stale": {"job": "pack", "env": {}}}}
    made = Paper(tmp_path / "project", monkeypatch, stale)
    # The verbs open the project themselves; they get the clock of the paper world.
    monkeypatch.setattr(operations, "open_tools", lambda project: made.tools)
    return made


def finished(paper: Paper, ended: RunOutcome) -> tuple[int, str, str]:
    run = load_run(paper.tools, ended.run)
    assert run.exit_code == ended.exit_code
    assert ended.report.exists()
    return ended.exit_code, run.result, run.reason


def shipped(paper: Paper, release: Release, run: str) -> Session:
    """Tell a ship that brought ``release`` to 100 %."""
    session = paper.session(run, commit=release.commit)
    paper.built(session, release)
    session.record(fact("run_finished", result="passed", exit_code=0, reason=""))
    return session


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("errors=5%", Fault("errors=5%", errors=0.05)),
        ("errors=5%@/health", Fault("errors=5%@/health", errors=0.05, path="/health")),
        ("latency=2s", Fault("latency=2s", latency=2.0)),
        ("latency=250ms@/v1", Fault("latency=250ms@/v1", latency=0.25, path="/v1")),
        ("slow=3%", Fault("slow=3%", latency=5.0, share=0.03)),
        ("crash", Fault("crash", crash=True)),
        ("none", Fault("none")),
        ("stale", Fault("stale", job="stale")),
    ],
)
def test_a_fault_is_read_as_a_person_writes_it(text: str, fault: Fault, paper: Paper) -> None:
    assert parse_fault(text, paper.pipeline) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("errors=many", "--fault errors=many"),
        ("latency=2", "--fault latency=2"),
        ("errors=5%@health", "'health' is not a path"),
        ("crash=1", "unknown fault 'crash=1'"),
        ("stal", "crash, none, stale"),
        ("", "unknown fault ''"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_there_is(text: str, words: str, paper: Paper) -> None:
    with pytest.raises(BadInput) as refused:
        parse_fault(text, paper.pipeline)
    assert words in refused.value.message
    assert "drill" in refused.value.fix or "--fault" in refused.value.fix


def test_a_drill_whose_fault_is_noticed_is_rolled_back(paper: Paper) -> None:
    paper.serve(paper.release())
    paper.production.script = erring
    code, result, reason = finished(paper, drill(paper.project, "errors=50%", "production", silent))
    assert (code, result) == (4, "rolled_back")
    assert "error rate" in reason
    assert paper.production.roles() == Roles("old", None, None, 0)


def test_what_runs_is_operated_with_a_file_of_version_1(paper: Paper) -> None:
    """Its commit may be older than the tool: who needs a rollback must not have to rewrite a file first."""
    first, second = paper.release("1"), paper.release("2", sha="b" * 40)
    shipped(paper, first, "20260301-120001-c0ffee0-aa")
    paper.serve(second)
    written_as_version_1(paper.project.root)
    ended = rollback(paper.project, "", "Ada", "wrong totals", silent)
    assert finished(paper, ended)[:2] == (0, "passed")
    assert paper.production.release_of(str(paper.production.roles().stable)) == first.digest
    assert finished(paper, drill(paper.project, "none", "production", silent))[:2] == (0, "passed")


def test_a_fault_that_nobody_notices_is_a_failure(paper: Paper) -> None:
    paper.serve(paper.release())
    code, result, reason = finished(paper, drill(paper.project, "errors=1%", "production", silent))
    assert (code, result) == (1, "failed")
    assert reason == "the fault errors=1% was not noticed: the canary was promoted"


def test_a_drill_without_a_fault_asks_for_a_promotion(paper: Paper) -> None:
    paper.serve(paper.release())
    code, result, _ = finished(paper, drill(paper.project, "none", "production", silent))
    assert (code, result) == (0, "passed")


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


def two_releases(paper: Paper) -> tuple[Release, Release]:
    """The older one is the warm standby of the newer one."""
    older, newer = paper.release("1"), paper.release("2")
    paper.serve(older, "older")

    async def live() -> None:
        await paper.production.deploy(Deployment("newer", newer.digest, ("x",), "/", {}, 1))
        await paper.production.route(stable="older", canary="newer", weight=100)
        await paper.production.promote()

    asyncio.run(live())
    return older, newer


def test_back_to_the_standby_without_starting_anything(paper: Paper) -> None:
    older, newer = two_releases(paper)
    code, result, reason = finished(paper, rollback(paper.project, "", "Ada", "prices look wrong", silent))
    assert (code, result) == (0, "passed")
    assert reason.startswith("asked for by Ada: prices look wrong; its last request was sent ")
    assert paper.production.roles() == Roles("older", None, None, 0)
    assert paper.production.deployments() == ("older",)
    run = load_run(paper.tools, "last")
    assert (run.command, run.rollout and run.rollout.outcome) == ("rollback", "rolled_back")
    assert run.rollout is not None
    assert (run.rollout.release, run.rollout.stable_release) == (newer.digest, older.digest)
    # While the traffic moves, somebody watches it.
    assert paper.production.leases


def test_without_a_standby_the_release_that_was_promoted_before_is_started_again(paper: Paper) -> None:
    older, newer = paper.release("1"), paper.release("2")
    shipped(paper, older, "20260228-120000-c0ffee0-01")
    shipped(paper, newer, "20260301-120000-c0ffee0-02")
    paper.serve(newer)
    assert promoted(paper.tools) == [older.digest, newer.digest]
    code, result, _ = finished(paper, rollback(paper.project, "", "Ada", "why not", silent))
    assert (code, result) == (0, "passed")
    (left,) = paper.production.deployments()
    assert paper.production.release_of(left) == older.digest
    assert paper.production.roles() == Roles(left, None, None, 0)


def test_where_there_is_no_earlier_release_there_is_no_way_back(paper: Paper) -> None:
    release = paper.release("1")
    shipped(paper, release, "20260228-120000-c0ffee0-01")
    paper.serve(release)
    with pytest.raises(BadInput, match="there is no earlier release to go back to"):
        rollback(paper.project, "", "Ada", "why not", silent)


def test_a_release_that_was_never_promoted_is_not_gone_back_to(paper: Paper) -> None:
    never, serving = paper.release("1"), paper.release("2")
    paper.serve(serving)
    code, result, reason = finished(paper, rollback(paper.project, never.digest[:10], "Ada", "why not", silent))
    assert (code, result) == (1, "failed")
    assert "was never promoted: no evidence speaks for it" in reason
    assert paper.production.roles() == Roles("old")


def test_what_serves_already_needs_no_way_back(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    release = paper.release("1")
    shipped(paper, release, "20260228-120000-c0ffee0-01")
    paper.serve(release)
    monkeypatch.setattr(operations, "admit_again", lambda tools, run, certified: None)
    assert finished(paper, rollback(paper.project, release.commit[:7], "Ada", "why not", silent)) == (
        0, "passed", "production already serves this release",
    )  # fmt: skip


@pytest.mark.parametrize(("to", "problem"), [("0000", "unknown"), ("", "ambiguous")], ids=["unknown", "ambiguous"])
def test_a_release_is_named_by_what_is_its_own(to: str, problem: str, paper: Paper) -> None:
    paper.serve(paper.release("1"))
    releases = [paper.release(str(number)) for number in range(2, 20)]
    first = [release.digest[0] for release in releases]
    to = to or next(letter for letter in first if first.count(letter) > 1)
    with pytest.raises(BadInput, match=f"release '{to}' is {problem}"):
        rollback(paper.project, to, "Ada", "why not", silent)


def under_way(paper: Paper, command: str = "ship", run: str = "20260301-120000-c0ffee0-aa") -> Session:
    """A rollout that has begun and has no end."""
    release = paper.release("2")
    paper.serve(paper.release("1"))
    session = paper.session(run, command=command)
    paper.built(session, release)
    stand = asyncio.run(operations._stand(paper.tools, paper.pipeline, session, release))
    stand.logs.mkdir(parents=True, exist_ok=True)
    asyncio.run(begin(stand, drill="errors=5%" if command == "drill" else ""))
    return session


def test_a_rollout_under_way_is_stopped_by_its_owner(paper: Paper) -> None:
    session = under_way(paper)

    def owner() -> None:
        own = open_tools(paper.project)
        wait_until(lambda: any(event.kind == "rollback_requested" for event in own.journal.events(session.id)))
        told = {"outcome": "rolled_back", "seconds": 0.1, "reason": "asked for"}
        own.journal.append(session.id, fact("rollout_finished", **told), "canary")
        own.journal.close()

    with owned(paper.project.run_lock(session.id), "the run"):
        thread = threading.Thread(target=owner)
        thread.start()
        ended = rollback(paper.project, "", "Ada", "stop it", silent)
        thread.join()
    assert (ended.run, ended.exit_code) == (session.id, 0)
    (asked,) = [event for event in session.since(0) if event.kind == "rollback_requested"]
    assert asked.fact == RollbackRequested("Ada", "stop it")


@pytest.mark.parametrize(("command", "result", "code"), [("drill", "rolled_back", 4), ("rollback", "passed", 0)])
def test_an_interrupted_operation_ends_with_the_traffic_on_stable(
    command: str, result: str, code: int, paper: Paper
) -> None:
    session = under_way(paper, command)
    asyncio.run(paper.production.route(stable="old", canary=rollout_of(session).deployment, weight=50))
    ended = resume_operation(paper.tools, load_run(paper.tools, session.id), silent)
    assert finished(paper, ended) == (code, result, f"the {command} was interrupted")
    assert (paper.production.roles(), paper.production.deployments()) == (Roles("old", None, None, 0), ("old",))


def test_an_operation_interrupted_before_it_began_changed_nothing(paper: Paper) -> None:
    session = paper.session(command="drill")
    ended = resume_operation(paper.tools, load_run(paper.tools, session.id), silent)
    assert finished(paper, ended) == (3, "infrastructure", "interrupted before anything was changed")


def test_a_wish_that_came_too_late_is_not_told_as_granted(paper: Paper) -> None:
    session = under_way(paper)

    def owner() -> None:
        own = open_tools(paper.project)
        wait_until(lambda: any(event.kind == "rollback_requested" for event in own.journal.events(session.id)))
        told = {"outcome": "promoted", "seconds": None, "reason": "healthy"}
        own.journal.append(session.id, fact("rollout_finished", **told), "canary")
        own.journal.close()

    with owned(paper.project.run_lock(session.id), "the run"):
        thread = threading.Thread(target=owner)
        thread.start()
        with pytest.raises(InfrastructureError, match="was promoted before"):
            rollback(paper.project, "", "Ada", "stop it", silent)
        thread.join()


def test_a_drill_under_an_unknown_profile_is_bad_input_and_no_run(paper: Paper) -> None:
    paper.serve(paper.release())
    with pytest.raises(BadInput, match="unknown profile 'lapdog'; there are: production"):
        drill(paper.project, "crash", "lapdog", silent)
    assert paper.tools.journal.runs() == []


def test_a_rollback_where_nothing_serves_leaves_no_open_run(paper: Paper) -> None:
    older = paper.release("1")
    shipped(paper, older, "20260228-120000-c0ffee0-01")
    with pytest.raises(BadInput, match="no release serves production"):
        rollback(paper.project, "", "Ada", "why not", silent)
    assert [run for run in paper.tools.journal.runs() if load_run(paper.tools, run).unfinished] == []


@pytest.mark.parametrize("to", ["/etc", "a**", "../"])
def test_a_release_is_never_named_by_a_path(to: str, paper: Paper) -> None:
    paper.serve(paper.release("1"))
    with pytest.raises(BadInput, match="is unknown"):
        rollback(paper.project, to, "Ada", "why not", silent)


@pytest.mark.parametrize(("command", "result", "code"), [("drill", "rolled_back", 4), ("rollback", "passed", 0)])
def test_an_operation_killed_while_it_tidied_up_is_told_as_it_ended(
    command: str, result: str, code: int, paper: Paper
) -> None:
    session = under_way(paper, command)
    asyncio.run(paper.production.route(stable="old", canary=rollout_of(session).deployment, weight=0))
    session.record(fact("rollout_decided", decision="rollback", reason="errors"), "canary")
    session.record(fact("rollout_finished", outcome="rolled_back", seconds=0.1, reason="errors"), "canary")
    ended = resume_operation(paper.tools, load_run(paper.tools, session.id), silent)
    assert finished(paper, ended) == (code, result, "errors")
    assert (paper.production.roles(), paper.production.deployments()) == (Roles("old", None, None, 0), ("old",))


def test_a_second_rollback_does_not_bring_back_what_the_first_took_away(paper: Paper) -> None:
    older, newer = paper.release("1"), paper.release("2")
    shipped(paper, older, "20260228-120000-c0ffee0-01")
    shipped(paper, newer, "20260301-120000-c0ffee0-02")
    paper.serve(newer)
    assert finished(paper, rollback(paper.project, "", "Ada", "wrong totals", silent))[0] == 0
    with pytest.raises(BadInput, match="there is no earlier release to go back to"):
        rollback(paper.project, "", "Bob", "wrong totals", silent)
    (left,) = paper.production.deployments()
    assert paper.production.release_of(left) == older.digest


def test_a_disk_that_refuses_ends_an_operation_as_the_machine_s_fault(paper: Paper) -> None:
    paper.serve(paper.release())

    def refuse(seconds: float) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    paper.production.renew_lease = refuse  # type: ignore[method-assign]
    code, result, reason = finished(paper, drill(paper.project, "crash", "production", silent))
    assert (code, result) == (3, "infrastructure")
    assert "No space left on device" in reason


def test_back_from_a_release_that_does_not_run_any_more_is_back_at_once(paper: Paper) -> None:
    """That it does not run is why somebody rolls it back: nobody waits for it to be ready."""
    two_releases(paper)
    paper.production.broken = {"newer"}
    assert finished(paper, rollback(paper.project, "", "Ada", "it is down", silent))[0] == 0
    assert paper.production.roles() == Roles("older", None, None, 0)
    assert paper.clock.elapsed == 0


def test_a_rollback_reads_only_runs_whose_rollout_is_open(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Years of runs, each with hundreds of samples, must not stand between a person and the rollback."""
    begun = {"release": "ab" * 32, "deployment": "d1", "stable_release": "cd" * 32, "stable_deployment": "d0"}
    for number in range(3):
        session = paper.session(f"20260301-120000-c0ffee0-0{number}")
        session.record(fact("rollout_started", **begun), "canary")
        told = {"outcome": "promoted", "seconds": None, "reason": "healthy"}
        session.record(fact("rollout_finished", **told), "canary")
        session.record(fact("run_finished", result="passed", exit_code=0, reason=""))
    read: list[str] = []

    def spy(tools: Any, run: str) -> Any:
        read.append(run)
        return load_run(tools, run)

    monkeypatch.setattr(operations, "load_run", spy)
    assert operations._live_rollout(paper.tools) is None
    assert read == []
    session = paper.session("20260301-120000-c0ffee0-09")
    session.record(fact("rollout_started", **begun), "canary")
    live = operations._live_rollout(paper.tools)
    assert (live and live.id, read) == (session.id, [session.id])


def test_an_operation_that_finds_the_environment_in_other_hands_has_an_end(paper: Paper) -> None:
    """Without one it would be resumed for ever, or taken for a rollout under way."""
    paper.serve(paper.release())

    def refuse(seconds: float) -> None:
        raise OwnedElsewhere("the environment production is being changed by the process 7")

    paper.production.renew_lease = refuse  # type: ignore[method-assign]
    code, result, reason = finished(paper, drill(paper.project, "crash", "production", silent))
    assert (code, result) == (3, "infrastructure")
    assert "by the process 7" in reason
