"""Events: the facts of a run, in the order in which the journal took them.

kind                 body
run_started          command, commit, ref, dirty, profile, stages, definition (sha256), options
run_resumed          pid
key_certified        key (its SHA-256), identity, issuer, bundle (sha256); or problem (why it was not)
stage_started        fingerprint, tools {name: version}, attempt, done (the evidence of this attempt was there already)
step_started         index, name, command
step_finished        index, name, classification, exit_code, seconds, log
gate_evaluated       gate, kind, result, measured, limit, message, evidence, findings, valid_until,
                     places [{tool, rule, message, path, line, column, level}]
stage_restored       fingerprint, tools, from_run, finished_at, evidence {file: sha256}, original (sha256 of its statement)
stage_finished       result (passed, failed, infrastructure, timeout, cancelled, waiting, rejected, rolled_back), seconds,
                     reason, evidence {file: sha256}
stage_skipped        reason
files_changed        how (put back: before the stage began; seen: by it, a stage beside it works with them; built: into the
                     release; added: into the release, not in the commit), files [that are not as in the commit, the first
                     fifty], count
release_built        release, commit, builder, why (that builder), path, bytes
deployed             environment, release, deployment, url, replicas
approval_requested   digest, role, subject (the release), of [names], needed, expires (seconds)
approval_given       digest, decision (approved, rejected), name, reason, how (terminal, command, beforehand), expires_at,
                     statement (the DSSE envelope that signs it)
rollout_started      release, deployment, stable_release, stable_deployment, ladder, policy, traffic, first, drill
power_estimated      rate (requests a second), errors (stable's share), steps [a sentence each], warnings [...]
weight_intended      weight, rung (the step's weight; higher than weight while the canary is dimmed), why
weight_confirmed     weight, seconds, why
rollout_sampled      at, weight, rung, seconds, canary{requests, errors, p95, buckets}, stable{...}, restarts, counters,
                     complete, verdict, reason, check, suspected, evidence [{name, log_e, limit, estimate, low, high}]
rollback_requested   name, reason
rollout_decided      decision (promote, rollback), reason
rollout_finished     outcome (promoted, rolled_back, withdrawn), reason, seconds (from the decision to the last request sent
                     to the canary), drained (until it had answered what was in flight)
verified             checks [{name, result, measured, limit}]
run_finished         result (passed, failed, infrastructure, rolled_back, waiting, rejected), exit_code, reason
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

EventKind = Literal[
    "run_started",
    "run_resumed",
    "key_certified",
    "stage_started",
    "step_started",
    "step_finished",
    "gate_evaluated",
    "stage_restored",
    "stage_finished",
    "stage_skipped",
    "files_changed",
    "release_built",
    "deployed",
    "approval_requested",
    "approval_given",
    "rollout_started",
    "power_estimated",
    "weight_intended",
    "weight_confirmed",
    "rollout_sampled",
    "rollback_requested",
    "rollout_decided",
    "rollout_finished",
    "verified",
    "run_finished",
]
EVENT_KINDS: frozenset[str] = frozenset(get_args(EventKind))


@dataclass(frozen=True)
class Event:
    """One fact.  ``seq`` counts from 1 within the run; ``at`` is seconds since the epoch."""

    run: str
    seq: int
    at: float
    kind: EventKind
    stage: str = ""
    body: dict[str, Any] = field(default_factory=dict)
