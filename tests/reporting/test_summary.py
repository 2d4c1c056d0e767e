"""A run as sentences: what happened, which rule fired, what was not checked, what to do next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dawsos.model.events import (
    CheckNumbers,
    CheckResult,
    FilesChanged,
    PowerEstimated,
    RolloutSampled,
    SideSample,
)
from dawsos.model.fold import fold
from dawsos.model.rollout import Reading
from dawsos.model.run import (
    ApprovalRecord,
    ChangedFiles,
    DeploymentRecord,
    RevertRecord,
    RolloutRecord,
    Run,
    StageRecord,
)
from dawsos.model.status import ApprovalDecision, Cause, RunResult, StageState
from dawsos.model.verdicts import GateVerdict
from dawsos.reporting import summary as story
from dawsos.reporting.formatting import NOTHING
from dawsos.reporting.summary import (
    Remark,
    Rule,
    changed_files,
    fired_rule,
    headline,
    next_commands,
    not_checked,
    summary,
)
from reporting import sample_runs


def run_of(name: str) -> Run:
    return fold(sample_runs.ALL[name]().events)


def rollout_of(**changes: Any) -> RolloutRecord:
    plain = RolloutRecord(
        "9d41", "9d41-1", "52c0", "52c0-1", 100.0, ladder=(5, 100), traffic="real", policy=sample_runs.POLICY
    )
    return replace(plain, **changes)


def gate(**changes: Any) -> GateVerdict:
    return replace(GateVerdict("coverage", "coverage", "fail", "91.2 %", ">= 95 %", "too little"), **changes)


SAMPLES = {
    "passed": "Commit 3f2a1c9e is in production: 12 stages done, and its canary was promoted to 100 %.",
    "failed": "Failed at unit: gate junit measured 409 of 412 passed, limit all. Production was not touched.",
    "rolled_back": (
        "The canary was rolled back from 65 %: 5 consecutive checks failed: error rate 5.77% > 0.50% (9 of 156 requests)."
        " The stable release has all traffic again."
    ),
    "waiting": "Waiting for the product owner to approve 77aa1077aa10. Production was not touched.",
    "running": "Running: the canary has 25 % of the traffic.",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_each_run_in_a_sentence(name: str) -> None:
    assert headline(run_of(name)) == SAMPLES[name]


BEGUN = Run(id="r", command="ship", commit="c0ffee" * 6)
REVERT = RevertRecord("production", "52c0", "52c0-1", "9d41", "9d41-1", "Ada", "wrong totals", 5.0)
PRODUCTION = (DeploymentRecord("production", "9d41", "9d41-1", "u", 2, 100.0),)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (Run(), "Nothing is known of this run."),
        (replace(BEGUN, stages={"a": StageRecord("a", StageState.PASSED), "b": StageRecord("b", StageState.RUNNING)}),
         "Running: 1 of 2 stages done; now b."),
        (replace(BEGUN, stages={"a": StageRecord("a")}), "Running: 0 of 1 stage done."),
        (replace(BEGUN, result=RunResult.PASSED, command="rollback", reason="asked for by Ada."),
         "Rollback done: asked for by Ada."),
        (replace(BEGUN, result=RunResult.PASSED, stages={"a": StageRecord("a", StageState.PASSED)}),
         "1 stage done, every gate passed."),
        (replace(BEGUN, result=RunResult.FAILED, reason="no disk"), "Failed: no disk. Production was not touched."),
        (replace(BEGUN, result=RunResult.FAILED, stages={"a": StageRecord("a", StageState.FAILED, reason="it crashed")}),
         "Failed at a: it crashed. Production was not touched."),
        (replace(BEGUN, result=RunResult.FAILED, stages={
            "a": StageRecord("a", StageState.FAILED, reason="no space left", gates=(gate(result="no_data"),))}),
         "Failed at a: no space left. Production was not touched."),
        (replace(BEGUN, result=RunResult.REJECTED, reason="no"), "Rejected: no. Production was not touched."),
        (replace(BEGUN, result=RunResult.REJECTED, approvals=(
            ApprovalRecord("uat", "d", ApprovalDecision.REJECTED, "Bob", "the totals\nare wrong.", "command", 1.0),
            ApprovalRecord("uat", "d", ApprovalDecision.APPROVED, "Ada", "fine", "command", 2.0),
        )), "Rejected by Bob: the totals are wrong. Production was not touched."),
        (replace(BEGUN, result=RunResult.WAITING, reason="for a person"), "Waiting: for a person."),
        (replace(BEGUN, result=RunResult.ROLLED_BACK, reason="slow"), "Rolled back: slow."),
        (replace(BEGUN, result=RunResult.ROLLED_BACK, rollout=rollout_of(stable_deployment="", outcome="withdrawn", reason="slow")),
         "The first release was withdrawn: slow. There was no release before it to go back to."),
        (replace(BEGUN, result=RunResult.INFRASTRUCTURE, stages={"a": StageRecord("a", StageState.INFRASTRUCTURE, reason="no disk")}),
         "Stopped at a by infrastructure: no disk. Production was not touched."),
        (replace(BEGUN, result=RunResult.INTERRUPTED), "Stopped by interrupted. Production was not touched."),
        (replace(BEGUN, id="r", stopped="Ctrl-C", stages={"a": StageRecord("a")}),
         "Stopped by Ctrl-C with 0 of 1 stage done; `dawsos resume r` goes on from the first unfinished stage. "
         "Production was not touched."),
        (replace(BEGUN, id="r", stopped="TERM", stages={}),
         "Stopped by TERM; `dawsos resume r` ends it. Production was not touched."),
        (replace(BEGUN, result=RunResult.FAILED, rollout=rollout_of(outcome="rolled_back")),
         "Failed. The canary has no traffic any more."),
        (replace(BEGUN, result=RunResult.INFRASTRUCTURE, deployments=PRODUCTION, reason="no disk"),
         "Stopped by infrastructure: no disk. Production may be in between: see dawsos status."),
        (replace(BEGUN, result=RunResult.FAILED, rollout=rollout_of(outcome="promoted")),
         "Failed. The release serves production."),
        (replace(BEGUN, result=RunResult.INTERRUPTED, command="rollback", revert=REVERT),
         "Stopped by interrupted. Production may be in between: see dawsos status."),
        (replace(BEGUN, result=RunResult.FAILED, command="rollback", revert=replace(REVERT, finished_at=9.0)),
         "Failed. Release 52c0 serves production."),
    ],
)  # fmt: skip
def test_each_end_in_a_sentence(run: Run, said: str) -> None:
    assert headline(run) == said


@pytest.mark.parametrize(
    ("rollout", "said"),
    [
        (rollout_of(drill="crash", weight=5), "Drill crash: the canary has 5 % of the traffic."),
        (rollout_of(drill="crash", outcome="promoted"),
         "Drill crash: the fault was not found, the canary went through."),
        (rollout_of(drill="crash", outcome="rolled_back", step=5, reason="crash loop"),
         "Drill crash: the fault was found and the canary rolled back from 5 %: crash loop."),
        (rollout_of(drill="crash", outcome="rolled_back", step=5, cause=Cause.INTERRUPTED, reason="drill was interrupted"),
         "Drill crash: rolled back from 5 % before it was shown whether the fault is found: drill was interrupted."),
        (rollout_of(drill="none", outcome="promoted"), "Drill without a fault: the canary was promoted, as it must be."),
        (rollout_of(drill="none", outcome="rolled_back", reason="slow"),
         "Drill without a fault: the canary was rolled back: slow."),
    ],
)  # fmt: skip
def test_a_drill_says_whether_the_fault_was_found(rollout: RolloutRecord, said: str) -> None:
    assert headline(Run(id="r", command="drill", rollout=rollout)) == said


CRASHED = RolloutSampled(restarts=3, check=CheckNumbers(0.0123, 1.5))
EVIDENCE = RolloutSampled(evidence=(Reading("worse than stable", 4.7, 4.605),), weight=5, step=5)


@pytest.mark.parametrize(
    ("decided", "sample", "rule"),
    [
        ({"cause": Cause.REQUESTED, "reason": "asked for by Ada: prices"}, None,
         Rule("a person", "asked for by Ada: prices", "")),
        ({"cause": Cause.CRASH_LOOP, "measured": 4.0}, CRASHED,
         Rule("crash loop", "4 restarts", "fewer than 3 in 5 min 00 s")),
        ({"cause": Cause.CRASH_LOOP, "metric": "deaths", "measured": 2.0}, CRASHED,
         Rule("processes that end by themselves", "2 deaths", "fewer than 2 while none of stable's does")),
        ({"cause": Cause.MEMORY, "reason": "the memory grows"}, CRASHED, Rule("memory", "the memory grows", "")),
        ({"cause": Cause.CRASH_LOOP}, CRASHED, Rule("crash loop", "3 restarts", "fewer than 3 in 5 min 00 s")),
        ({"cause": Cause.FAILURE_COUNTER, "metric": "pack_failures", "measured": 2.0}, None,
         Rule("pack_failures", "2", "0")),
        ({"cause": Cause.ERROR_RATE, "measured": 0.02, "limit": 0.01}, CRASHED, Rule("error rate", "2.00 %", "1.00 %")),
        ({"cause": Cause.ERROR_RATE}, CRASHED, Rule("error rate", "1.23 %", "0.50 %")),
        ({"cause": Cause.LATENCY, "measured": 1.7, "limit": 1.0}, CRASHED, Rule("p95", "1.70 s", "1.00 s")),
        ({"cause": Cause.LATENCY}, CRASHED, Rule("p95", "1.50 s", "1.20 s")),
        ({"cause": Cause.WORSE_THAN_STABLE, "reason": "worse than stable"}, EVIDENCE,
         Rule("the judge's comparison", "worse than stable (evidence 110 of 100)", "")),
        ({"cause": Cause.WORSE_THAN_STABLE, "reason": "worse than stable"}, CRASHED,
         Rule("the judge's comparison", "worse than stable", "")),
        ({"cause": Cause.REMOVED, "reason": "the canary was removed"}, None, Rule("the canary was removed", "", "")),
        ({}, None, Rule("not recorded", "", "")),
    ],
    ids=["person", "crash", "deaths", "memory", "crash of an old journal", "counter", "errors", "errors of an old journal", "p95",
         "p95 of an old journal", "comparison", "comparison without evidence", "other", "none"],
)  # fmt: skip
def test_the_rule_that_fired_has_its_numbers(
    decided: dict[str, Any], sample: RolloutSampled | None, rule: Rule
) -> None:
    assert fired_rule(rollout_of(**decided, samples=(sample,) if sample else ())) == rule


@pytest.mark.parametrize("cause", Cause)
def test_the_rule_is_the_cause_s_and_not_the_sentence_s(cause: Cause) -> None:
    """A sentence may name anything, a person's most of all; two runs of one cause are told alike."""
    misleading = "asked for by Ada: crash loop, error rate, p95, x rose by 2, worse than stable"
    named = {
        Cause.REQUESTED: "a person", Cause.CRASH_LOOP: "crash loop", Cause.FAILURE_COUNTER: "pack_failures",
        Cause.ERROR_RATE: "error rate", Cause.LATENCY: "p95", Cause.WORSE_THAN_STABLE: "the judge's comparison",
        Cause.ANSWERS: "answers compared with stable", Cause.MEMORY: "memory",
    }  # fmt: skip
    rule = fired_rule(rollout_of(cause=cause, metric="pack_failures", reason=misleading))
    assert rule.name == named.get(cause, misleading)


