"""Samples, decisions and weights keep their numbers in the journal, also those of older versions."""

from __future__ import annotations

import json

from dawsos.model.events import RolloutDecided, RolloutSampled, SideSample, WeightIntended, fact_of
from dawsos.model.rollout import Reading
from dawsos.model.status import Cause, RolloutDecision


def test_a_sample_keeps_its_numbers_and_leaves_out_what_is_not_known() -> None:
    sample = RolloutSampled(
        at=1.5,
        weight=3,
        step=25,
        canary=SideSample(10, 1, 0.2, ((0.1, 9), (None, 1))),
        evidence=(Reading("e", 1.0, 4.6),),
    )
    body = sample.body()
    assert body["evidence"] == [{"name": "e", "log_e": 1.0, "limit": 4.6, "requests": 0, "bad": 0}]
    assert "recorded_at" not in body
    assert fact_of("rollout_sampled", json.loads(json.dumps(body))) == sample


def test_a_decision_has_its_cause() -> None:
    decided = RolloutDecided(RolloutDecision.ROLLBACK, Cause.CRASH_LOOP, "it crashes", "restarts", 3.0)
    assert fact_of("rollout_decided", decided.body()) == decided
    assert fact_of("rollout_decided", {**decided.body(), "cause": "of_a_newer_version"}).body()["cause"] == ""


def test_the_step_of_an_older_journal_is_read() -> None:
    assert fact_of("weight_intended", {"weight": 3, "rung": 25}) == WeightIntended(3, 25)
