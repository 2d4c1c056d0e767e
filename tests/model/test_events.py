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
    RunResumed,
    Unknown,
    fact_of,
)

VERDICT = {"gate": "g", "kind": "junit", "result": "pass", "measured": "1", "limit": "1", "message": ""}
# What the kinds with keys that have no default need.
NEEDED: dict[str, dict[str, Any]] = {
    "gate_evaluated": VERDICT,
    "stage_finished": {"result": "passed"},
    "approval_given": {"digest": "d", "decision": "approved", "name": "Ada"},
    "rollout_started": {"release": "r", "deployment": "d"},
    "answers_compared": {"verdict": "pass"},
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


def test_every_fact_is_frozen_and_has_its_kind() -> None:
    assert all(issubclass(kind, Fact) and kind.KIND for kind in FACTS.values())
    with pytest.raises(AttributeError):
        RunResumed(1).pid = 2  # type: ignore[misc]
    assert [field.name for field in fields(RunResumed)] == ["pid"]
