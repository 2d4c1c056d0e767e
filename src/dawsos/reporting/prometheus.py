"""The metrics of a project in the text format that Prometheus reads (version 0.0.4).  Pure: numbers in, text out.

The format is written here and not by ``prometheus_client``: that library counts events in a process of its own registry, and
these numbers are folded from the journal, whichever process wrote it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from dawsos import __version__
from dawsos.model.metrics import FAMILIES, Family, Histogram, Known, Labels, Metrics, OpenRollout
from dawsos.model.status import Cause, RunResult, StageState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_COMMANDS = ("ship", "run", "drill", "rollback")
_ENDS = (
    RunResult.PASSED, RunResult.FAILED, RunResult.REJECTED, RunResult.INFRASTRUCTURE, RunResult.ROLLED_BACK,
)  # fmt: skip
_STAGE_ENDS = tuple(
    state for state in StageState if state not in (StageState.PENDING, StageState.RUNNING, StageState.WAITING)
)
_GATE_RESULTS = ("pass", "fail", "no_data", "error")
_Gauges = dict[str, dict[Labels, float]]


def render_metrics(metrics: Metrics, known: Known, at: float) -> str:
    """Return the page at the time ``at``.  The counters of what ``known`` names are there at 0: ``increase()`` needs that."""
    gauges, zeros = _gauges(metrics, known, at), _zeros(known)
    lines: list[str] = []
    for name, family in FAMILIES.items():
        if family.kind == "histogram":
            shown = {labels: Histogram.empty(name) for labels in zeros.get(name, ())}
            made = _histograms(name, family, {**shown, **metrics.histograms.get(name, {})})
        elif family.kind == "counter":
            counted = dict.fromkeys(zeros.get(name, ()), 0.0)
            made = _samples(name, family, {**counted, **metrics.counters.get(name, {})})
        else:
            made = _samples(name, family, gauges.get(name, {}))
        body = list(made)
        if body:
            lines += [f"# HELP {name} {_escaped(family.help)}", f"# TYPE {name} {family.kind}", *body]
    return "\n".join(lines) + "\n"


def _zeros(known: Known) -> dict[str, Iterable[Labels]]:
    """Return the series of each family that are there before anything happened."""
    return {
        "ci_pipeline_runs_total": _run_series(),
        "ci_pipeline_duration_seconds": [(command,) for command in _COMMANDS],
        "ci_pipeline_stages_total": [(stage, end) for stage in known.stages for end in _STAGE_ENDS],
        "ci_pipeline_stage_duration_seconds": [(stage,) for stage in known.stages],
        "ci_pipeline_gates_total": [(*gate, result) for gate in known.gates for result in _GATE_RESULTS],
        "canary_rollbacks_by_cause_total": [(cause or "unknown",) for cause in Cause if cause is not Cause.HEALTHY],
        "deployments_total": [(name, end) for name in known.deployments for end in ("success", "failure")],
        **{name: [()] for name, family in FAMILIES.items() if family.kind != "gauge" and not family.labels},
    }


def _run_series() -> Iterator[Labels]:
    for command in _COMMANDS:
        for end in _ENDS:
            passed = end is RunResult.PASSED or (command == "drill" and end is RunResult.ROLLED_BACK)
            for hotfix in ("false", "true") if command == "ship" else ("false",):
                yield command, hotfix, end, "success" if passed else "failure"


def _gauges(metrics: Metrics, known: Known, at: float) -> _Gauges:
    """Return the gauges as they are at the time ``at``."""
    waiting: dict[Labels, float] = {}
    weights: dict[Labels, float] = {(name,): 0.0 for name in known.rollouts}
    evidence: dict[Labels, float] = {}
    limits: dict[Labels, float] = {}
    for run in metrics.runs.values():
        for stage, asked in run.approvals.items():
            waiting[(stage,)] = min(asked.since, waiting.get((stage,), math.inf))
        # The platform takes the traffic from a canary whose controller is silent for longer than its lease.
        if run.rollout is not None and at - run.last_at <= run.rollout.lease:
            weights[(run.rollout.environment,)] = run.rollout.weight / 100
            _measure(run.rollout, evidence, limits)
    return {
        "ci_pipeline_runs_unfinished": {(): float(len(metrics.runs))},
        "ci_pipeline_approval_waiting_since_timestamp_seconds": waiting,
        "ci_pipeline_last_run_timestamp_seconds": {
            (command, result): ended for (command, result), ended in metrics.last_ended.items()
        },
        "canary_weight_ratio": weights,
        "canary_evidence": evidence,
        "canary_evidence_limit": limits,
        "ci_waiver_expires_timestamp_seconds": {
            labels: until
            for labels, until in metrics.valid_until.items()
            if until is not None and labels in {gate[:2] for gate in known.gates}
        },
        "dawsos_build_info": {(__version__,): 1.0},
        "dawsos_metrics_written_timestamp_seconds": {(): at},
    }


def _measure(rollout: OpenRollout, evidence: dict[Labels, float], limits: dict[Labels, float]) -> None:
    for reading in rollout.evidence:
        evidence[rollout.environment, reading.name] = reading.log_e
        limits[rollout.environment, reading.name] = reading.limit


def _samples(name: str, family: Family, values: Mapping[Labels, float]) -> Iterator[str]:
    for labels, value in sorted(values.items()):
        yield _line(name, zip(family.labels, labels, strict=True), value)


def _histograms(name: str, family: Family, values: Mapping[Labels, Histogram]) -> Iterator[str]:
    limits = [*map(_number, family.buckets), "+Inf"]
    for labels, histogram in sorted(values.items()):
        named = list(zip(family.labels, labels, strict=True))
        counts = list(accumulate(histogram.counts))
        for limit, count in zip(limits, counts, strict=True):
            yield _line(f"{name}_bucket", [*named, ("le", limit)], count)
        yield _line(f"{name}_sum", named, round(histogram.total, 3))
        yield _line(f"{name}_count", named, counts[-1])


def _line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    # Stages and gates have the names that a person gave them.
    pairs = ",".join(f'{key}="{_escaped(text, quote=True)}"' for key, text in labels)
    return f"{name}{{{pairs}}} {_number(value)}" if pairs else f"{name} {_number(value)}"


def _escaped(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
