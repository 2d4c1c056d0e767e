"""The runs of a project as Prometheus metrics, for node_exporter's textfile collector.  Pure: events in, text out.

The numbers are counted from the journal each time, so they never go back, whichever process wrote last.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping

from dawsos.model.events import Event, EventKind, RolloutFinished, RolloutStarted, RunFinished, RunStarted
from dawsos.model.status import RolloutOutcome, RunResult

KINDS: tuple[EventKind, ...] = ("run_started", "run_finished", "rollout_started", "rollout_finished")
# Seconds; the pipeline's own target is 25 minutes.
_BUCKETS = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1500.0, 3000.0)
_HELP = {
    "ci_pipeline_runs_total": ("counter", "Runs that ended; outcome is the run's own word for it."),
    "ci_pipeline_duration_seconds": ("histogram", "Seconds from the start of a run to its end, waiting included."),
    "canary_deployments_total": ("counter", "Rollouts begun by a ship; drills are not counted."),
    "canary_rollbacks_total": ("counter", "Rollouts of a ship that were rolled back or withdrawn."),
}


def render_metrics(events: Iterable[Event]) -> str:
    """Return the text exposition format (version 0.0.4) of ``events``, which are those of ``KINDS`` in the order they came."""
    started: dict[str, tuple[float, RunStarted]] = {}
    runs: Counter[tuple[str, str, str, str]] = Counter()
    durations: dict[str, list[float]] = {}
    canaries, rollbacks = 0, 0
    for event in events:
        begun = started.get(event.run)
        fact = event.fact
        if isinstance(fact, RunStarted):
            started[event.run] = (event.at, fact)
        elif begun is None:
            continue
        elif isinstance(fact, RunFinished) and fact.result is not RunResult.WAITING:
            command, outcome = begun[1].command, str(fact.result)
            hotfix = "true" if begun[1].options.get("hotfix") else "false"
            runs[(command, hotfix, outcome, "success" if fact.result is _wanted(begun[1]) else "failure")] += 1
            durations.setdefault(command, []).append(event.at - begun[0])
        elif isinstance(fact, RolloutStarted) and begun[1].command == "ship":
            canaries += 1
        elif isinstance(fact, RolloutFinished) and begun[1].command == "ship":
            rollbacks += fact.outcome is not RolloutOutcome.PROMOTED
    lines = _head("ci_pipeline_runs_total")
    for (command, hotfix, outcome, result), number in sorted(runs.items()):
        labels = {"command": command, "hotfix": hotfix, "outcome": outcome, "result": result}
        lines.append(_line("ci_pipeline_runs_total", labels, number))
    lines += _head("ci_pipeline_duration_seconds")
    for command, seconds in sorted(durations.items()):
        lines += _histogram(command, seconds)
    lines += [*_head("canary_deployments_total"), _line("canary_deployments_total", {}, canaries)]
    lines += [*_head("canary_rollbacks_total"), _line("canary_rollbacks_total", {}, rollbacks)]
    return "\n".join(lines) + "\n"


def _wanted(started: RunStarted) -> RunResult:
    """Return the result of a run that succeeded: a drill must be rolled back, unless it has no fault."""
    with_fault = started.command == "drill" and started.options.get("fault") != "none"
    return RunResult.ROLLED_BACK if with_fault else RunResult.PASSED


def _head(name: str) -> list[str]:
    kind, text = _HELP[name]
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    # Commands and outcomes are fixed words of the tool: nothing in them needs escaping.
    pairs = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}"


def _histogram(command: str, seconds: list[float]) -> list[str]:
    ordered, name = sorted(seconds), "ci_pipeline_duration_seconds"
    lines = []
    for limit in _BUCKETS:
        lines.append(_line(f"{name}_bucket", {"command": command, "le": f"{limit:g}"}, bisect_right(ordered, limit)))
    lines.append(_line(f"{name}_bucket", {"command": command, "le": "+Inf"}, len(ordered)))
    total = _line(f"{name}_sum", {"command": command}, round(sum(ordered), 3))
    return [*lines, total, _line(f"{name}_count", {"command": command}, len(ordered))]
