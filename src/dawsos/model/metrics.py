"""The metrics of a project: the table of their names, and their values as frozen numbers.

``metrics_fold`` makes the values of events, ``reporting.prometheus`` their text.  docs/metrics.md explains each name; alert rules
and dashboards use these names and no others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from dawsos.model.pipeline import Pipeline
from dawsos.model.rollout import Reading

MetricKind = Literal["counter", "gauge", "histogram"]
# The values of a family's labels, in the order of ``Family.labels``.
Labels = tuple[str, ...]

_RUN = (10, 30, 60, 120, 300, 600, 900, 1200, 1500, 1800, 2400, 3000, 3600, 5400, 7200, 14400, 86400)
_STAGE = (0.5, 1, 5, 10, 30, 60, 120, 180, 300, 480, 600, 900, 1800, 3600)
_LEAD = (300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 345600, 604800, 1209600, 2592000)
_RECOVERY = (1, 5, 10, 30, 60, 120, 300, 900, 3600, 14400, 86400, 604800)


class Family(NamedTuple):
    """One metric: what it counts, the names of its labels and, of a histogram, the upper limits of its buckets in seconds."""

    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# A new metric is one entry here, what counts it in ``metrics_fold``, and its row in docs/metrics.md.
FAMILIES: dict[str, Family] = {
    "ci_pipeline_runs_total": Family(
        "counter", "Runs that ended; outcome is the run's own word for it.", ("command", "hotfix", "outcome", "result")
    ),
    "ci_pipeline_duration_seconds": Family(
        "histogram", "Seconds from the start of a run to its end, waiting included.", ("command",), _RUN
    ),
    "ci_pipeline_time_to_canary_seconds": Family(
        "histogram", "Seconds that a ship worked until its rollout began; waiting for a person is left out.", (), _RUN
    ),
    "ci_pipeline_stage_duration_seconds": Family(
        "histogram", "Seconds that an attempt at a stage took.", ("stage",), _STAGE
    ),
    "ci_pipeline_stages_total": Family(
        "counter", "Attempts at stages that ended, and stages restored or skipped.", ("stage", "result")
    ),
    "ci_pipeline_gates_total": Family("counter", "Verdicts of gates.", ("stage", "gate", "kind", "result")),
    "ci_pipeline_runs_unfinished": Family("gauge", "Runs without an end: under way, waiting, or left by their owner."),
    "ci_pipeline_approval_waiting_since_timestamp_seconds": Family(
        "gauge", "When the oldest approval that is still to be given was asked for.", ("stage",)
    ),
    "ci_pipeline_last_run_timestamp_seconds": Family("gauge", "When the last run ended.", ("command", "result")),
    "canary_deployments_total": Family("counter", "Rollouts begun by a ship; drills are not counted."),
    "canary_rollbacks_total": Family("counter", "Rollouts of a ship that were rolled back or withdrawn."),
    "canary_rollbacks_by_cause_total": Family("counter", "The same rollbacks by their cause.", ("cause",)),
    "canary_weight_ratio": Family("gauge", "The canary's share of the traffic, 0 without a rollout.", ("environment",)),
    "canary_evidence": Family(
        "gauge", "What the judge measured in its last sample of a rollout.", ("environment", "measure")
    ),
    "canary_evidence_limit": Family("gauge", "The limit of the same measure.", ("environment", "measure")),
    "deployments_total": Family("counter", "Deployments by the stages of a ship.", ("environment", "result")),
    "dora_lead_time_seconds": Family(
        "histogram", "DORA change lead time: from the commit to its promotion in production.", (), _LEAD
    ),
    "dora_deployments_total": Family("counter", "DORA deployments: releases of a ship that served users."),
    "dora_failed_deployments_total": Family(
        "counter", "DORA failed deployments: rolled back, reverted, or replaced by a hotfix."
    ),
    "dora_recovery_seconds": Family(
        "histogram", "DORA recovery time: for how long a failed deployment served users.", (), _RECOVERY
    ),
    "dora_rework_deployments_total": Family("counter", "DORA rework: deployments that were hotfixes."),
    "ci_waiver_expires_timestamp_seconds": Family(
        "gauge", "When the waiver or the dated data that a gate passed on ends.", ("stage", "gate")
    ),
    "dawsos_build_info": Family("gauge", "The version of dawsos, with the value 1.", ("version",)),
    "dawsos_metrics_written_timestamp_seconds": Family("gauge", "When these metrics were written."),
}


@dataclass(frozen=True)
class Histogram:
    """Values in buckets: ``counts`` has one number for each limit of the family, and a last one for what is above all."""

    counts: tuple[int, ...]
    total: float = 0.0

    @classmethod
    def empty(cls, name: str) -> Histogram:
        """Return the empty histogram of the family ``name``."""
        return cls((0,) * (len(FAMILIES[name].buckets) + 1))

    def plus(self, value: float, limits: tuple[float, ...]) -> Histogram:
        """Return the histogram with one more value; a bucket includes its limit."""
        place = bisect_left(limits, value)
        counts = (*self.counts[:place], self.counts[place] + 1, *self.counts[place + 1 :])
        return Histogram(counts, self.total + value)


@dataclass(frozen=True)
class PendingApproval:
    """An approval of ``digest`` that was asked for at ``since``; ``names`` have given it, ``needed`` must."""

    since: float
    digest: str
    needed: int = 1
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenRollout:
    """A rollout that has no end yet.  Times are seconds since the epoch: ``served_at`` when the canary got its first traffic,
    ``decided_at`` when its end was decided.  ``weight`` is per cent, ``lease`` seconds, ``evidence`` that of the last sample.
    """

    environment: str
    release: str
    drill: bool = False
    lease: float = 15.0
    limits: tuple[float | None, float | None] = (None, None)
    weight: int = 0
    served_at: float | None = None
    decided_at: float | None = None
    cause: str = ""
    evidence: tuple[Reading, ...] = ()


@dataclass(frozen=True)
class OpenRun:
    """A run that has no end yet, after its event number ``seq`` at ``last_at``.

    ``deploys`` and ``rollouts`` map the stages that use them to their environments.  ``deployed`` maps a stage whose attempt has
    put a release into an environment to (environment, release); ``settled`` are the stages whose rollout was counted.  ``idle``
    are the seconds in which nothing went on, because a person was asked or nobody owned the run; ``paused_at`` is since when
    that is so now.
    """

    command: str
    started_at: float
    seq: int = 0
    last_at: float = 0.0
    commit: str = ""
    committed_at: float | None = None
    hotfix: bool = False
    wanted: str = "passed"
    deploys: Mapping[str, str] = field(default_factory=dict)
    rollouts: Mapping[str, str] = field(default_factory=dict)
    deployed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    idle: float = 0.0
    paused_at: float | None = None
    approvals: Mapping[str, PendingApproval] = field(default_factory=dict)
    rollout: OpenRollout | None = None
    # (environment, release that is left, release that comes back, when it began)
    revert: tuple[str, str, str, float] | None = None


@dataclass(frozen=True)
class Serving:
    """The deployment that serves the users of an environment since ``since``.

    ``failed``: it was counted as a failed deployment; ``recovered``: and something has replaced it since.
    """

    release: str
    commit: str
    since: float
    failed: bool = False
    recovered: bool = False


@dataclass(frozen=True)
class Metrics:
    """What was counted, and what must be known of the past to count on.

    ``last_ended`` maps (command, result) to a time, ``valid_until`` maps (stage, gate) to when the last verdict ends, None for
    never.
    """

    counters: Mapping[str, Mapping[Labels, int]] = field(default_factory=dict)
    histograms: Mapping[str, Mapping[Labels, Histogram]] = field(default_factory=dict)
    runs: Mapping[str, OpenRun] = field(default_factory=dict)
    last_ended: Mapping[tuple[str, str], float] = field(default_factory=dict)
    serving: Mapping[str, Serving] = field(default_factory=dict)
    valid_until: Mapping[tuple[str, str], float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What pipeline.yaml names, so that its series are there at 0 before anything of it happened.

    ``gates`` are (stage, gate, kind); ``deployments`` the environments that stages deploy to, ``rollouts`` those with rollouts.
    """

    stages: tuple[str, ...] = ()
    gates: tuple[tuple[str, str, str], ...] = ()
    deployments: tuple[str, ...] = ()
    rollouts: tuple[str, ...] = ()

    @classmethod
    def of(cls, pipeline: Pipeline) -> Known:
        """Return what ``pipeline`` names."""
        deploying = [stage for stage in pipeline.stages if stage.uses in ("deploy", "rollout") and stage.environment]
        return cls(
            stages=tuple(stage.id for stage in pipeline.stages),
            gates=tuple((stage.id, gate.name, gate.kind) for stage in pipeline.stages for gate in stage.gates),
            deployments=tuple(dict.fromkeys(stage.environment_name for stage in deploying)),
            rollouts=tuple(dict.fromkeys(s.environment_name for s in deploying if s.uses == "rollout")),
        )


def cleared(approvals: Mapping[str, PendingApproval], stage: str) -> dict[str, PendingApproval]:
    """Return the approvals without that of ``stage``."""
    return {key: asked for key, asked in approvals.items() if key != stage}


def resumed(run: OpenRun, at: float) -> OpenRun:
    """Return the run as it goes on at ``at`` after nothing went on since ``paused_at``."""
    if run.paused_at is None:
        return run
    return replace(run, idle=run.idle + max(0.0, at - run.paused_at), paused_at=None)
