"""The rollout policies that a person names: a profile of pipeline.yaml or a Flagger manifest, and the judges beside it."""

from __future__ import annotations

from pathlib import Path

from dawsos.config.documents import Documents
from dawsos.errors import BadInput
from dawsos.importers.flagger import Manifest, read_manifest
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import JudgeName
from dawsos.runs.project import Project, load

_JUDGES: tuple[JudgeName, ...] = ("statistical", "thresholds", "flagger")


def policy_named(project: Project | None, name: str) -> RolloutPolicy:
    """Return the policy ``name``: production, a profile, or the path of a Flagger manifest; raises BadInput."""
    if is_manifest(name):
        return manifests(Path(name))[1][0].policy()
    if project is None:
        raise BadInput(
            f"no pipeline.yaml here for policy {name!r}", fix="start in a project, or give a Flagger manifest"
        )
    pipeline = load(project.root)
    if name != "production" and name not in pipeline.profiles:
        known = ", ".join(["production", *pipeline.profiles])
        raise BadInput(f"unknown policy {name!r}; there are: {known}", fix="or give the path of a Flagger manifest")
    return pipeline.policy(name)


def is_manifest(name: str) -> bool:
    """Return whether ``name`` is the path of a manifest and not the name of a profile."""
    return name.endswith((".yaml", ".yml"))


def manifests(path: Path, rate: float | None = None) -> tuple[Documents, list[Manifest]]:
    """Return the Flagger Canaries of the file ``path`` under traffic of ``rate``, with what tells their lines; raises BadInput."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}", fix="give the path of a Flagger manifest")
    documents = Documents(path.read_text(encoding="utf-8"), str(path))
    return documents, read_manifest(documents.values, rate)


def contenders(policy: RolloutPolicy) -> list[tuple[str, RolloutPolicy]]:
    """Return the policy itself, then the judges it does not use, with the same limits."""
    others = [judge for judge in _JUDGES if judge != policy.judge]
    return [(policy.judge, policy), *((judge, policy.model_copy(update={"judge": judge})) for judge in others)]
