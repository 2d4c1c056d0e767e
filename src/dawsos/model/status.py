"""The closed sets of the model: states, results, decisions and causes.

Each member equals its text, so what a journal holds and what ``--json`` prints are those texts.
"""

from __future__ import annotations

from enum import StrEnum


class StageState(StrEnum):
    """The state of a stage.  ``restored`` is a result that an earlier run reached on the same inputs."""

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    INFRASTRUCTURE = "infrastructure"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    WAITING = "waiting"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    RESTORED = "restored"
    SKIPPED = "skipped"

    @property
    def done(self) -> bool:
        """Whether the stages that need this one may start."""
        return self in (StageState.PASSED, StageState.RESTORED, StageState.SKIPPED)


class RunResult(StrEnum):
    """How a run ended.  ``UNFINISHED`` is the empty text: the run has no end yet."""

    UNFINISHED = ""
    PASSED = "passed"
    FAILED = "failed"
    REJECTED = "rejected"
    INFRASTRUCTURE = "infrastructure"
    INTERRUPTED = "interrupted"
    ROLLED_BACK = "rolled_back"
    WAITING = "waiting"


class RolloutDecision(StrEnum):
    """What ends a rollout.  ``NONE`` is the empty text: nothing has been decided yet."""

    NONE = ""
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class RolloutOutcome(StrEnum):
    """How a rollout ended; ``WITHDRAWN`` is a first release that was taken back.  ``NONE`` is the empty text: it goes on."""

    NONE = ""
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    WITHDRAWN = "withdrawn"


class ApprovalDecision(StrEnum):
    """What a person decides."""

    APPROVED = "approved"
    REJECTED = "rejected"


class Cause(StrEnum):
    """Why a rollout was promoted or rolled back.  Reports read this; the sentence beside it is for people only."""

    UNKNOWN = ""
    # A person asked for it.
    REQUESTED = "requested"
    # Its answers were compared with those of stable before it got any traffic.
    ANSWERS = "answers"
    # The judge found it.
    HEALTHY = "healthy"
    CRASH_LOOP = "crash_loop"
    FAILURE_COUNTER = "failure_counter"
    ERROR_RATE = "error_rate"
    LATENCY = "latency"
    WORSE_THAN_STABLE = "worse_than_stable"
    MEMORY = "memory"
    NO_VERDICT = "no_verdict"
    # The rollout could not go on.
    NOT_RUNNING = "not_running"
    REMOVED = "removed"
    SUPERSEDED = "superseded"
    LOAD_FAILED = "load_failed"
    INTERRUPTED = "interrupted"
