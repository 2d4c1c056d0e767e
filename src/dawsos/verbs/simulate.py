"""``dawsos simulate``: what a policy does to good and bad canaries, beside the other judges on the same traffic."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dawsos.analysis.simulation.contest import SimulationResult, contest
from dawsos.analysis.simulation.picture import picture
from dawsos.analysis.simulation.scenarios import parse_scenario
from dawsos.errors import BadInput
from dawsos.runs.project import Project
from dawsos.verbs.policies import contenders, policy_named, world_of

_TRAFFIC = re.compile(r"(\d+(?:\.\d+)?)\s*(?:rps|/s)?")


@dataclass(frozen=True)
class SimulationRequest:
    """What is to be simulated: ``policy`` is a profile of pipeline.yaml or the path of a Flagger manifest."""

    policy: str = "production"
    traffic: str = "200rps"
    scenarios: tuple[str, ...] = ("aa", "errors=5%")
    rollouts: int = 1000
    seed: int = 7
    picture: Path | None = None


def parse_traffic(text: str) -> float:
    """Return requests a second for ``200rps`` or ``200``; raises BadInput."""
    match = _TRAFFIC.fullmatch(text.strip())
    if not match or not 0 < float(match.group(1)) <= 1e6:
        raise BadInput(f"traffic {text!r} is no rate", fix="write it like 200rps")
    return float(match.group(1))


def simulate(
    project: Project | None, wanted: SimulationRequest, tell: Callable[[float], None]
) -> tuple[SimulationResult, ...]:
    """Simulate rollouts under the policy, the threshold rule and Flagger's; write the picture when one is wanted.

    ``tell`` gets the share that is done, from 0 to 1.  Raises BadInput.
    """
    rate = parse_traffic(wanted.traffic)
    scenarios = [parse_scenario(text) for text in wanted.scenarios]
    if not 1 <= wanted.rollouts <= 100_000:
        raise BadInput(f"{wanted.rollouts} rollouts", fix="give --rollouts between 1 and 100000")
    policy = policy_named(project, wanted.policy)
    judges, world = contenders(policy), world_of(policy, rate)
    outcomes: list[SimulationResult] = []
    for number, scenario in enumerate(scenarios):

        def tell_whole(done: float, before: int = number) -> None:
            tell((before + done) / len(scenarios))

        outcomes += contest(world, scenario, judges, wanted.rollouts, wanted.seed, tell_whole)
    if wanted.picture is not None:
        wanted.picture.write_text(picture(outcomes), encoding="utf-8")
    return tuple(outcomes)
