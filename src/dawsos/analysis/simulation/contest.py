"""Several judges on the same scenario: who rolls back, when, at what cost to the users."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dawsos.analysis.simulation.contenders import Contender, Flagger, Statistical, Thresholds
from dawsos.analysis.simulation.draws import Traffic
from dawsos.analysis.simulation.scenarios import Scenario, World
from dawsos.analysis.simulation.warming import ages
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import JudgeName

CONTENDERS: dict[JudgeName, Callable[[str, RolloutPolicy, int], Contender]] = {
    "statistical": Statistical,
    "thresholds": Thresholds,
    "flagger": Flagger,
}


@dataclass(frozen=True)
class SimulationResult:
    """How one judge's rollouts of one scenario ended.  Shares of the rollouts; times in seconds, from the onset of the fault
    for rollbacks, from the start for promotions (None without any); ``failed`` is the mean number of requests per rollout
    that the canary answered with an error or too late since the onset; ``times`` are all rollbacks, sorted."""

    judge: str
    scenario: str
    rate: float
    rollouts: int
    rolled_back: float
    promoted: float
    undecided: float
    median: float | None
    p95: float | None
    failed: float
    to_promote: float | None
    dimmed: float
    times: tuple[float, ...]


def longest(policy: RolloutPolicy) -> int:
    """Return after how many seconds a rollout that is still held is given up as undecided."""
    return round(sum(step.duration for step in policy.ladder) + 2 * policy.no_data_deadline)


def contest(
    world: World,
    scenario: Scenario,
    policies: Sequence[tuple[str, RolloutPolicy]],
    rollouts: int,
    seed: int,
    progress: Callable[[float], None] = lambda _done: None,
) -> list[SimulationResult]:
    """Simulate ``rollouts`` rollouts under each named policy; ``progress`` is called with the finished part, 0 to 1.

    All policies see the same traffic and disturbances second by second, and the same requests while their weights agree.
    """
    outcomes = []
    for number, (name, policy) in enumerate(policies):
        older = replace(world, age=_age(world, policy, rollouts, seed))
        traffic = Traffic(older, scenario, rollouts, seed, policy.latency_tolerance)
        contender = CONTENDERS[policy.judge](name, policy, rollouts)
        seconds, before = longest(policy), np.zeros(rollouts, dtype=np.int64)
        for second in range(seconds):
            if not contender.walk.active.any():
                break
            if second == int(scenario.onset):
                before = contender.walk.failed.copy()
            contender.tick(second + 1.0, traffic.second(second, contender.walk.weight))
            if second % 60 == 0:
                progress((number + second / seconds) / len(policies))
        outcomes.append(_outcome(contender, world, scenario, before))
        progress((number + 1) / len(policies))
    return outcomes


def _age(world: World, policy: RolloutPolicy, rollouts: int, seed: int) -> npt.NDArray[np.float64]:
    """Return how old the canaries are when their traffic begins: 0 where they are asked nothing before it."""
    if not policy.asks_first:
        return np.zeros(rollouts)
    return ages(world, policy.latency_tolerance, policy.warm_up.wait, rollouts, seed)


def _outcome(contender: Contender, world: World, scenario: Scenario, before: npt.NDArray[np.int64]) -> SimulationResult:
    walk = contender.walk
    back = walk.rolled_back[~np.isnan(walk.rolled_back)] - scenario.onset
    promoted = walk.promoted[~np.isnan(walk.promoted)]
    many = len(walk.rolled_back)
    return SimulationResult(
        contender.name,
        scenario.name,
        world.rate,
        many,
        rolled_back=len(back) / many,
        promoted=len(promoted) / many,
        undecided=float(walk.active.mean()),
        median=float(np.median(back)) if len(back) else None,
        p95=float(np.quantile(back, 0.95)) if len(back) else None,
        failed=float((walk.failed - before).mean()),
        to_promote=float(np.median(promoted)) if len(promoted) else None,
        dimmed=float(walk.ever_dimmed.mean()),
        times=tuple(sorted(float(value) for value in back)),
    )
