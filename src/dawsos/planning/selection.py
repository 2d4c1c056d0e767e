"""Which stages a command runs, and with which profile."""

from __future__ import annotations

from dawsos.errors import BadInput
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.planning.graph import closure


def select(pipeline: Pipeline, wanted: tuple[str, ...], command: str) -> list[Stage]:
    """Return the stages to run in the file's order; raises BadInput for an unknown one."""
    known = [stage.id for stage in pipeline.stages]
    for name in wanted:
        if name not in known:
            raise BadInput(f"unknown stage {name!r}; the stages: {', '.join(known)}", fix="see dawsos plan")
    if command == "ship":
        return list(pipeline.stages)
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
