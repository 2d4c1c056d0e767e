"""Which stages a command runs, and with which profile."""

from __future__ import annotations

from collections.abc import Sequence

from dawsos.errors import BadInput
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.planning.graph import closure


def select(pipeline: Pipeline, wanted: tuple[str, ...], command: str) -> list[Stage]:
    """Return the stages to run in the file's order: the wanted ones with all that they need; raises BadInput for an unknown one.

    Without any wanted, a ship takes every stage, and a run the stages that need nothing deployed.
    """
    known = [stage.id for stage in pipeline.stages]
    for name in wanted:
        if name not in known:
            raise BadInput(f"unknown stage {name!r}; the stages: {', '.join(known)}", fix="see dawsos plan")
    if command == "ship":
        ids = closure(pipeline.stages, wanted or known)
        return [stage for stage in pipeline.stages if stage.id in ids]
    if not wanted:
        # Deployments are for ship: a working tree has no commit that could be promoted.
        wanted = tuple(stage.id for stage in pipeline.stages if stage.uses == "commands" and stage.environment is None)
    ids = closure(pipeline.stages, wanted)
    chosen = [stage for stage in pipeline.stages if stage.id in ids]
    outward = [stage.id for stage in chosen if stage.uses in ("deploy", "rollout")]
    if outward:
        raise BadInput(f"`run` does not deploy, and {', '.join(outward)} would", fix="use dawsos ship")
    return chosen


def must_know_profile(pipeline: Pipeline, profile: str) -> None:
    """Raise BadInput when the pipeline has no ``profile``."""
    if profile and profile != "production" and profile not in pipeline.profiles:
        known = ", ".join(["production", *pipeline.profiles])
        raise BadInput(f"unknown profile {profile!r}; there are: {known}", fix="give one of these with --profile")


def ends_before_users(pipeline: Pipeline, chosen: Sequence[Stage]) -> bool:
    """Return whether a stage gives releases to the users and is not among ``chosen``.

    Where no environment has users by its name or by a rollout, it is the last deployment: ``rollback`` acts on that one, and must
    not bring back what never was there.
    """
    ids = {stage.id for stage in chosen}
    deploying = [stage for stage in pipeline.stages if stage.uses in ("deploy", "rollout")]
    last = [stage.id for stage in deploying if pipeline.is_production(stage.environment_name)]
    last = last or [stage.id for stage in deploying]
    return bool(last) and last[-1] not in ids
