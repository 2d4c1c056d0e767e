"""``rollback``: a rollout under way is ended by its owner or by this process; else production returns to an earlier release."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions.environments import serving_profile
from dawsos.adapters.locks import owned
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.events import RevertStarted, RollbackRequested
from dawsos.model.release import Release
from dawsos.model.rollout import Sample
from dawsos.model.status import Cause, RolloutOutcome, RunResult
from dawsos.platforms.contract import Roles
from dawsos.runs.project import load, load_run, open_tools
from dawsos.runs.recorder import Session
from dawsos.verbs import rollback as verb
from dawsos.verbs.drill import drill
from dawsos.verbs.rollback import Request, promoted, resume_rollback, rollback, tag_what_serves
from dawsos.verbs.ship import ship
from dawsos.verbs.verify import verify
from support.facts import fact
from support.paper import ROLLOUT, Paper, erring, healthy
from support.world import written_as_version_1
from verbs.on_paper import APPROVED, Shipping, committed, finished, given_to_verbs, shipped, silent, under_way
from waiting import wait_until

ASKED = Request("Ada", "wrong totals")


def to(release: str) -> Request:
    return Request("Ada", "why not", release)


def two_releases(paper: Paper, texts: str = "12") -> tuple[Release, Release]:
    """Let a newer release serve; the older one is its warm standby."""
    older, newer = (paper.release(text) for text in texts)
    paper.serve(older, "older")

    platform = paper.platform()

    async def go() -> None:
        await platform.deploy("newer", newer)
        await platform.route("older", "newer", 100)
        await platform.promote()

    asyncio.run(go())
    return older, newer


def test_back_to_the_standby_without_starting_anything(paper: Paper) -> None:
    two_releases(paper)
    code, result, reason = finished(paper, rollback(paper.project, ASKED, silent))
    assert (code, result) == (0, "passed")
    assert reason.startswith("asked for by Ada: wrong totals; its last request was sent ")
    assert paper.production.roles == Roles("older", None, None, 0)
    assert list(paper.production.deployments) == ["older"]
    # While the traffic moves, somebody watches it.
    assert paper.production.leases


def test_a_rollback_is_recorded_as_a_revert_and_not_as_a_rollout(paper: Paper) -> None:
    """It was recorded as a false canary of the release that served, which every reader of rollouts had to know."""
    older, newer = two_releases(paper)
    ended = rollback(paper.project, ASKED, silent)
    run = load_run(paper.tools, ended.run)
    assert (run.command, run.rollout, run.release) == ("rollback", None, "")
    assert run.revert is not None
    assert (run.revert.release, run.revert.left_release) == (older.digest, newer.digest)
    assert (run.revert.deployment, run.revert.left_deployment) == ("older", "newer")
    assert (run.revert.name, run.revert.reason, run.revert.stage) == ("Ada", "wrong totals", "canary")
    assert run.revert.finished_at is not None
    kinds = [event.kind for event in paper.tools.journal.events(ended.run)]
    assert kinds == ["run_started", "revert_started", "revert_finished", "run_finished"]


def test_what_runs_is_brought_back_with_a_file_of_version_1(paper: Paper) -> None:
    """Its commit may be older than the tool: who needs a rollback must not have to rewrite a file first."""
    older, _ = two_releases(paper)
    written_as_version_1(paper.project.root)
    assert finished(paper, rollback(paper.project, ASKED, silent))[:2] == (0, "passed")
    assert paper.production.deployments["older"].release == older


def test_what_a_rollback_starts_keeps_the_profile_of_what_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify` after it asked for the keys of real providers, which the profile laptop does without."""
    paper = Paper(tmp_path / "project", rollout=f"{ROLLOUT}profiles: {{laptop: {{}}}}\n")
    given_to_verbs(paper, monkeypatch)
    older, newer = paper.release("1"), paper.release("2")
    shipped(paper, older, "20260228-120000-c0ffee0-01")
    shipped(paper, newer, "20260301-120000-c0ffee0-02")
    paper.serve(newer, "served")
    session = paper.session("20260301-120000-c0ffee0-03", profile="laptop")
    told = fact("deployed", environment="production", release=newer.digest, deployment="served", url="", replicas=1)
    session.record(told, "canary")
    ended = rollback(paper.project, ASKED, silent)
    assert ended.exit_code == 0
    assert paper.production.roles.stable != "served"
    assert load_run(paper.tools, ended.run).profile == "laptop"
    pipeline = load(paper.project.root)
    assert asyncio.run(serving_profile(paper.tools, pipeline, "production")) == "laptop"


