"""The vectorised judge decides as the real one does, on the same draws, second by second."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dawsos.analysis.judges import make_judge
from dawsos.analysis.simulation.contest import CONTENDERS
from dawsos.analysis.simulation.draws import EDGES, Second, Traffic, usual_latency
from dawsos.analysis.simulation.scenarios import World, parse_scenario
from dawsos.analysis.simulation.vector import VectorEvidence
from dawsos.analysis.statistical.evidence import REDIRECTED, REFUSED, SMALL, STREAMS, Bin, Evidence, Rules
from dawsos.analysis.statistical.judge import Judge, Statistical
from dawsos.analysis.statistical.latency import History, choose_edges
from dawsos.analysis.statistical.statistics import Table
from dawsos.model.flagger import FlaggerChecks, ManifestPolicy
from dawsos.model.policy import Compare, CompareRequest, LadderStep, RolloutPolicy, WarmUp
from dawsos.model.rollout import Counts, Sample
from dawsos.rollout import decision as ladder

LADDER = tuple(LadderStep(weight=w, duration=40) for w in (5, 25, 60, 100))
POLICY = RolloutPolicy(
    ladder=LADDER, tick=1, check_interval=10, failed_checks=3, error_rate=0.005, p95=1.2, no_data_deadline=60
)
COLUMNS = 4


def _cumulative(total: int, above: dict[float, int]) -> tuple[tuple[float, int], ...]:
    """Return a histogram in which ``above`` requests lie above each of these edges."""
    latency, count = [], 0
    for edge in EDGES:
        count = max(count, total - above[edge]) if edge in above else count
        latency.append((edge, total if math.isinf(edge) else count))
    return tuple(latency)


def _sample(second: Second, column: int, at: float, weight: int, world: World) -> Sample:
    edges = choose_edges(usual_latency(world), POLICY.latency_tolerance)
    tables = second.tables[:, :, column]
    canary = {edge.canary: int(row[1]) for edge, row in zip(edges, tables[1:4], strict=True)}
    canary[world.slow] = min(int(second.slow[1][column]), canary.get(world.slow, 10**9))
    stable = {edge.stable: int(row[3]) for edge, row in zip(edges, tables[1:4], strict=True)}
    requests, bad, others, others_bad = (int(value) for value in tables[0])
    return Sample(
        at, 1.0, weight,
        Counts(requests, bad, _cumulative(requests, canary), *_answers(tables, 0)),
        Counts(others, others_bad, _cumulative(others, stable), *_answers(tables, 2)),
        counters={"packs_failed_total": float(second.failure)},
    )  # fmt: skip


def _answers(tables: npt.NDArray[np.int64], side: int) -> tuple[Any, ...]:
    """Return codes, faults, under way, waiting and sizes of one version: its column of requests, and the one beside it."""
    requests, refused, redirected, small = (int(tables[row, column]) for row, column in
                                            ((0, side), (REFUSED, side + 1), (REDIRECTED, side + 1), (SMALL, side + 1)))  # fmt: skip
    codes = {"3xx": redirected, "4xx": refused, "404": refused}
    return codes, {}, None, (), ((10.0, small), (100.0, small), (1000.0, requests), (math.inf, requests))


class Settled(History):
    """What stable is like is known, and no draw of a test moves an edge."""

    def __init__(self, world: World) -> None:
        sizes = ((10.0, 0), (100.0, 1), (1000.0, 500), (math.inf, 500))
        self.counts = Counts(latency=usual_latency(world).latency, sizes=sizes)

    def add(self, stable: Counts) -> None:
        pass


def _taught(judge: Judge, world: World) -> Judge:
    if isinstance(judge, Statistical):
        judge._history = Settled(world)
    return judge


class One:
    """One rollout as the controller drives it: judge, ladder, weight."""

    def __init__(self, policy: RolloutPolicy, world: World) -> None:
        self.policy = policy
        self.judge = _taught(make_judge(policy, warm=policy.asks_first), world)
        self.state = ladder.LadderState(0, 0.0)
        self.end = ""

    @property
    def weight(self) -> int:
        return 0 if self.end else self.state.dimmed or self.policy.ladder[self.state.index].weight

    def tick(self, seen: Sample) -> None:
        judgement = self.judge.observe(seen)
        decision, _ = ladder.decide(self.state, judgement, seen.at, self.policy)
        if decision in ("rollback", "promote"):
            self.end = decision
        elif decision == "advance":
            self.state = ladder.LadderState(self.state.index + 1, seen.at)
        elif decision in ("dim", "restore"):
            full = self.policy.ladder[self.state.index].weight
            lower = ladder.dimmed_weight(full, judgement.dim_factor) if decision == "dim" else 0
            self.state = replace(self.state, dimmed=lower)


@pytest.mark.parametrize(
    ("scenario", "rate", "changes"),
    [
        ("errors=5%", 200.0, {}),
        ("errors=5%", 2000.0, {}),
        ("errors=2%", 30.0, {"advance": "evidence", "shortest_step": 20.0}),
        ("latency=2s", 60.0, {}),
        ("slow=5%", 200.0, {"requests_per_user": 3}),
        ("latency=2s", 60.0, {"compare": Compare(requests=(CompareRequest(path="/"),))}),
        ("cold-start", 200.0, {}),
        ("cold-start", 200.0, {"compare": Compare(requests=(CompareRequest(path="/"),))}),
        ("sticky", 400.0, {"error_rate": 0.01}),
        ("aa", 12.0, {}),
        ("burst", 100.0, {"warm_up": WarmUp(duration=15, errors=False)}),
        ("blip", 400.0, {"shortest_fault": 4.0}),
        ("outage-uneven", 150.0, {"at_deadline": "hold"}),
        ("errors=2%", 50.0, {"judge": "thresholds"}),
        ("burst", 50.0, {"judge": "thresholds", "min_requests": 30}),
        ("errors=2%", 50.0, {"judge": "thresholds", "failed_checks": 1}),
        ("errors=2%", 50.0, {"judge": "flagger"}),
        ("aa", 3.0, {"judge": "flagger"}),
        ("failure", 50.0, {"judge": "flagger"}),
        ("errors=2%", 50.0, {"judge": "flagger", "checks": FlaggerChecks(30.0, None)}),
        ("errors=2%", 50.0, {"judge": "flagger", "checks": FlaggerChecks(None, 90.0)}),
        ("slow=10%", 50.0, {"judge": "flagger", "checks": FlaggerChecks(30.0, 90.0)}),
        ("failure", 50.0, {"judge": "flagger", "checks": FlaggerChecks(60.0, 60.0, failures=False)}),
        ("failure", 50.0, {"judge": "thresholds"}),
        ("failure", 50.0, {}),
        ("4xx=8%", 200.0, {}),
        ("4xx=100%", 40.0, {}),
        ("4xx=8%", 200.0, {"expect": {"4xx": "more"}}),
        ("3xx=30%", 100.0, {}),
        ("empty=20%", 100.0, {}),
        ("empty=100%", 100.0, {"expect": {"bodies": "smaller"}}),
    ],
)
def test_both_take_the_same_decisions(scenario: str, rate: float, changes: dict[str, object]) -> None:
    kind = ManifestPolicy if "checks" in changes else RolloutPolicy
    world, policy = World(rate=rate), kind(**POLICY.model_dump()).model_copy(update=changes)
    traffic = Traffic(world, parse_scenario(scenario), COLUMNS, seed=3, tolerance=policy.latency_tolerance)
    many = CONTENDERS[policy.judge]("many", policy, COLUMNS)
    singles = [One(policy, world) for _ in range(COLUMNS)]
    for second in range(220):
        weights = many.walk.weight
        assert [single.weight for single in singles] == weights.tolist(), f"after {second} s"
        drawn = traffic.second(second, weights)
        for column, single in enumerate(singles):
            if not single.end:
                single.tick(_sample(drawn, column, second + 1.0, int(weights[column]), world))
        many.tick(second + 1.0, drawn)
    back, promoted = many.walk.rolled_back > 0, many.walk.promoted > 0
    ends = ["promote" if p else "rollback" if b else "" for p, b in zip(promoted, back, strict=True)]
    assert [single.end for single in singles] == ends


@pytest.mark.parametrize("seed", range(12))
def test_the_evidence_is_the_same_number(seed: int) -> None:
    """Traffic of every kind, from seconds without a request to ones that are all bad, at weights that go up and down."""
    rnd = random.Random(seed)
    rules = (
        Rules(),
        Rules(cluster=7, warm_up=9.0, warm_up_errors=False, expected=frozenset({SMALL})),
        Rules(shortest_fault=2.0, patience=5.0),
        Rules(start=30.0, cluster=3),
    )[seed % 4]
    one, many = Evidence(rules), VectorEvidence(rules, 1)
    for _ in range(150):
        calm, weight = rnd.random() < 0.7, rnd.choice((2, 5, 5, 5, 25, 25, 60))
        most = 1 if calm else 40
        tables = tuple(
            Table(canary, min(canary, rnd.randint(0, most)), stable, min(stable, rnd.randint(0, most)))
            for canary, stable in ((rnd.randint(0, 40), rnd.randint(0, 90)) for _ in STREAMS)
        )
        slow = (tables[0].canary, min(tables[0].canary, rnd.randint(0, most)))
        one.observe(Bin(1.0, weight, tables, slow))
        many.observe(1.0, np.array([weight]), np.array(tables)[:, :, None], np.array(slow)[:, None])
        assert many.log_e[0] == pytest.approx(one.log_e, abs=1e-9)
        assert many.dim_factor()[0] == pytest.approx(one.dim_factor)
        assert bool(many.suspected[0]) == one.suspected
        assert bool(many.failing()[0]) == one.failing
        assert bool(many.starting()[0]) == one.starting
        assert [int(crowd.size[0]) for crowd in many.crowds.values()] == [crowd.size for crowd in one.crowds.values()]
        assert bool(many.above_limit()[0]) == bool(one.above_limit)
        assert bool(many.within_limits()[0]) == one.within_limits
