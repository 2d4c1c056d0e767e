"""One second of traffic of many rollouts: requests routed at random, errors, latency above the edges that matter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dawsos.analysis.simulation.scenarios import Rates, Scenario, World
from dawsos.analysis.simulation.waiting import Version, Waiting, age_of
from dawsos.analysis.statistical.evidence import REDIRECTED, REFUSED, SMALL, STREAMS
from dawsos.analysis.statistical.latency import choose_edges
from dawsos.model.rollout import Counts

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# The edges of the platform's histogram, in seconds: the E12 series.
_E12 = (1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2)
EDGES = (*(round(step * 10.0**power, 4) for power in (-2, -1, 0) for step in _E12), math.inf)
_CLUSTER, _CLUSTER_SECONDS = 20, 10


@dataclass
class Second:
    """``tables`` is (streams, 4, columns) as ``evidence.STREAMS`` orders them, ``slow`` (requests, above the limit) of the
    canary; ``failed`` counts the canary's requests that a user felt: errors, answers above the limit, and what a scenario
    makes it refuse, redirect or cut short; ``failure`` says that a failure counter of the canary has risen."""

    tables: Ints
    slow: Ints
    failed: Ints
    failure: bool = False


def usual_latency(world: World) -> Counts:
    """Return the histogram of a million requests to a healthy version."""
    return Counts(latency=tuple((edge, round(1e6 * (1.0 - _above(world, edge)))) for edge in EDGES))


def _sigma(world: World) -> float:
    return math.log(world.p95 / world.p50) / 1.6448536269514722


def _above(world: World, edge: float) -> float:
    return (
        0.5 * math.erfc(math.log(edge / world.p50) / (_sigma(world) * math.sqrt(2.0))) if math.isfinite(edge) else 0.0
    )


class Traffic:
    """Draws a scenario second by second.  The same seed gives the same traffic and disturbances to every judge, and the
    same requests as long as the judges have given their canaries the same weights."""

    def __init__(self, world: World, scenario: Scenario, columns: int, seed: int, tolerance: float = 0.05) -> None:
        self.world, self.columns, self.seed = world, columns, seed
        self._course = scenario.begin(world, columns, np.random.default_rng((seed, 1)))
        self._stretch = np.linspace(-4.0, 6.0, 4001)
        edges = choose_edges(usual_latency(world), tolerance)
        self._stable = [self._tail(edge.stable) for edge in edges]
        # Drawn one within the other, so from the lowest edge to the highest; the last of the names is the latency limit.
        watched = [*(edge.canary for edge in edges), world.slow]
        self._ages = [age_of(edge) for edge in watched], [age_of(edge.stable) for edge in edges]
        self._order = sorted(range(len(watched)), key=watched.__getitem__)
        self._canary = [self._tail(watched[place]) for place in self._order]
        # The mean of a lognormal distribution.
        mean = world.p50 * math.exp(0.5 * _sigma(world) ** 2)
        self._versions = Version(columns, mean), Version(columns, mean)
        self._past_edge = Waiting(len(watched), columns), Waiting(len(edges), columns)
        self._clusters = np.zeros((_CLUSTER_SECONDS, 2, columns), dtype=np.int64)
        self._at = -1.0
        self._rates = Rates(0.0, 0.0)

    def second(self, at: int, weight: Ints) -> Second:
        """Draw the second that begins at ``at`` for canaries with ``weight`` per cent of the traffic."""
        if at != self._at:
            self._at, self._rates = at, self._course(float(at))
        rates, random = self._rates, np.random.default_rng((self.seed, 2, at))
        total = random.poisson(self.world.rate, self.columns)
        canary = random.binomial(total, weight / 100.0)
        stable = total - canary
        if rates.clustered:
            bad_canary, bad_stable = self._users(at, weight, random)
            bad_canary, bad_stable = np.minimum(bad_canary, canary), np.minimum(bad_stable, stable)
        else:
            bad_canary = random.binomial(canary, rates.errors_canary)
            bad_stable = random.binomial(stable, rates.errors_stable)
        drawn = self._slower(self._canary, canary, rates.stretch_canary, rates.stuck, random)
        above_canary = [drawn[self._order.index(name)] for name in range(len(drawn))]
        above_stable = self._slower(self._stable, stable, rates.stretch_stable, 0.0, random)
        if rates.hang is not None:
            above_canary, above_stable = self._hanging(at, (canary, stable), (above_canary, above_stable), rates.hang)
        tables = np.empty((len(STREAMS), 4, self.columns), dtype=np.int64)
        tables[:, 0], tables[:, 2] = canary, stable
        tables[0, 1], tables[0, 3] = bad_canary, bad_stable
        tables[1:4, 1], tables[1:4, 3] = np.stack(above_canary[:3]), np.stack(above_stable)
        felt = bad_canary + above_canary[3] + self._answers(tables, rates, at)
        return Second(tables, np.stack([canary, above_canary[3]]), felt, rates.failure)

    def _hanging(
        self, at: int, requests: tuple[Ints, Ints], above: tuple[list[Ints], list[Ints]], hang: tuple[float, float]
    ) -> tuple[list[Ints], list[Ints]]:
        """Return how many requests of each version passed each edge in this second when a share of them hangs for a while.

        ``above`` are the slow ones of those that do not hang.  Waiting ones are counted as the judge counts them."""
        random = np.random.default_rng((self.seed, 4, at))
        bounds, late = [], []
        for version, begun, share, slow in zip(self._versions, requests, hang, above, strict=True):
            version.tick(at, begun, share, random)
            bounds.append(version.waiting(at))
            late.append([one + version.released for one in slow])
        passed = [
            past.passed(slow, [bound[age] for age in ages], version.under_way)
            for past, slow, bound, ages, version in zip(
                self._past_edge, late, bounds, self._ages, self._versions, strict=True
            )
        ]
        return passed[0], passed[1]

    def _answers(self, tables: Ints, rates: Rates, at: int) -> Ints:
        """Draw what is refused, redirected and small; return what of it the canary's fault is."""
        # Numbers of their own, so that the other streams are drawn as they were before these were.
        random, world = np.random.default_rng((self.seed, 3, at)), self.world
        felt = np.zeros(self.columns, dtype=np.int64)
        ways = (
            (REFUSED, rates.refused, world.refused),
            (REDIRECTED, rates.redirected, world.redirected),
            (SMALL, rates.small, world.small),
        )
        for place, faulty, usual in ways:
            table = tables[place]
            table[1] = random.binomial(table[0], usual if faulty is None else faulty)
            table[3] = random.binomial(table[2], usual)
            felt += table[1] if faulty is not None else 0
        return felt

    def _tail(self, edge: float) -> Floats:
        """Return P(latency * e^s > edge) over the grid of s."""
        return np.array([_above(self.world, edge / math.exp(stretch)) for stretch in self._stretch])

    def _slower(
        self, tails: list[Floats], requests: Ints, stretch: float | Floats, stuck: float, random: np.random.Generator
    ) -> list[Ints]:
        """Draw how many of ``requests`` lie above each edge, the edges in rising order."""
        drawn, left, before = [], requests, np.ones(1)
        for tail in tails:
            share = np.interp(np.log(stretch), self._stretch, tail)
            share = stuck + (1.0 - stuck) * share
            left = random.binomial(left, np.minimum(1.0, share / before))
            drawn.append(left)
            before = np.maximum(share, 1e-300)
        return drawn

    def _users(self, at: int, weight: Ints, random: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw errors that come in users: 20 of one user within 10 s, all on one version."""
        users = self.world.rate * self.world.errors / _CLUSTER
        part = weight / 100.0
        self._clusters[at % _CLUSTER_SECONDS] = random.poisson(users * np.stack([part, 1.0 - part]))
        bad = self._clusters.sum(axis=0) * (_CLUSTER // _CLUSTER_SECONDS)
        return bad[0], bad[1]
