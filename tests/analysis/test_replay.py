"""A recording judged again: what was recorded is found where it was found, and by the others where they would."""

from __future__ import annotations

import json

from dawsos.analysis.replay import replay
from dawsos.analysis.samples import from_facts, to_fact
from dawsos.analysis.statistical.judge import Statistical
from dawsos.model.events import RolloutSampled
from dawsos.model.policy import LadderStep, RolloutPolicy
from fakes import counts, sample

POLICY = RolloutPolicy(
    ladder=(LadderStep(weight=5, duration=300), LadderStep(weight=100, duration=60)),
    tick=1, check_interval=10, failed_checks=2, error_rate=0.005, p95=1.2,
)  # fmt: skip


def _recorded(seconds: int, errors: int) -> list[RolloutSampled]:
    judge, facts = Statistical(POLICY), []
    for at in range(seconds):
        taken = sample(at, weight=0 if at < 3 else 5, canary=counts(20, errors=errors))
        facts.append(RolloutSampled.read(json.loads(json.dumps(to_fact(taken, judge.observe(taken), 5).body()))))
    return facts


def test_a_replay_under_the_same_policy_says_what_the_rollout_said() -> None:
    facts = _recorded(40, errors=3)
    first = next(number for number, fact in enumerate(facts) if fact.verdict == "failing")
    found = replay("same", POLICY, from_facts(facts))
    assert found.failing_at == first - 2
    assert found.reason == facts[first].reason
    assert found.suspected_at is not None
    assert found.suspected_at < found.failing_at


def test_another_judge_speaks_at_another_time() -> None:
    samples = from_facts(_recorded(60, errors=3))
    thresholds = replay("thresholds", POLICY.model_copy(update={"judge": "thresholds"}), samples)
    flagger = replay("flagger", POLICY.model_copy(update={"judge": "flagger"}), samples)
    # Its checks begin with the canary's traffic: two of them, ten seconds each.
    assert (thresholds.failing_at, thresholds.weight) == (20.0, 5)
    assert flagger.failing_at == 30.0


def test_a_good_recording_stays_good() -> None:
    found = replay("ours", POLICY, from_facts(_recorded(30, errors=0)))
    assert (found.failing_at, found.doubted, found.suspected_at) == (None, 0, None)
    assert replay("none", POLICY, []).reason == "no sample"