def test_a_standby_of_the_release_that_serves_is_nothing_to_go_back_to(paper: Paper) -> None:
    """A drill without a fault leaves one, and then a rollback said that production already serves this release."""
    older, newer = paper.release("1"), paper.release("2")
    shipped(paper, older, "20260228-120000-c0ffee0-01")
    shipped(paper, newer, "20260301-120000-c0ffee0-02")
    paper.serve(newer, "before")
    paper.serve(newer, "drilled")
    paper.production.roles = Roles("drilled", None, "before", 0)
    assert finished(paper, rollback(paper.project, ASKED, silent))[:2] == (0, "passed")
    assert paper.production.deployments[str(paper.production.roles.stable)].release == older


def test_without_a_standby_the_release_that_was_promoted_before_is_started_again(paper: Paper) -> None:
    older, newer = paper.release("1"), paper.release("2")
    shipped(paper, older, "20260228-120000-c0ffee0-01")
    shipped(paper, newer, "20260301-120000-c0ffee0-02")
    failed = paper.session("20260301-120000-c0ffee0-03")
    paper.built(failed, paper.release("3"))
    failed.record(fact("run_finished", result="failed", exit_code=1, reason="because"))
    paper.serve(newer)
    assert promoted(paper.tools) == [older.digest, newer.digest]
    code, result, _ = finished(paper, rollback(paper.project, ASKED, silent))
    assert (code, result) == (0, "passed")
    ((left, kept),) = paper.production.deployments.items()
    assert kept.release == older
    assert paper.production.roles == Roles(left, None, None, 0)


def test_a_release_that_does_not_start_again_leaves_what_serves(paper: Paper) -> None:
    older, newer = paper.release("1"), paper.release("2")
    shipped(paper, older, "20260228-120000-c0ffee0-01")
    paper.serve(newer)
    paper.production.broken = {"*"}
    code, result, reason = finished(paper, rollback(paper.project, ASKED, silent))
    assert (code, result) == (1, "failed")
    assert "is not ready" in reason
    assert paper.production.roles == Roles("old", None, None, 0)


def test_where_there_is_no_earlier_release_there_is_no_way_back(paper: Paper) -> None:
    release = paper.release("1")
    shipped(paper, release, "20260228-120000-c0ffee0-01")
    paper.serve(release)
    with pytest.raises(BadInput, match="there is no earlier release to go back to"):
        rollback(paper.project, ASKED, silent)


def test_a_second_rollback_does_not_bring_back_what_the_first_took_away(paper: Paper) -> None:
    older, newer = paper.release("1"), paper.release("2")
    shipped(paper, older, "20260228-120000-c0ffee0-01")
    shipped(paper, newer, "20260301-120000-c0ffee0-02")
    paper.serve(newer)
    assert finished(paper, rollback(paper.project, ASKED, silent))[0] == 0
    with pytest.raises(BadInput, match="there is no earlier release to go back to"):
        rollback(paper.project, ASKED, silent)
    (left,) = paper.production.deployments.values()
    assert left.release == older


def test_a_release_that_was_never_promoted_is_not_gone_back_to(paper: Paper) -> None:
    never, serving = paper.release("1"), paper.release("2")
    paper.serve(serving)
    # What a killed build left beside it is no release.
    (paper.project.releases / f"{never.digest[:12]}.new").mkdir()
    (paper.project.releases / f"{never.digest[:12]}{'0' * 52}").touch()
    code, result, reason = finished(paper, rollback(paper.project, to(never.digest[:10]), silent))
    assert (code, result) == (1, "failed")
    assert "was never promoted: no evidence speaks for it" in reason
    assert paper.production.roles == Roles("old")


@pytest.mark.parametrize(("text", "problem"), [("0000", "unknown"), ("", "ambiguous")], ids=["unknown", "ambiguous"])
def test_a_release_is_named_by_what_is_its_own(text: str, problem: str, paper: Paper) -> None:
    paper.serve(paper.release("1"))
    releases = [paper.release(str(number)) for number in range(2, 20)]
    first = [release.digest[0] for release in releases]
    text = text or next(letter for letter in first if first.count(letter) > 1)
    with pytest.raises(BadInput, match=f"release '{text}' is {problem}"):
        rollback(paper.project, to(text), silent)


