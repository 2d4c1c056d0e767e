"""Decides for each stage whether it runs, is restored or is skipped, and says why.  Pure.

The plan that ``dawsos plan`` prints is made here, and so is the one that a run executes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dawsos.model.pipeline import Stage
from dawsos.model.plan import Action, Fingerprint, PlannedStage


@dataclass(frozen=True)
class KeptResult:
    """What the cache has of a stage on the very same inputs.

    ``valid_until`` is when the first of its waivers or its data is too old (seconds since the epoch), None for never.
    ``release_missing``: it built a release that is no longer in the store, or has an image that is not.
    """

    run: str
    finished_at: float
    valid_until: float | None = None
    release_missing: bool = False


@dataclass(frozen=True)
class StageFacts:
    """What is known of a stage before it runs; ``fingerprint`` is None when a release that is still to be built decides it.

    ``latest`` is the manifest of the stage's newest result on any inputs, None when it never passed here.  ``doubt`` says why a
    result that is kept does not count, ``uncertain`` why none can count.  ``elsewhere``: a ship of named stages needs this
    deployment without naming it, so that the same deployment by another job counts.
    """

    stage: Stage
    fingerprint: Fingerprint | None
    kept: KeptResult | None = None
    latest: Mapping[str, str] | None = None
    doubt: str = ""
    elsewhere: bool = False
    uncertain: str = ""


@dataclass(frozen=True)
class PlanOptions:
    """The options of a plan: restore nothing; skip the stages marked ``hotfix_skips`` for this reason; the stages that a ship
    was given by name, empty when it takes all.
    """

    no_cache: bool = False
    hotfix: str = ""
    named: tuple[str, ...] = ()


def cacheable(stage: Stage) -> bool:
    """Return whether inputs alone decide the stage; deployments look at what runs now."""
    return stage.uses in ("commands", "release")


def plan_stage(facts: StageFacts, options: PlanOptions, now: float) -> PlannedStage:
    """Return the action for the stage at the time ``now``, and the reason."""
    stage = facts.stage
    if stage.hotfix_skips and options.hotfix:
        return PlannedStage(stage.id, Action.SKIP, f"hotfix: {options.hotfix}", facts.fingerprint)
    if not cacheable(stage) and not facts.elsewhere:
        reason = "a deployment is never restored"
        return PlannedStage(stage.id, Action.RUN, reason, facts.fingerprint)
    if options.no_cache or facts.fingerprint is None:
        reason = "--no-cache" if options.no_cache else "its input is the release that this run builds"
        return PlannedStage(stage.id, Action.RUN, reason, facts.fingerprint)
    if facts.kept is None and not facts.uncertain:
        return _not_kept(facts, facts.fingerprint)
    stale = _stale(facts, now)
    if stale or facts.kept is None:
        return PlannedStage(stage.id, Action.RUN, stale, facts.fingerprint)
    return PlannedStage(stage.id, Action.RESTORE, f"unchanged since run {facts.kept.run}", facts.fingerprint)


def carried_out_here(stages: Sequence[Stage], planned: Sequence[PlannedStage]) -> tuple[PlannedStage, ...]:
    """Return ``planned`` with each restored deployment run instead, when a stage that runs acts on its environment.

    The environment of another job's machine is not this machine's: what acts on it here must find the release here.
    """
    acting: dict[str, str] = {}
    for stage, one in zip(stages, planned, strict=True):
        if one.action is Action.RUN and stage.environment is not None:
            acting.setdefault(stage.environment, stage.id)
    return tuple(
        replace(one, action=Action.RUN, reason=f"{acting[stage.environment]} acts on {stage.environment} here")
        if one.action is Action.RESTORE and stage.uses == "deploy" and stage.environment in acting
        else one
        for stage, one in zip(stages, planned, strict=True)
    )


def _not_kept(facts: StageFacts, made: Fingerprint) -> PlannedStage:
    """Plan to run a stage of which no kept result counts, and say why none does."""
    stage = facts.stage
    if facts.doubt:
        return PlannedStage(stage.id, Action.RUN, f"its kept result does not count: {facts.doubt}", made)
    if facts.latest is None:
        return PlannedStage(stage.id, Action.RUN, "never passed here", made)
    changes = made.changes_since(dict(facts.latest))
    amount = "1 input" if len(changes) == 1 else f"{len(changes)} inputs"
    return PlannedStage(stage.id, Action.RUN, f"{amount} changed", made, changes)


def _stale(facts: StageFacts, now: float) -> str:
    """Return why no kept result holds, or why this one no longer does, an empty text when it does."""
    stage, kept = facts.stage, facts.kept
    if facts.uncertain:
        return f"never restored: {facts.uncertain}"
    if kept is None:
        return ""
    if kept.valid_until is not None and kept.valid_until <= now:
        return "a waiver or the data it passed on is too old"
    if stage.approval is not None and now - kept.finished_at >= stage.approval.expires:
        return "its approval is too old"
    return "its release, or an image of it, is no longer in the store" if kept.release_missing else ""
