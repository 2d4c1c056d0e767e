"""Sentences about a run: the headline, the rule that ended a rollout, what was not checked, what to do next.  Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dawsos.model.events import CheckResult, FilesChanged, RolloutSampled
from dawsos.model.run import ChangedFiles, RolloutRecord, Run, StageRecord
from dawsos.model.status import Cause
from dawsos.model.verdicts import GateVerdict
from dawsos.reporting.comparison import not_compared
from dawsos.reporting.formatting import count, latency, number, one_line, percent, policy_number, short, span, words
from dawsos.reporting.series import last_weight, tick_of

BAD_STATES = ("failed", "infrastructure", "timeout", "rejected", "rolled_back")
# Below this share of the declared load the report says that a rollout had less than declared.
_ENOUGH_LOAD = 0.9
_IN_BETWEEN = "Production may be in between: see dawsos status."
# What ends a drill whatever its fault does.
_FROM_OUTSIDE = (Cause.REQUESTED, Cause.REMOVED, Cause.SUPERSEDED, Cause.LOAD_FAILED, Cause.INTERRUPTED)
# Verdicts of a version that had no ``unchecked`` say it in their text only.
_DOUBT = re.compile(
    r"\b(not (audited|checked|scanned|measured|verified|covered)|warn(ing)?s?|no data|unknown)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Rule:
    """The rule that ended a rollout: what was measured against which limit, in words."""

    name: str
    measured: str
    limit: str


@dataclass(frozen=True)
class Remark:
    """Something that was not checked, and why."""

    where: str
    what: str


def headline(run: Run) -> str:
    """Return what happened in one sentence or two."""
    if run.rollout is not None and run.rollout.drill:
        return _drill(run, run.rollout)
    tell = {
        "": _running,
        "stopped": _left,
        "passed": _passed,
        "failed": _failed,
        "rejected": _rejected,
        "waiting": _waiting,
        "rolled_back": _rolled_back,
    }.get(run.state, _stopped)
    return tell(run)


def _running(run: Run) -> str:
    if not run.id:
        return "Nothing is known of this run."
    if run.rollout is not None and not run.rollout.outcome:
        return f"Running: the canary has {run.rollout.weight} % of the traffic."
    at_work = [stage.id for stage in run.stages.values() if stage.state == "running"]
    done = sum(stage.done for stage in run.stages.values())
    tail = f"; now {', '.join(at_work)}" if at_work else ""
    return f"Running: {done} of {count(len(run.stages), 'stage')} done{tail}."


def _left(run: Run) -> str:
    done = sum(stage.done for stage in run.stages.values())
    amount = f" with {done} of {count(len(run.stages), 'stage')} done" if run.stages else ""
    goes_on = f"`dawsos resume {run.id}` " + ("goes on from the first unfinished stage" if run.stages else "ends it")
    return f"Stopped by {one_line(run.stopped)}{amount}; {goes_on}. {production_note(run)}"


def _passed(run: Run) -> str:
    amount = count(len(run.stages), "stage")
    if run.rollout is not None and run.rollout.outcome == "promoted":
        return f"Commit {short(run.commit, 8)} is in production: {amount} done, and its canary was promoted to 100 %."
    if run.ends_before_users:
        rest = f"{count(len(run.left_out), 'stage')} left to other ships"
        return (
            f"{amount[0].upper()}{amount[1:]} of this ship done, every gate passed; {rest}. Production was not touched."
        )
    if not run.stages:
        return f"{one_line(run.command or 'The run').capitalize()} done{_because(run.reason)}."
    return f"{amount[0].upper()}{amount[1:]} done, every gate passed."


def _failed(run: Run) -> str:
    stage = first_bad(run)
    if stage is None:
        return f"Failed{_because(run.reason)}. {production_note(run)}"
    gate = next((gate for gate in stage.gates if not gate.passed), None)
    explained = gate is not None and gate.result == "no_data" and stage.reason and not stage.reason.startswith("gate ")
    if gate is None or explained:
        return f"Failed at {stage.id}{_because(stage.reason or run.reason)}. {production_note(run)}"
    return f"Failed at {stage.id}: gate {one_line(gate.gate)} measured {measured_against(gate)}. {production_note(run)}"


def _rejected(run: Run) -> str:
    last = next((record for record in reversed(run.approvals) if record.decision == "rejected"), None)
    if last is None:
        return f"Rejected{_because(run.reason)}. {production_note(run)}"
    return f"Rejected by {one_line(last.name)}{_because(last.reason)}. {production_note(run)}"


def _waiting(run: Run) -> str:
    if run.handed_over:
        return "A Job in the cluster conducts the canary. It has not been judged yet."
    if not run.approval_requests:
        return f"Waiting{_because(run.reason)}."
    request = run.approval_requests[-1]
    role, digest = one_line(request.role or "approver"), short(request.digest)
    return f"Waiting for the {role} to approve {digest}. {production_note(run)}"


def _rolled_back(run: Run) -> str:
    rollout = run.rollout
    if rollout is None:
        return f"Rolled back{_because(run.reason)}."
    reason = one_line(rollout.reason or run.reason)
    if rollout.outcome == "withdrawn" or not rollout.stable_deployment:
        return f"The first release was withdrawn: {reason}. There was no release before it to go back to."
    return (
        f"The canary was rolled back from {last_weight(rollout)} %: {reason}. The stable release has all traffic again."
    )


def _stopped(run: Run) -> str:
    stage = first_bad(run)
    where = f" at {stage.id}" if stage is not None else ""
    reason = run.reason or (stage.reason if stage else "")
    return f"Stopped{where} by {words(run.result)}{_because(reason)}. {production_note(run)}"


def _drill(run: Run, rollout: RolloutRecord) -> str:
    if rollout.drill == "none" and rollout.outcome:
        fate = "promoted, as it must be" if rollout.outcome == "promoted" else f"rolled back{_because(rollout.reason)}"
        return f"Drill without a fault: the canary was {fate}."
    fault = f"Drill {one_line(rollout.drill)}:"
    if not rollout.outcome:
        return f"{fault} the canary has {rollout.weight} % of the traffic."
    if rollout.outcome == "promoted":
        return f"{fault} the fault was not found, the canary went through."
    back = f"rolled back from {last_weight(rollout)} %"
    if rollout.cause in _FROM_OUTSIDE:
        return f"{fault} {back} before it was shown whether the fault is found{_because(rollout.reason)}."
    return f"{fault} the fault was found and the canary {back}{_because(rollout.reason)}."


def _because(reason: str) -> str:
    return f": {one_line(reason).rstrip('.')}" if reason else ""


def first_bad(run: Run) -> StageRecord | None:
    """Return the first stage that ended badly."""
    return next((stage for stage in run.stages.values() if stage.state in BAD_STATES), None)


def production_note(run: Run) -> str:
    """Say whether production was touched; only what the journal proves."""
    if run.revert is not None and run.revert.finished_at is not None:
        return f"Release {short(run.revert.release, 8)} serves {run.revert.environment}."
    if run.revert is not None:
        return _IN_BETWEEN
    if run.rollout is None and not any(one.environment == "production" for one in run.deployments):
        return "Production was not touched."
    if run.rollout is not None and run.rollout.outcome == "promoted":
        return "The release serves production."
    if run.rollout is not None and run.rollout.outcome:
        return "The canary has no traffic any more."
    return _IN_BETWEEN


def measured_against(gate: GateVerdict) -> str:
    """Return ``91.2 %, limit >= 95 %``."""
    limit = one_line(gate.limit)
    measured = one_line(gate.measured) or words(gate.result)
    return f"{measured}, limit {limit}" if limit else measured


def fired_rule(rollout: RolloutRecord) -> Rule:
    """Return the rule that rolled back, with its numbers where there are any."""
    last = rollout.samples[-1] if rollout.samples else RolloutSampled()
    tell = _RULES.get(rollout.cause)
    return tell(rollout, last) if tell else Rule(one_line(rollout.reason) or "not recorded", "", "")


def _crash_loop(rollout: RolloutRecord, last: RolloutSampled) -> Rule:
    if rollout.metric == "deaths":
        died = "" if rollout.measured is None else count(int(rollout.measured), "death")
        return Rule("processes that end by themselves", died, "fewer than 2 while none of stable's does")
    crash = _mapping(rollout.policy.get("crash_loop"))
    limit = f"fewer than {crash['restarts']} in {span(number(crash.get('window')))}" if crash.get("restarts") else ""
    restarts = rollout.measured if rollout.measured is not None else last.restarts
    return Rule("crash loop", count(int(restarts), "restart"), limit)


def _worse(rollout: RolloutRecord, last: RolloutSampled) -> Rule:
    evidence = evidence_text(last)
    reason = one_line(rollout.reason)
    return Rule("the judge's comparison", f"{reason} ({evidence})" if evidence else reason, "")


def _first_known(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


_RULES: dict[Cause, Callable[[RolloutRecord, RolloutSampled], Rule]] = {
    Cause.REQUESTED: lambda rollout, _last: Rule("a person", one_line(rollout.reason), ""),
    Cause.ANSWERS: lambda rollout, _last: Rule("answers compared with stable", one_line(rollout.reason), ""),
    Cause.CRASH_LOOP: _crash_loop,
    Cause.FAILURE_COUNTER: lambda rollout, _last: Rule(
        one_line(rollout.metric), "" if rollout.measured is None else f"{rollout.measured:g}", "0"
    ),
    Cause.ERROR_RATE: lambda rollout, last: Rule(
        "error rate",
        percent(_first_known(rollout.measured, last.check.error_rate)),
        percent(_first_known(rollout.limit, policy_number(rollout.policy, "error_rate"))),
    ),
    Cause.LATENCY: lambda rollout, last: Rule(
        "p95",
        latency(_first_known(rollout.measured, last.check.p95)),
        latency(_first_known(rollout.limit, policy_number(rollout.policy, "p95"))),
    ),
    Cause.WORSE_THAN_STABLE: _worse,
    Cause.MEMORY: lambda rollout, _last: Rule("memory", one_line(rollout.reason), ""),
}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def gate_totals(run: Run) -> tuple[int, int]:
    """Return (gates passed, gates evaluated)."""
    gates = [gate for stage in run.stages.values() for gate in stage.gates]
    return sum(gate.passed for gate in gates), len(gates)


def doubtful(gate: GateVerdict) -> bool:
    """True for a gate that let something through without checking it, or that had nothing to look at."""
    if gate.result in ("no_data", "error"):
        return True
    if not gate.passed or gate.findings:
        return gate.passed
    if gate.unchecked is None:
        return bool(_DOUBT.search(f"{gate.measured} {gate.message}"))
    return gate.unchecked


def not_checked(run: Run) -> tuple[Remark, ...]:
    """Return everything that this run did not check, so that nobody takes silence for a pass."""
    remarks: list[Remark] = []
    if run.command == "ship" and run.dirty:
        remarks.append(Remark("working tree", f"{count(run.dirty, 'file')} changed but not committed, so not shipped"))
    for stage in run.stages.values():
        if stage.state in ("skipped", "cancelled"):
            remarks.append(Remark(stage.id, f"{words(stage.state)}{_because(stage.reason)}"))
        remarks += [
            Remark(f"{stage.id} · {one_line(gate.gate)}", _doubt(gate)) for gate in stage.gates if doubtful(gate)
        ]
    if run.left_out:
        named = ", ".join(map(one_line, run.left_out))
        remarks.append(Remark(count(len(run.left_out), "stage"), f"not part of this ship: {named}"))
    pending = [stage.id for stage in run.stages.values() if stage.state == "pending"]
    if pending:
        remarks.append(Remark(count(len(pending), "stage"), f"not started: {', '.join(pending)}"))
    remarks += [Remark(changed.stage, changed_files(changed)) for changed in run.changed_files]
    return (*remarks, *_rollout_remarks(run), *_restored(run))


_HOW = {
    "put back": "had been changed by an earlier step, and was put back before this stage",
    "seen": "had been changed by a step, and other stages were at work: this one did not see it as it is in the commit",
    "built": "went into the release as a step had changed it, not as it is in the commit",
    "added": "went into the release, and is not in the commit: a step had made it",
}


def changed_files(changed: ChangedFiles | FilesChanged) -> str:
    """Return what happened to tracked files that a step had changed."""
    more = f" and {changed.count - 3} more" if changed.count > 3 else ""
    return f"{one_line(', '.join(changed.files[:3]))}{more} {_HOW.get(changed.how, 'was changed')}"


def _doubt(gate: GateVerdict) -> str:
    first = one_line(gate.message) or one_line(gate.measured)
    # A summary that begins as its findings do has said what they say.
    kind = " ".join(first.removeprefix("warning: ").split()[:2])
    fresh = [finding for finding in map(one_line, gate.findings) if not finding.startswith(kind)]
    more = f" ({'; '.join(fresh[:3])})" if fresh else ""
    verdict = "passed with a remark" if gate.passed else words(gate.result)
    return f"{verdict}: {first}{more}"


def _rollout_remarks(run: Run) -> Sequence[Remark]:
    remarks: list[Remark] = []
    rollout = run.rollout
    if rollout is not None and rollout.traffic == "synthetic":
        remarks.append(Remark("canary traffic", "synthetic load only: what real users send was not seen"))
    if rollout is not None and not rollout.stable_deployment:
        remarks.append(Remark("canary comparison", "first release: there was no stable release to compare with"))
    if rollout is not None:
        unseen = not_compared(rollout.compared) if rollout.stable_deployment else []
        remarks += [Remark("canary answers", text) for text in unseen] + [*_underfed(rollout)]
        warnings = rollout.power.warnings if rollout.power else ()
        remarks += [Remark("canary power", one_line(warning)) for warning in warnings]
    blind = sum(not sample.complete for sample in rollout.samples) if rollout else 0
    if blind:
        remarks.append(Remark("canary samples", f"{count(blind, 'sample')} could not be read and proved nothing"))
    if run.certificate is not None and run.certificate.problem:
        remarks.append(Remark("signing key", one_line(run.certificate.problem)))
    if run.command == "ship" and run.result == "passed" and not run.verified and not run.ends_before_users:
        remarks.append(Remark("verification", "the checks after deployment did not run"))
    unchecked = [check for check in run.verified if not check.passed and not check.failed]
    remarks += [Remark(f"verification · {one_line(check.name)}", one_line(check.measured)) for check in unchecked]
    return remarks


def _underfed(rollout: RolloutRecord) -> Sequence[Remark]:
    """Say when the declared load did not come through; without a stable release the load climbs the ladder, and is less on purpose."""
    declared = number((rollout.policy.get("load") or {}).get("rate"))
    ticks = [tick_of(sample, rollout.started_at) for sample in rollout.samples if sample.complete]
    seconds = sum(tick.seconds for tick in ticks)
    if declared is None or not rollout.stable_deployment or not seconds:
        return []
    reached = sum(tick.canary.requests + tick.stable.requests for tick in ticks) / seconds
    if reached >= _ENOUGH_LOAD * declared:
        return []
    text = (
        f"{reached:.0f} of the declared {declared:g} requests/s came through, so that small faults take longer to find"
    )
    return [Remark("canary load", text)]


def _restored(run: Run) -> Sequence[Remark]:
    sources = Counter(stage.from_run or "an earlier run" for stage in run.stages.values() if stage.state == "restored")
    return [
        Remark("cache", f"{count(amount, 'stage')} not run again: inputs unchanged since run {one_line(source)}")
        for source, amount in sources.items()
    ]


def next_commands(run: Run) -> tuple[str, ...]:
    """Return the commands that carry on from here, ready to paste."""
    if run.handed_over:
        return (f"dawsos resume {run.id}",)
    if run.result == "waiting":
        return f"dawsos approve {run.id} --as NAME --reason TEXT", f"dawsos resume {run.id}"
    if run.result in ("failed", "infrastructure", "rolled_back") and not (run.rollout and run.rollout.drill):
        return (f"dawsos show {run.id}",)
    if run.result in ("interrupted", ""):
        return (f"dawsos resume {run.id}",) if run.id else ()
    return ()


def summary(run: Run, *, report: str = "", url: str = "", hints: bool = True) -> tuple[tuple[str, str], ...]:
    """Return the end of a run as (label, text) lines: result, what happened, the rule that fired, where to look, what next."""
    took = span(run.finished_at - run.started_at) if run.finished_at else ""
    lines = [("result", f"{words(run.state)}{f' in {took}' if took else ''}"), ("", headline(run))]
    rollout = run.rollout
    if rollout is not None and rollout.outcome in ("rolled_back", "withdrawn"):
        rule = fired_rule(rollout)
        numbers = f": {rule.measured}" + (f", limit {rule.limit}" if rule.limit else "") if rule.measured else ""
        lines.append(("rule", f"{rule.name}{numbers}"))
        lines.append(("rollback", rollback_text(rollout)))
    lines += [("check", _failed_check(check)) for check in run.verified if check.failed]
    lines += [("report", report)] if report else []
    lines += [("service", url)] if url and run.result == "passed" else []
    if hints:
        lines += [("next" if index == 0 else "then", command) for index, command in enumerate(next_commands(run))]
    return tuple(lines)


def _failed_check(check: CheckResult) -> str:
    measured = f", {one_line(check.measured)} (wanted {one_line(check.limit)})" if check.measured else ""
    return f"{one_line(check.name)}: {words(check.result)}{measured}"


def weight_change(change: str) -> str:
    """Return ``, dimmed`` or ``, restored`` for a change of weight by suspicion; its reason is shown elsewhere."""
    return f", {change}" if change else ""


def evidence_text(sample: RolloutSampled) -> str:
    """Return how much a sample's evidence is worth: ``evidence 3.2 of 111``; empty when the judge keeps none."""
    if not sample.evidence:
        return ""
    found, limit = sample.evidence[0].log_e, sample.evidence[0].limit
    dimmed = sample.weight != sample.step
    worth = math.exp(min(found, 20.0))
    shown = f"{worth:.1f}" if worth < 10 else f"{worth:,.0f}"
    return f"evidence {shown} of {math.exp(limit):.0f}" + (", dimmed" if dimmed else "")


def rollback_text(rollout: RolloutRecord) -> str:
    """Return how long the canary still got requests after the decision."""
    if rollout.rollback_seconds is None:
        return "the time from the decision to the last request sent to the canary is not known"
    text = f"{span(rollout.rollback_seconds)} from the decision to the last request sent to the canary"
    if rollout.drained is not None and rollout.drained - rollout.rollback_seconds > 0.1:
        text += f"; what it had in flight was answered {span(rollout.drained)} after the decision"
    return text