@pytest.mark.parametrize("text", ["/etc", "a**", "../"])
def test_a_release_is_never_named_by_a_path(text: str, paper: Paper) -> None:
    paper.serve(paper.release("1"))
    with pytest.raises(BadInput, match="is unknown"):
        rollback(paper.project, to(text), silent)


def test_a_rollback_where_nothing_serves_leaves_no_open_run(paper: Paper) -> None:
    shipped(paper, paper.release("1"), "20260228-120000-c0ffee0-01")
    with pytest.raises(BadInput, match="no release serves production"):
        rollback(paper.project, ASKED, silent)
    assert [run for run in paper.tools.journal.runs() if load_run(paper.tools, run).unfinished] == []


def test_back_from_a_release_that_does_not_run_any_more_is_back_at_once(paper: Paper) -> None:
    """That it does not run is why somebody rolls it back: nobody waits for it to be ready."""
    two_releases(paper)
    paper.production.broken = {"newer"}
    assert finished(paper, rollback(paper.project, Request("Ada", "it is down"), silent))[0] == 0
    assert paper.production.roles == Roles("older", None, None, 0)
    assert paper.clock.elapsed == 0


def owner_that_ends(paper: Paper, session: Session, outcome: str) -> threading.Thread:
    """Start an owner of the run that ends its rollout so as soon as somebody asks for a rollback."""

    def owner() -> None:
        own = open_tools(paper.project)
        wait_until(lambda: any(event.kind == "rollback_requested" for event in own.journal.events(session.id)))
        ended = fact("rollout_finished", outcome=outcome, seconds=None, reason="because")
        own.journal.append(session.id, ended, "canary")
        own.journal.close()

    thread = threading.Thread(target=owner)
    thread.start()
    return thread


def test_a_rollout_under_way_is_stopped_by_its_owner(paper: Paper) -> None:
    session = under_way(paper)
    with owned(paper.project.run_lock(session.id), "the run"):
        thread = owner_that_ends(paper, session, "rolled_back")
        ended = rollback(paper.project, ASKED, silent)
        thread.join()
    assert (ended.run, ended.exit_code) == (session.id, 0)
    (asked,) = [event for event in session.since(0) if event.kind == "rollback_requested"]
    assert asked.fact == RollbackRequested("Ada", "wrong totals")


def test_a_request_that_came_too_late_is_not_told_as_granted(paper: Paper) -> None:
    session = under_way(paper)
    with owned(paper.project.run_lock(session.id), "the run"):
        thread = owner_that_ends(paper, session, "promoted")
        with pytest.raises(InfrastructureError, match="was promoted before"):
            rollback(paper.project, ASKED, silent)
        thread.join()


