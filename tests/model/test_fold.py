"""The fold: any beginning of a journal is a state, and so is any order that a crash may leave."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.model.events import EVENT_KINDS, CheckResult, Event, fact_of
from dawsos.model.fold import _HANDLERS, fold
from dawsos.model.run import Run
from dawsos.model.status import StageState
from model.test_events import NEEDED
from reporting import sample_runs
from support.facts import fact

RUNS = {
    made.__name__: made
    for made in (
        sample_runs.passed,
        sample_runs.rolled_back,
        sample_runs.failed,
        sample_runs.waiting,
        sample_runs.running,
    )
}


def event(kind: Any, stage: str = "", /, seq: int = 1, at: float = 100.0, **body: Any) -> Event:
    return Event("r", seq, at, fact(kind, **body), stage)


STARTED = event("run_started", stages=["lint", "unit"], command="ship", commit="c0ffee", profile="laptop")


def folded(*events: Event) -> Run:
    return fold([replace(e, seq=number) for number, e in enumerate(events, start=1)])


def test_every_kind_of_event_has_its_place_in_the_state() -> None:
    assert {kind.KIND for kind in _HANDLERS} == EVENT_KINDS


def test_a_run_begins_with_its_stages_pending() -> None:
    run = folded(STARTED)
    assert {key: stage.state for key, stage in run.stages.items()} == {"lint": "pending", "unit": "pending"}
    assert (run.id, run.command, run.commit, run.last_seq, run.unfinished) == ("r", "ship", "c0ffee", 1, True)


def test_a_stage_goes_its_way() -> None:
    begun = (
        STARTED,
        event("stage_started", "lint", attempt=2, fingerprint="f"),
        event("step_started", "lint", name="ruff", command="ruff check"),
    )
    running = folded(*begun).stages["lint"]
    assert (running.state, running.attempt, running.done, running.steps[0].classification) == ("running", 2, False, "")
    verdict: dict[str, Any] = {
        "gate": "g",
        "kind": "junit",
        "result": "pass",
        "measured": "1",
        "limit": "0",
        "message": "",
        "findings": ["x"],
    }
    ended = folded(
        *begun,
        event("step_finished", "lint", classification="ok", exit_code=0, seconds=1.5, log="step-1-1.log"),
        event("gate_evaluated", "lint", **verdict),
        event("stage_finished", "lint", at=107.0, result="passed", seconds=7.0),
    ).stages["lint"]
    assert (ended.state, ended.done, ended.seconds, ended.finished_at) == ("passed", True, 7.0, 107.0)
    assert (ended.steps[0].classification, ended.steps[0].seconds) == ("ok", 1.5)
    assert (ended.gates[0].passed, ended.gates[0].findings) == (True, ("x",))


def test_a_second_attempt_forgets_the_first_one_s_steps_and_gates() -> None:
    verdict: dict[str, Any] = {
        "gate": "g",
        "kind": "junit",
        "result": "fail",
        "measured": "1",
        "limit": "0",
        "message": "",
    }
    first = (
        STARTED,
        event("stage_started", "lint"),
        event("step_started", "lint"),
        event("gate_evaluated", "lint", **verdict),
    )
    again = folded(*first, event("stage_started", "lint", attempt=2)).stages["lint"]
    assert (again.steps, again.gates) == ((), ())
    shown = folded(*first, event("stage_started", "lint", attempt=1, done=True)).stages["lint"]
    assert (len(shown.steps), shown.gates) == (1, ())


def test_the_end_of_a_step_is_that_of_the_last_one_begun() -> None:
    steps = folded(
        STARTED,
        event("stage_started", "lint"),
        event("step_started", "lint", name="ruff"),
        event("step_finished", "lint", name="ruff", classification="ok", exit_code=0, seconds=1.0),
        event("step_started", "lint", name="mypy"),
        event("step_finished", "lint", name="mypy", classification="failed", exit_code=1, seconds=2.0),
    ).stages["lint"].steps  # fmt: skip
    assert [(step.name, step.classification, step.exit_code, step.seconds) for step in steps] == [
        ("ruff", "ok", 0, 1.0), ("mypy", "failed", 1, 2.0),
    ]  # fmt: skip


def test_a_stage_that_the_run_did_not_name_begins_like_any_other() -> None:
    stage = folded(STARTED, event("stage_started", "added", attempt=1, done=True)).stages["added"]
    assert (stage.state, stage.attempt, stage.steps) == (StageState.RUNNING, 1, ())


@pytest.mark.parametrize(("body", "step"), [({}, 5), ({"step": 25}, 25), ({"step": 0}, 0)])
def test_a_weight_without_a_step_is_that_of_the_step(body: dict[str, int], step: int) -> None:
    begun = event("rollout_started", "canary", release="r", deployment="d")
    rollout = folded(STARTED, begun, event("weight_intended", "canary", weight=5, **body)).rollout
    assert rollout is not None
    assert (rollout.weight_intended, rollout.step) == (5, step)


def test_the_end_of_a_revert_that_never_began_changes_nothing() -> None:
    run = folded(STARTED)
    assert folded(STARTED, event("revert_finished", seconds=0.1, drained=0.2)) == replace(run, last_seq=2)


def test_a_fact_of_a_kind_that_only_a_later_version_knows_changes_nothing_but_the_place_in_the_journal() -> None:
    run = folded(STARTED)
    later = Event("r", 2, 100.0, fact_of("moon_rose", {"phase": "full"}), "lint")
    assert fold([later], run) == replace(run, last_seq=2)


@pytest.mark.parametrize("state", ["running", "failed", "waiting", "cancelled", "infrastructure"])
def test_resuming_looks_again_at_what_was_not_done(state: str) -> None:
    end = event("stage_finished", "lint", result=state) if state != "running" else event("stage_started", "lint")
    run = folded(STARTED, end, event("run_finished", result="waiting", exit_code=75), event("run_resumed", pid=1))
    assert (run.stages["lint"].state, run.result, run.exit_code, run.unfinished) == ("pending", "", None, True)


@pytest.mark.parametrize("state", [*(state for state in StageState if state.done), StageState.ROLLED_BACK])
def test_resuming_leaves_what_was_done_and_what_was_rolled_back(state: StageState) -> None:
    run = folded(STARTED, event("stage_finished", "lint", result=state), event("run_resumed", pid=1))
    assert run.stages["lint"].state == state


@pytest.mark.parametrize(("result", "goes_on"), [("waiting", True), ("passed", False), ("failed", False)])
def test_a_run_that_waits_may_go_on(result: str, goes_on: bool) -> None:
    assert folded(STARTED, event("run_finished", result=result, exit_code=0)).unfinished is goes_on


def test_a_rollout_is_followed_from_the_first_weight_to_the_decision() -> None:
    run = folded(
        STARTED,
        event(
            "rollout_started", "canary", release="new", deployment="d2", stable_release="old", stable_deployment="d1"
        ),
        event("weight_intended", "canary", weight=5),
        event("weight_confirmed", "canary", at=101.0, weight=5, seconds=0.1),
        event("rollout_sampled", "canary", at=102.0, weight=5, verdict="failing"),
        event("rollback_requested", "canary", name="op", reason="odd"),
        event("rollout_decided", "canary", decision="rollback", reason="errors"),
        event("rollout_finished", "canary", at=103.0, outcome="rolled_back", seconds=0.2, drained=None),
    )
    rollout = run.rollout
    assert rollout is not None
    assert (rollout.weight_intended, rollout.weight, rollout.weights) == (5, 5, ((101.0, 5),))
    assert (rollout.decision, rollout.reason, rollout.requested) == ("rollback", "errors", "op: odd")
    assert (rollout.outcome, rollout.rollback_seconds, rollout.finished_at) == ("rolled_back", 0.2, 103.0)
    assert rollout.samples[0].recorded_at == 102.0


@pytest.mark.parametrize("kind", ["weight_intended", "weight_confirmed", "rollout_sampled", "rollout_decided"])
def test_what_belongs_to_no_rollout_changes_nothing(kind: str) -> None:
    before = folded(STARTED)
    after = folded(STARTED, event(kind, **BODY.get(kind, {})))
    assert after.rollout is None
    assert after.stages == before.stages


def test_approvals_and_deployments_are_kept_in_order() -> None:
    run = folded(
        STARTED,
        event("release_built", "build", release="r1", builder="bundle", bytes=7),
        event("deployed", "staging", environment="staging", url="http://127.0.0.1:1"),
        event("approval_requested", "uat", digest="d", role="product owner"),
        event(
            "approval_given", "uat", at=105.0, digest="d", decision="approved", name="Ada", reason="fine", how="command"
        ),
        event("verified", checks=[{"name": "health", "result": "pass"}]),
    )
    assert (run.release, run.builder, run.release_bytes) == ("r1", "bundle", 7)
    assert run.deployments[0].environment == "staging"
    assert run.approval_requests[0].stage == "uat"
    assert (run.approvals[0].name, run.approvals[0].at, run.approvals[0].decision) == ("Ada", 105.0, "approved")
    assert run.verified == (CheckResult("health", "pass"),)


# More than the kinds need: stages that the others are about, and a run that went wrong.
BODY: dict[str, dict[str, Any]] = NEEDED | {
    "run_started": {"stages": ["lint", "unit"]},
    "release_built": {"release": "r"},
    "run_finished": {"result": "failed"},
}
ANY_EVENT = st.builds(
    lambda kind, stage, at: Event("r", 1, at, fact_of(kind, BODY.get(kind, {})), stage),
    st.sampled_from(sorted(EVENT_KINDS)),
    st.sampled_from(["", "lint", "unit", "canary"]),
    st.floats(0, 2e9),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ANY_EVENT, max_size=25))
def test_any_events_fold_and_a_fold_may_go_on_from_any_of_its_states(events: list[Event]) -> None:
    numbered = [replace(e, seq=number) for number, e in enumerate(events, start=1)]
    whole = fold(numbered)
    assert whole.last_seq == len(events)
    for cut in range(len(numbered) + 1):
        prefix = fold(numbered[:cut])
        assert fold(numbered[cut:], prefix) == whole


@pytest.mark.parametrize("name", RUNS)
def test_every_beginning_of_a_run_folds_and_survives_the_journal_s_text(name: str) -> None:
    events = RUNS[name]().events
    stored = [replace(e, fact=fact_of(e.kind, json.loads(json.dumps(e.fact.body())))) for e in events]
    state = Run()
    for each in stored:
        state = fold([each], state)
        assert state.last_seq == each.seq
    assert state == fold(stored)


def test_a_stage_that_is_restored_after_a_resume_has_nothing_left_of_its_failed_attempt() -> None:
    run = folded(
        STARTED,
        event("stage_started", "lint", attempt=1),
        event("step_started", "lint", index=1, name="ruff", command="ruff check"),
        event("stage_finished", "lint", result="infrastructure", seconds=7.0, reason="no disk", evidence={}),
        event("run_resumed", pid=1),
        event("stage_restored", "lint", fingerprint="f", from_run="r0", evidence={}),
    )
    stage = run.stages["lint"]
    assert (stage.state, stage.reason, stage.seconds, stage.steps) == ("restored", "", 0.0, ())


def test_a_run_that_was_stopped_says_so_until_it_is_resumed() -> None:
    stopped = folded(STARTED, event("run_stopped", reason="Ctrl-C"))
    assert (stopped.state, stopped.stopped, stopped.unfinished, stopped.result) == ("stopped", "Ctrl-C", True, "")
    resumed = folded(STARTED, event("run_stopped", reason="Ctrl-C"), event("run_resumed", pid=1))
    assert (resumed.state, resumed.unfinished) == ("", True)
    ended = folded(STARTED, event("run_stopped"), event("run_resumed", pid=1), event("run_finished", result="passed"))
    assert ended.state == "passed"