def test_numbers_that_are_not_there_are_not_made_up() -> None:
    crash = rollout_of(cause=Cause.CRASH_LOOP, policy={})
    assert fired_rule(crash) == Rule("crash loop", "0 restarts", "")
    assert fired_rule(rollout_of(cause=Cause.FAILURE_COUNTER, metric="pack_failures")).measured == ""
    errors = fired_rule(rollout_of(cause=Cause.ERROR_RATE, samples=(RolloutSampled(),), policy={}))
    assert (errors.measured, errors.limit) == (NOTHING, NOTHING)


def test_a_gate_is_measured_against_its_limit() -> None:
    assert story.measured_against(gate()) == "91.2 %, limit >= 95 %"
    assert story.measured_against(gate(limit="")) == "91.2 %"
    assert story.measured_against(gate(result="no_data", measured="", limit="")) == "no data"


def test_gates_are_counted_over_all_stages() -> None:
    assert story.gate_totals(run_of("failed")) == (4, 6)
    assert story.gate_totals(Run()) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"result": "fail"}, False),
        ({"result": "pass"}, False),
        ({"result": "no_data"}, True),
        ({"result": "error"}, True),
        ({"result": "pass", "findings": ("one",)}, True),
        ({"result": "pass", "measured": "3 not scanned"}, True),
        ({"result": "pass", "message": "2 Warnings"}, True),
        ({"result": "pass", "message": "an unknown licence"}, True),
        ({"result": "pass", "message": "unknowns were forewarned"}, False),
        # A gate of this version says it itself, and its words are not searched.
        ({"result": "pass", "unchecked": True}, True),
        ({"result": "pass", "unchecked": False, "message": "2 unknown warnings, as expected"}, False),
        ({"result": "fail", "unchecked": True}, False),
    ],
)
def test_what_passed_without_being_looked_at_is_doubtful(changes: dict[str, Any], doubt: bool) -> None:
    assert story.doubtful(gate(**{"message": "", **changes})) is doubt


