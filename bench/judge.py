#!/usr/bin/env python3
"""The judge beside the request's thresholds and Flagger's rule, on the same simulated traffic.  Makes docs/judge.md's table.

    python bench/judge.py detect      bad canaries: when are they out, at what cost
    python bench/judge.py innocent    healthy canaries and shared trouble: who is rolled back all the same
    python bench/judge.py aa          10,000 healthy rollouts at 1, 20, 200 and 2,000 requests a second
    python bench/judge.py speed       1,000 rollouts of 35 minutes, simulated; 1,000 rollouts at once, judged every second
    python bench/judge.py picture     docs/judge.svg

Options: --rollouts N, --seed N, --ours (leave the others out).
Run with the tool's development environment and PYTHONPATH=src, one core is enough.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from dawsos.analysis.judges import make_judge
from dawsos.analysis.simulation.contest import SimulationResult, contest
from dawsos.analysis.simulation.picture import picture
from dawsos.analysis.simulation.scenarios import World, parse_scenario
from dawsos.model.policy import Compare, CompareRequest, LadderStep, RolloutPolicy, WarmUp
from dawsos.model.rollout import Counts, Sample

STEPS = ((5, 300), (25, 600), (45, 300), (65, 300), (85, 300), (100, 300))
OURS = RolloutPolicy(
    ladder=tuple(LadderStep(weight=w, duration=d) for w, d in STEPS), error_rate=0.005, p95=1.2, check_interval=60
)
# Nothing is declared that the canary could be asked before its traffic.
UNASKED = OURS
OURS = OURS.model_copy(update={"compare": Compare(requests=(CompareRequest(path="/"),))})
COLD = UNASKED.model_copy(update={"warm_up": WarmUp(duration=30, errors=False)})
STICKY = OURS.model_copy(update={"requests_per_user": 20})
POLICIES = [
    ("ours", OURS),
    ("ours, not dimmed", OURS.model_copy(update={"dim": False})),
    ("thresholds", OURS.model_copy(update={"judge": "thresholds"})),
    ("Flagger 60 s", OURS.model_copy(update={"judge": "flagger"})),
    ("Flagger 10 s", OURS.model_copy(update={"judge": "flagger", "check_interval": 10.0})),
]
BAD = [
    "down",
    "errors=20%",
    "errors=5%",
    "errors=2%",
    "errors=1%",
    "latency=1.3s",
    "latency=2s",
    "slow=3%",
    "leak",
    "late=5%",
    "4xx=100%",
    "4xx=20%",
    "4xx=5%",
    "4xx=3%",
    "3xx=5%",
    "empty=100%",
    "empty=5%",
    "empty=1%",
    "hang=20%",
    "hang=10%",
    "hang=5%",
    "hang=2%",
]
INNOCENT = [
    "hang-both=5%",
    "burst",
    "burst-mild",
    "noise",
    "outage-both",
    "outage-uneven",
    "blip",
    "cold-start",
    "sticky",
]
EDGES = tuple(
    round(step * 10.0**power, 4)
    for power in (-3, -2, -1, 0)
    for step in (1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2)
)


def show(outcome: SimulationResult) -> None:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f}"

    print(
        f"{outcome.scenario:13} {outcome.rate:6g} rps  {outcome.judge:18} rolled back {outcome.rolled_back:8.3%}"
        f"  median {number(outcome.median):>5} s  p95 {number(outcome.p95):>5} s  failed {outcome.failed:9.1f}"
        f"  promoted {outcome.promoted:7.2%} at {number(outcome.to_promote):>5} s  undecided {outcome.undecided:6.2%}"
        f"  dimmed {outcome.dimmed:6.2%}",
        flush=True,
    )


def detect(rollouts: int, seed: int, ours: bool) -> None:
    for rate in (20.0, 200.0, 2000.0):
        for name in BAD:
            for outcome in contest(
                World(rate=rate), parse_scenario(name), POLICIES[:2] if ours else POLICIES, rollouts, seed
            ):
                show(outcome)


def innocent(rollouts: int, seed: int, ours: bool) -> None:
    for rate in (1.0, 20.0, 200.0, 2000.0):
        for name in INNOCENT:
            handled = {
                "cold-start": [("ours, not asked", UNASKED), ("ours, warm-up", COLD)],
                "sticky": [("ours, by user", STICKY)],
            }.get(name, [])
            for outcome in contest(
                World(rate=rate),
                parse_scenario(name),
                [POLICIES[0], *handled, *([] if ours else POLICIES[2:])],
                rollouts,
                seed,
            ):
                show(outcome)


def aa(rollouts: int, seed: int, _ours: bool) -> None:
    for rate in (1.0, 20.0, 200.0, 2000.0):
        for part in range(max(1, rollouts // 1000)):
            for outcome in contest(
                World(rate=rate), parse_scenario("aa"), POLICIES[:1], min(rollouts, 1000), seed + part
            ):
                show(outcome)


def speed(_rollouts: int, seed: int, _ours: bool) -> None:
    started = time.process_time()
    contest(World(), parse_scenario("aa"), POLICIES[:1], 1000, seed)
    print(f"1,000 rollouts of 35 minutes simulated in {time.process_time() - started:.1f} s of one core")
    judges = [make_judge(OURS) for _ in range(1000)]
    canary = Counts(10, 0, tuple((edge, min(10, index // 3)) for index, edge in enumerate(EDGES)))
    stable = Counts(190, 1, tuple((edge, min(190, index * 5)) for index, edge in enumerate(EDGES)))
    seconds = 60
    started = time.process_time()
    for second in range(seconds):
        sample = Sample(float(second), 1.0, 5, canary, stable)
        for judge in judges:
            judge.observe(sample)
    used = (time.process_time() - started) / seconds
    print(f"1,000 concurrent rollouts judged once a second: {used:.3f} s of one core each second ({used:.1%} of it)")


def draw(rollouts: int, seed: int, _ours: bool) -> None:
    outcomes = contest(World(), parse_scenario("errors=5%"), POLICIES, rollouts, seed)
    path = Path(__file__).resolve().parent.parent / "docs" / "judge.svg"
    path.write_text(picture(outcomes))
    print(f"wrote {path.name}")


VERBS = {
    "detect": (detect, 500),
    "innocent": (innocent, 1000),
    "aa": (aa, 10_000),
    "speed": (speed, 1000),
    "picture": (draw, 1000),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("--rollouts", type=int, default=0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--ours", action="store_true")
    given = parser.parse_args()
    verb, usual = VERBS[given.verb]
    verb(given.rollouts or usual, given.seed, given.ours)
