"""The rollout policies that a person names: a profile of pipeline.yaml or a Flagger manifest, and the judges beside it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from statistics import NormalDist

from dawsos.analysis.simulation.scenarios import World
from dawsos.config.documents import Documents
from dawsos.errors import BadInput
from dawsos.importers.flagger import Manifest, read_manifest
from dawsos.model.flagger import ManifestPolicy
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import JudgeName
from dawsos.runs.project import Project, load

# What Helm fills in, and Flagger does not: its own queries have {{ namespace }}, {{ target }}, {{ interval }} and so on.
_HELM = re.compile(
    r"\{\{-?\s*(/\*|\.|\$|\(|(if|else|end|range|with|define|block|template|include|tpl|toYaml|printf|default|required|quote|lookup)\b)"
)
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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}", fix="give a Flagger manifest, as text in UTF-8") from error
    must_be_rendered(text, path)
    documents = Documents(text, str(path))
    return documents, read_manifest(documents.values, rate)


def must_be_rendered(text: str, path: Path) -> None:
    """Raise BadInput for a template of Helm, which is no manifest yet."""
    found = _HELM.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise BadInput(
            f"{path}:{line}: this is a template of Helm, not yet a manifest",
            fix=f"render it, and lint that: helm template RELEASE CHART --show-only templates/{path.name} > rendered.yaml",
        )


def world_of(policy: RolloutPolicy, rate: float) -> World:
    """Return the traffic for a simulation.  A manifest's healthy version has half of the latency that its check allows."""
    if not isinstance(policy, ManifestPolicy) or policy.checks.slow is None:
        return World(rate=rate)
    usual = World()
    # The latency is lognormal: its quantile at the check's share is half of the limit.
    sigma = math.log(usual.p95 / usual.p50) / NormalDist().inv_cdf(0.95)
    p50 = policy.p95 / 2 / math.exp(sigma * NormalDist().inv_cdf(1 - policy.checks.slow_share))
    return World(rate=rate, p50=p50, p95=p50 * usual.p95 / usual.p50, slow=policy.p95)


def contenders(policy: RolloutPolicy) -> list[tuple[str, RolloutPolicy]]:
    """Return the policy itself, then the judges it does not use, with the same limits."""
    others = [judge for judge in _JUDGES if judge != policy.judge]
    return [(policy.judge, policy), *((judge, policy.model_copy(update={"judge": judge})) for judge in others)]