def test_an_owner_that_does_not_answer_is_named_with_what_to_do(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    session = under_way(paper)
    monkeypatch.setattr(verb, "_WAIT", 0.2)
    with owned(paper.project.run_lock(session.id), "the run"):
        with pytest.raises(InfrastructureError, match=f"the owner of run {session.id} did not answer") as refused:
            rollback(paper.project, ASKED, silent)
        assert refused.value.fix == f"stop it, then dawsos resume {session.id}"


def test_a_drill_whose_owner_is_dead_is_taken_over(paper: Paper) -> None:
    session = under_way(paper, "drill")
    assert session.state.rollout is not None
    asyncio.run(paper.platform().route("old", session.state.rollout.deployment, 50))
    ended = rollback(paper.project, ASKED, silent)
    assert ended.run == session.id
    # What the drill's owner would have been told is in the run; who asked for the rollback got what was asked for.
    run = load_run(paper.tools, session.id)
    assert (ended.exit_code, run.exit_code, run.result) == (0, 4, "rolled_back")
    assert (paper.production.roles, list(paper.production.deployments)) == (Roles("old", None, None, 0), ["old"])
    assert run.rollout is not None
    assert run.rollout.requested


@pytest.mark.parametrize("command", ["ship", "drill"])
def test_a_dead_rollout_without_a_place_is_no_reason_to_leave_production_as_it_is(paper: Paper, command: str) -> None:
    """It was ended, which brought nothing back, and told as the rollback that somebody had asked for."""
    dead = under_way(paper, command)
    two_releases(paper, "34")
    ended = rollback(paper.project, ASKED, silent)
    assert finished(paper, ended)[:2] == (0, "passed")
    assert ended.run != dead.id
    assert paper.production.roles == Roles("older", None, None, 0)
    assert load_run(paper.tools, dead.id).unfinished


def killed_at(weight: int) -> Any:
    """Return a script at which this process is stopped once the canary has ``weight``."""

    def script(at: float, seen: int) -> Sample:
        if seen == weight:
            os.kill(os.getpid(), signal.SIGTERM)
        return healthy(at, seen)

    return script


def test_a_ship_whose_owner_is_dead_is_taken_over(shipping: Shipping) -> None:
    first = finished(shipping, ship(shipping.project, APPROVED, silent))
    assert first[:2] == (0, "passed"), first
    serving, old = shipping.serving(), shipping.live.roles.stable
    committed(shipping)
    shipping.live.script = killed_at(50)
    stopped = ship(shipping.project, APPROVED, silent)
    assert load_run(shipping.tools, stopped.run).unfinished
    shipping.live.script = healthy
    ended = rollback(shipping.project, ASKED, silent)
    assert ended.run == stopped.run
    run = load_run(shipping.tools, ended.run)
    assert (ended.exit_code, run.exit_code, run.result) == (0, 4, "rolled_back"), run.reason
    assert "Ada" in run.reason
    assert (shipping.serving(), shipping.live.roles) == (serving, Roles(old, None, None, 0))
    assert run.rollout is not None
    assert (run.rollout.outcome, run.rollout.cause) == (RolloutOutcome.ROLLED_BACK, Cause.REQUESTED)


def test_every_verb_acts_on_the_rollout_whatever_its_stage_and_environment_are_called(shipping: Shipping) -> None:
    """The stage was looked for under the name ``canary``, the environment under ``production``."""
    first = ship(shipping.project, APPROVED, silent)
    assert finished(shipping, first)[:2] == (0, "passed")
    older = shipping.serving()
    committed(shipping)
    second = ship(shipping.project, APPROVED, silent)
    assert finished(shipping, second)[:2] == (0, "passed")
    newer = shipping.serving()
    assert newer != older
    run = load_run(shipping.tools, second.run)
    assert run.rollout is not None
    assert (run.rollout.stage, run.rollout.environment, second.url) == ("release-it", "live", run.deployments[-1].url)
    assert verify(shipping.project).passed

    shipping.live.script = erring
    drilled = drill(shipping.project, "errors=50%", "production", silent)
    assert finished(shipping, drilled)[:2] == (4, "rolled_back")
    assert shipping.serving() == newer
    shipping.live.script = healthy

    back = rollback(shipping.project, ASKED, silent)
    assert finished(shipping, back)[:2] == (0, "passed")
    assert shipping.serving() == older
    reverted = load_run(shipping.tools, back.run)
    assert (reverted.rollout, reverted.revert and reverted.revert.stage) == (None, "release-it")
    assert reverted.revert is not None
    assert (reverted.revert.environment, reverted.revert.left_release) == ("live", newer.digest)
    assert verify(shipping.project).passed

    # A release that is named is let in by the evidence of the ship that promoted it.
    again = rollback(shipping.project, to(newer.commit[:10]), silent)
    assert finished(shipping, again)[:2] == (0, "passed")
    assert shipping.serving() == newer
    served = rollback(shipping.project, to(newer.digest[:10]), silent)
    assert finished(shipping, served) == (0, "passed", "production already serves this release")


def test_evidence_that_was_altered_since_keeps_a_named_release_out(shipping: Shipping) -> None:
    first = ship(shipping.project, APPROVED, silent)
    older = shipping.serving()
    committed(shipping)
    assert ship(shipping.project, APPROVED, silent).exit_code == 0
    newer = shipping.serving()
    (shipping.project.evidence(first.run) / "uat.json").write_text("{}")
    code, result, reason = finished(shipping, rollback(shipping.project, to(older.digest), silent))
    assert (code, result) == (1, "failed")
    assert "may not go to production" in reason
    assert shipping.serving() == newer


def begun(paper: Paper) -> tuple[Session, RevertStarted]:
    """Tell a rollback from ``newer`` to ``older`` that was killed when it had just begun."""
    older, newer = two_releases(paper)
    options = {"to": older.digest, "asked_for": "", "name": "Ada", "reason": "wrong totals"}
    session = paper.session(command="rollback", options=options, stages=[])
    started = RevertStarted("production", older.digest, "older", newer.digest, "newer", "Ada", "wrong totals")
    return session, started


@pytest.mark.parametrize("recorded", [False, True], ids=["before it was recorded", "after"])
def test_an_interrupted_rollback_is_brought_to_its_end(recorded: bool, paper: Paper) -> None:
    session, started = begun(paper)
    if recorded:
        session.record(started, "canary")
        asyncio.run(paper.platform().route("older", "newer", 100))
    ended = resume_rollback(paper.tools, load_run(paper.tools, session.id), silent)
    code, result, reason = finished(paper, ended)
    assert (code, result) == (0, "passed")
    assert reason.startswith("asked for by Ada: wrong totals; its last request was sent ")
    assert (paper.production.roles, list(paper.production.deployments)) == (Roles("older", None, None, 0), ["older"])


def test_an_interrupted_rollback_starts_its_release_again_when_it_was_taken_down_meanwhile(paper: Paper) -> None:
    session, started = begun(paper)
    session.record(started, "canary")
    asyncio.run(paper.platform().remove("older"))
    assert finished(paper, resume_rollback(paper.tools, load_run(paper.tools, session.id), silent))[:2] == (0, "passed")
    (kept,) = paper.production.deployments.values()
    assert kept.release.digest == started.release


def test_a_rollback_killed_while_it_tidied_up_is_told_as_it_ended(paper: Paper) -> None:
    session, started = begun(paper)
    session.record(started, "canary")
    asyncio.run(paper.platform().route("older", None, 0))
    session.record(fact("revert_finished", seconds=0.25, drained=0.5), "canary")
    code, result, reason = finished(paper, resume_rollback(paper.tools, load_run(paper.tools, session.id), silent))
    assert (code, result) == (0, "passed")
    assert reason == "asked for by Ada: wrong totals; its last request was sent 0.25 s after the decision"
    assert list(paper.production.deployments) == ["older"]


def test_a_rollback_reads_only_runs_whose_rollout_is_open(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Years of runs, each with hundreds of samples, must not stand between a person and the rollback."""
    begun = {"release": "ab" * 32, "deployment": "d1", "stable_release": "cd" * 32, "stable_deployment": "d0"}
    for number in range(3):
        session = paper.session(f"20260301-120000-c0ffee0-0{number}")
        session.record(fact("rollout_started", **begun), "canary")
        session.record(fact("rollout_finished", outcome="promoted", seconds=None, reason="healthy"), "canary")
        session.record(fact("run_finished", result="passed", exit_code=0, reason=""))
    read: list[str] = []

    def spy(tools: Any, run: str) -> Any:
        read.append(run)
        return load_run(tools, run)

    monkeypatch.setattr(verb, "load_run", spy)
    assert verb._live_rollout(paper.tools) is None
    assert read == []
    session = paper.session("20260301-120000-c0ffee0-09")
    session.record(fact("rollout_started", **begun), "canary")
    live = verb._live_rollout(paper.tools)
    assert (live and live.id, read) == (session.id, [session.id])
    assert load_run(paper.tools, session.id).result is RunResult.UNFINISHED
    # A run may end by the machine's fault while its rollout is open; nobody owns that rollout any more.
    session.record(fact("run_finished", result="infrastructure", exit_code=3, reason="no disk"))
    assert verb._live_rollout(paper.tools) is None


def test_what_serves_after_a_rollback_is_tagged_on_request(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    older, _ = two_releases(paper)
    assert finished(paper, rollback(paper.project, ASKED, silent))[0] == 0
    taken: dict[str, str] = {}

    def tag(root: Path, name: str, sha: str) -> bool:
        assert root == paper.project.root
        return name not in taken and not taken.update({name: sha})

    monkeypatch.setattr("dawsos.adapters.git.tag", tag)
    first = tag_what_serves(paper.project)
    # Two rollbacks within a minute have a tag each.
    assert tag_what_serves(paper.project) == f"{first}-2"
    assert first == "rollback-19700112-1346"
    assert set(taken.values()) == {older.commit}


def test_where_nothing_serves_nothing_is_tagged(paper: Paper) -> None:
    with pytest.raises(InfrastructureError, match="nothing to tag"):
        tag_what_serves(paper.project)
