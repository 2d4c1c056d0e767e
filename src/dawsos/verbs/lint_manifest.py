"""``dawsos lint FLAGGER.yaml``: what a Flagger manifest really does, by simulation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawsos.analysis.simulation.contest import SimulationResult, contest
from dawsos.analysis.simulation.scenarios import parse_scenario
from dawsos.errors import BadInput
from dawsos.importers.flagger import Manifest
from dawsos.verbs.policies import manifests, world_of
from dawsos.verbs.simulate import parse_traffic

_ROLLOUTS = 300
_SEED = 7


@dataclass(frozen=True)
class LintedCanary:
    """One Canary of a manifest: ``lines`` are those of its findings, ``simulated`` is empty when no policy can be made of it, and
    ``unsimulated`` says why."""

    manifest: Manifest
    lines: tuple[int, ...]
    simulated: tuple[SimulationResult, ...]
    unsimulated: str = ""

    @property
    def broken(self) -> bool:
        """True when something of it cannot work."""
        return any(finding.level == "error" for finding in self.manifest.findings)


def lint_manifest(path: Path, traffic: str) -> tuple[LintedCanary, ...]:
    """Return what each Canary in ``path`` will do with ``traffic``; raises BadInput when the file holds none."""
    rate = parse_traffic(traffic)
    documents, found = manifests(path, rate)
    return tuple(
        LintedCanary(
            manifest,
            tuple(documents.line(finding.place) for finding in manifest.findings),
            *_simulated(manifest, rate),
        )
        for manifest in found
    )


def _simulated(manifest: Manifest, rate: float) -> tuple[tuple[SimulationResult, ...], str]:
    try:
        policy = manifest.policy()
    except BadInput as error:
        return (), error.message
    world = world_of(policy, rate)
    both = [("this manifest", policy), ("statistical", policy.model_copy(update={"judge": "statistical"}))]
    found: list[SimulationResult] = []
    for name in ("aa", "errors=5%"):
        found += contest(world, parse_scenario(name), both, _ROLLOUTS, _SEED)
    return tuple(found), ""