@pytest.mark.parametrize(("command", "dirty", "said"), [("ship", 0, []), ("ship", 1, ["1 file"]), ("run", 3, [])])
def test_only_a_ship_leaves_changes_behind(command: str, dirty: int, said: list[str]) -> None:
    remarks = [remark.what for remark in not_checked(Run(command=command, dirty=dirty))]
    assert [remark.split(" changed")[0] for remark in remarks] == said


def test_nobody_takes_silence_for_a_pass() -> None:
    assert not_checked(run_of("passed")) == (
        Remark("canary traffic", "synthetic load only: what real users send was not seen"),
        Remark("cache", "3 stages not run again: inputs unchanged since run 20260228-171502-91be"),
    )
    failed = [remark.where for remark in not_checked(run_of("failed"))]
    assert failed == ["property", "security · audit", "8 stages", "cache"]
    waiting = not_checked(run_of("waiting"))
    assert waiting[0] == Remark("chaos", "skipped: hotfix: pricing outage")
    assert waiting[1] == Remark("1 stage", "not started: canary")


def fed(rate: float, **fields: Any) -> list[str]:
    """Return the remarks on the load of a rollout with 200 declared requests a second of which ``rate`` came through."""
    sample = RolloutSampled(seconds=2.0, canary=SideSample(round(rate * 0.1)), stable=SideSample(round(rate * 1.9)))
    lost = RolloutSampled(seconds=60.0, complete=False)
    facts = {"policy": {"load": {"rate": 200}}, "samples": (sample, sample, lost), "stable_deployment": "old"}
    rollout = rollout_of(traffic="synthetic", outcome="promoted", **{**facts, **fields})
    return [remark.what for remark in not_checked(Run(id="r", rollout=rollout)) if remark.where == "canary load"]


