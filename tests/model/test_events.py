"""Every kind of event has its class; bodies of the journal become facts and facts bodies."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from dawsos.model.events import (
    EVENT_KINDS,
    FACTS,
    Event,
    Fact,
    RolloutDecided,
    RolloutSampled,
    RunResumed,
    SideSample,
    StageFinished,
    Unknown,
    WeightIntended,
    fact_of,
)
from dawsos.model.rollout import Reading
from dawsos.model.status import Cause, RolloutDecision, StageState

VERDICT = {"gate": "g", "kind": "junit", "result": "pass", "measured": "1", "limit": "1", "message": ""}
# What the kinds with keys that have no default need.
NEEDED: dict[str, dict[str, Any]] = {
    "gate_evaluated": VERDICT,
    "stage_finished": {"result": "passed"},
    "approval_given": {"digest": "d", "decision": "approved", "name": "Ada"},
    "rollout_started": {"release": "r", "deployment": "d"},
    "weight_intended": {"weight": 5},
    "weight_confirmed": {"weight": 5},
    "rollout_decided": {"decision": "rollback"},
    "rollout_finished": {"outcome": "rolled_back"},
    "revert_started": {"environment": "production", "release": "r", "deployment": "d"},
    "run_finished": {"result": "passed"},
}


def test_every_kind_has_one_class() -> None:
    assert set(FACTS) == EVENT_KINDS
    assert len({FACTS[kind] for kind in FACTS}) == len(EVENT_KINDS)


@pytest.mark.parametrize("kind", sorted(EVENT_KINDS))
def test_a_fact_is_the_same_after_it_went_through_the_journal(kind: str) -> None:
    fact = fact_of(kind, NEEDED.get(kind, {}))
    assert (fact.kind, type(fact)) == (kind, FACTS[kind])
    assert fact_of(kind, json.loads(json.dumps(fact.body()))) == fact


@pytest.mark.parametrize("kind", sorted(EVENT_KINDS))
def test_a_key_of_a_newer_version_is_ignored(kind: str) -> None:
    body = NEEDED.get(kind, {})
    assert fact_of(kind, {**body, "of_a_newer_version": {"deep": 1}}) == fact_of(kind, body)


@pytest.mark.parametrize("kind", sorted(NEEDED))
def test_a_body_without_what_it_needs_was_altered(kind: str) -> None:
    with pytest.raises((TypeError, LookupError)):
        fact_of(kind, {})


def test_a_kind_of_a_newer_version_is_kept_as_it_is() -> None:
    fact = fact_of("of_a_newer_version", {"a": 1})
    assert fact == Unknown("of_a_newer_version", {"a": 1})
    assert (Event("r", 1, 0.0, fact).kind, fact.body()) == ("of_a_newer_version", {"a": 1})


def test_closed_sets_are_read_as_their_members_and_refuse_others() -> None:
    finished = fact_of("stage_finished", {"result": "rolled_back"})
    assert isinstance(finished, StageFinished)
    assert finished.result is StageState.ROLLED_BACK
    with pytest.raises(ValueError, match="not a valid StageState"):
        fact_of("stage_finished", {"result": "won"})


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


def test_every_fact_is_frozen_and_has_its_kind() -> None:
    assert all(issubclass(kind, Fact) and kind.KIND for kind in FACTS.values())
    with pytest.raises(AttributeError):
        RunResumed(1).pid = 2  # type: ignore[misc]
    assert [field.name for field in fields(RunResumed)] == ["pid"]
