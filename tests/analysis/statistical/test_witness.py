"""A proxy that does not count what a client saw fail holds the step, and it is said."""

from __future__ import annotations

from dataclasses import replace

from dawsos.analysis.statistical.judge import Statistical
from dawsos.analysis.statistical.witness import Witness
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Client, ClientSide
from fakes import counts, sample

POLICY = RolloutPolicy(
    ladder=(LadderStep(weight=10, duration=300), LadderStep(weight=100, duration=60)), error_rate=0.005, p95=1.2
)


def test_failures_that_only_the_client_saw_hold_the_step() -> None:
    judge = Statistical(POLICY)
    for at in range(20):
        told = Client(ClientSide(20, 1), ClientSide(200, 0))
        judgement = judge.observe(sample(at, weight=10, client=told))
    assert judgement.verdict == "inconclusive"
    assert "the proxy counted 0 errors: its counts cannot be trusted" in judgement.reason


def test_a_client_that_saw_no_more_than_the_proxy_says_nothing() -> None:
    """The proxy tries again what failed, so it counts more errors than its clients see; some are at the edge of a sample."""
    witness = Witness()
    for at in range(100):
        one = sample(at, canary=counts(20, errors=2), client=Client(ClientSide(20, 1 + at % 2), ClientSide(200, 0)))
        witness.observe(one)
        assert witness.doubt() is None
    witness.observe(replace(one, client=None))
    assert witness.doubt() is None


def test_answers_that_tell_no_version_are_held_against_both() -> None:
    witness = Witness()
    for at in range(20):
        witness.observe(sample(at, client=Client(ClientSide(20), ClientSide(200), ClientSide(9, 9))))
    doubt = witness.doubt()
    assert doubt is not None
    assert "requests to both releases fail" in doubt.reason