def test_a_load_that_did_not_come_through_is_said() -> None:
    assert fed(80) == ["80 of the declared 200 requests/s came through, so that small faults take longer to find"]
    assert fed(181) == []
    # Without a stable release the load climbs the ladder; without any sample nothing is known.
    assert fed(20, stable_deployment="") == fed(20, samples=()) == fed(20, policy={"load": None}) == []


def test_what_a_rollout_could_not_show_is_said() -> None:
    rollout = rollout_of(
        traffic="synthetic", stable_deployment="", power=PowerEstimated(warnings=("too little\ntraffic",)),
        samples=(RolloutSampled(complete=False), RolloutSampled()), outcome="promoted",
    )  # fmt: skip
    remarks = not_checked(Run(id="r", command="ship", result=RunResult.PASSED, rollout=rollout))
    assert [(remark.where, remark.what.partition(":")[0]) for remark in remarks] == [
        ("canary traffic", "synthetic load only"),
        ("canary comparison", "first release"),
        ("canary power", "too little traffic"),
        ("canary samples", "1 sample could not be read and proved nothing"),
        ("verification", "the checks after deployment did not run"),
    ]


def test_a_doubt_shows_what_was_found() -> None:
    one = gate(result="pass", message="", findings=("a\tb", "c", "d", "e"))
    (remark,) = not_checked(Run(id="r", stages={"lint": StageRecord("lint", StageState.PASSED, gates=(one,))}))
    assert remark == Remark("lint · coverage", "passed with a remark: 91.2 % (a b; c; d)")


def test_a_summary_that_says_what_its_findings_say_is_not_followed_by_them() -> None:
    summed = "warning: NOT AUDITED 2 (click, jinja2): pip-audit: no data"
    one = gate(result="pass", message=summed, findings=("NOT AUDITED click: no data", "NOT AUDITED jinja2: no data"))
    (remark,) = not_checked(Run(id="r", stages={"lint": StageRecord("lint", StageState.PASSED, gates=(one,))}))
    assert remark.what == f"passed with a remark: {summed}"


