"""What decides a stage's result, and for how long a kept one holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.actions.bodies import SEED, needs_release
from dawsos.adapters.toolchain import lock_digest, python_version
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.model.plan import Fingerprint
from dawsos.planning.fingerprint import fingerprint


def cacheable(stage: Stage) -> bool:
    """Deployments look at what runs now; everything else is decided by its inputs."""
    return stage.uses in ("commands", "release")


def expired(gates: Sequence[dict[str, Any]], now: float) -> bool:
    """Return whether one of these kept verdicts stood on a waiver, or on data, that is too old by now."""
    return any(gate.get("valid_until") is not None and gate["valid_until"] <= now for gate in gates)


@dataclass(frozen=True)
class Upstream:
    """What decides a stage beside the files: the release so far, the commit, the seed that was asked for."""

    release: str
    commit: str
    seed: int | None = None


def takes_seed(stage: Stage) -> bool:
    return any(SEED in value for value in stage.env.values())


def stage_fingerprint(
    pipeline: Pipeline, stage: Stage, root: Path, hashes: dict[str, str], above: Upstream
) -> Fingerprint:
    """Return the stage's fingerprint: declared inputs, commands, tool versions, declared environment, the release it works on."""
    tools = {"python": python_version()}
    if stage.toolchain is not None:
        name = pipeline.toolchains[stage.toolchain].requirements
        tools[f"toolchain {name}"] = lock_digest(root / name)
    upstream = {}
    if stage.environment is not None or stage.approval is not None or needs_release(pipeline, stage):
        # A person says yes to one release: their word for another one would be refused by production.
        upstream["release"] = above.release
    if stage.uses == "release" or stage.history:
        # The commit is part of the release: its health page names it.
        upstream["commit"] = above.commit
    if stage.uses == "release":
        service = pipeline.service.model_dump_json(include={"builder", "images", "project", "requirements"})
        upstream["builder"] = hashlib.sha256(service.encode()).hexdigest()
    if above.seed is not None and takes_seed(stage):
        upstream["seed"] = str(above.seed)
    return fingerprint(stage, hashes, tools, dict(os.environ), upstream)
