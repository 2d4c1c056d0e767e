"""What decides the result of a stage: each stage's cache key is made here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters import programs
from dawsos.adapters.toolchain import lock_digest, python_version
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.model.plan import Fingerprint
from dawsos.planning.fingerprint import fingerprint

# Where a stage's ``env`` has this, its steps get the run's seed: ``dawsos run STAGE --seed N`` replays one.
SEED = "{seed}"


def needs_release(pipeline: Pipeline, stage: Stage) -> bool:
    """Return whether ``stage`` directly needs a stage that builds the release, and may look at it."""
    return any(pipeline.stage(need).uses == "release" for need in stage.needs)


def looks_at_release(pipeline: Pipeline, stage: Stage) -> bool:
    """Return whether the run's release decides the stage's result."""
    return stage.environment is not None or stage.approval is not None or needs_release(pipeline, stage)


@dataclass(frozen=True)
class Upstream:
    """What decides a stage besides its files: the release so far, the commit, the seed of the command line, the profile."""

    release: str
    commit: str
    seed: int | None = None
    profile: str = ""


def takes_seed(stage: Stage) -> bool:
    """Return whether a step of the stage gets the run's seed."""
    return any(SEED in value for value in stage.env.values())


def stage_fingerprint(
    pipeline: Pipeline, stage: Stage, files: tuple[Path, Mapping[str, str]], above: Upstream, environ: Mapping[str, str]
) -> Fingerprint:
    """Return the stage's fingerprint: declared inputs, commands, tool versions, declared environment, the release it works on.

    ``files`` are the checkout and the hash of each file in it, ``environ`` the variables of whoever ships.
    """
    root, hashes = files
    tools = {"python": python_version()}
    if stage.toolchain is not None:
        chosen = pipeline.toolchains[stage.toolchain]
        if chosen.requirements is not None:
            tools[f"toolchain {chosen.requirements}"] = lock_digest(root / chosen.requirements, chosen.python)
        tools |= {f"program {name}": programs.version(name, environ) for name in chosen.programs}
    upstream = {}
    if looks_at_release(pipeline, stage):
        # An approval is for one release: production refuses it for another one.
        upstream["release"] = above.release
    if stage.uses == "release" or stage.history:
        # The commit is part of the release: its health page names it.
        upstream["commit"] = above.commit
    if stage.uses == "release":
        keys = {"builder", "images", "project", "requirements", *(("build",) if pipeline.service.build else ())}
        service = pipeline.service.model_dump_json(include=keys)
        upstream["builder"] = hashlib.sha256(service.encode()).hexdigest()
    if stage.environment is not None:
        # The same release may behave otherwise with other variables, services or stand-ins.
        settings = pipeline.environment(stage.environment, above.profile)
        played = [pipeline.stand_ins[name].model_dump_json() for name in settings.stand_ins]
        decides = settings.model_dump_json(exclude={"observability"})
        upstream["environment"] = hashlib.sha256("\n".join([decides, *played]).encode()).hexdigest()
    if above.seed is not None and takes_seed(stage):
        upstream["seed"] = str(above.seed)
    return fingerprint(stage, hashes, tools, environ, upstream)