@pytest.mark.parametrize(
    ("result", "commands"),
    [
        (RunResult.WAITING, ("dawsos approve r --as NAME --reason TEXT", "dawsos resume r")),
        (RunResult.FAILED, ("dawsos show r",)),
        (RunResult.ROLLED_BACK, ("dawsos show r",)),
        (RunResult.INFRASTRUCTURE, ("dawsos show r",)),
        (RunResult.INTERRUPTED, ("dawsos resume r",)),
        (RunResult.UNFINISHED, ("dawsos resume r",)),
        (RunResult.PASSED, ()),
        (RunResult.REJECTED, ()),
    ],
)
def test_what_to_do_next_is_ready_to_paste(result: RunResult, commands: tuple[str, ...]) -> None:
    assert next_commands(Run(id="r", result=result)) == commands


def test_a_drill_and_a_run_that_is_not_known_need_nothing_next() -> None:
    assert next_commands(Run(id="r", result=RunResult.ROLLED_BACK, rollout=rollout_of(drill="crash"))) == ()
    assert next_commands(Run()) == ()


def test_the_end_of_a_run_as_lines() -> None:
    told = summary(run_of("rolled_back"), report="report.html", url="http://x")
    assert told == (
        ("result", "rolled back in 3 min 43 s"),
        ("", SAMPLES["rolled_back"]),
        ("rule", "error rate: 5.77 %, limit 0.50 %"),
        ("rollback", "0.31 s from the decision to the last request sent to the canary"),
        ("report", "report.html"),
        ("next", f"dawsos show {run_of('rolled_back').id}"),
    )
    assert dict(summary(run_of("passed"), url="http://x"))["service"] == "http://x"
    assert [label for label, _ in summary(run_of("waiting"))][-2:] == ["next", "then"]
    assert "next" not in dict(summary(run_of("waiting"), hints=False))


def test_a_check_after_deployment_that_did_not_pass_is_a_line() -> None:
    checks = (
        CheckResult("a", "pass"), CheckResult("b", "fail"), CheckResult("c", "error", "status\n503", "a span"),
        CheckResult("d", "not_checked", "not configured: x"),
    )  # fmt: skip
    run = Run(id="r", command="ship", result=RunResult.PASSED, verified=checks)
    told = [text for label, text in summary(run) if label == "check"]
    assert told == ["b: fail", "c: error, status 503 (wanted a span)"]
    # One that was not made is no failure, and is told where everything is that was not checked.
    assert not_checked(run) == (Remark("verification · d", "not configured: x"),)


@pytest.mark.parametrize(
    ("seconds", "drained", "end"),
    [
        (None, None, "is not known"),
        (0.31, None, "sent to the canary"),
        (0.31, 0.35, "sent to the canary"),
        (0.31, 1.5, "what it had in flight was answered 1.5 s after the decision"),
    ],
)
def test_how_long_the_canary_was_still_sent_requests(seconds: float | None, drained: float | None, end: str) -> None:
    assert story.rollback_text(rollout_of(rollback_seconds=seconds, drained=drained)).endswith(end)


def test_evidence_is_told_against_its_limit() -> None:
    def tell(log_e: float, weight: int) -> str:
        reading = Reading("worse than stable", log_e, 4.605)
        return story.evidence_text(RolloutSampled(weight=weight, step=5, evidence=(reading,)))

    assert story.evidence_text(RolloutSampled()) == ""
    assert tell(0.0, 2) == "evidence 1.0 of 100, dimmed"
    # Proof beyond all measure is still a number.
    assert tell(5000.0, 5) == "evidence 485,165,195 of 100"


@pytest.mark.parametrize(
    ("change", "said"), [("", ""), ("dimmed", ", dimmed"), ("restored", ", restored"), ("resumed", ", resumed")]
)
def test_a_change_of_weight_is_told_in_a_word(change: str, said: str) -> None:
    assert story.weight_change(change) == said


def test_files_that_are_not_those_of_the_commit_are_named_and_counted() -> None:
    changed = ChangedFiles("build", "built", tuple(f"{letter}.py" for letter in "abcd"), 7)
    assert changed_files(changed) == (
        "a.py, b.py, c.py and 4 more went into the release as a step had changed it, not as it is in the commit"
    )
    assert changed_files(FilesChanged("seen", ("a.py",), 1)).startswith("a.py had been changed")
