"""An environment's settings, and what a profile may change of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.model.environment import EnvironmentChanges, EnvironmentSettings, StandIn

WRITTEN = EnvironmentSettings(replicas=3, services=("postgres", "redis"), env={"A": "1", "B": "2"}, pass_env=("KEY",))


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({}, {}),
        ({"replicas": 1}, {"replicas": 1}),
        ({"services": []}, {"services": ()}),
        ({"stand_ins": ["outside"], "pass_env": []}, {"stand_ins": ("outside",), "pass_env": ()}),
        ({"env": {}}, {}),
        ({"env": {"B": "", "C": "3"}}, {"env": {"A": "1", "B": "", "C": "3"}}),
    ],
)
def test_env_is_merged_and_every_other_key_replaces(changes: dict[str, Any], changed: dict[str, Any]) -> None:
    there = WRITTEN.changed_by(EnvironmentChanges.model_validate(changes))
    assert there.model_dump() == {**WRITTEN.model_dump(), **changed}


def test_a_profile_may_change_every_key_of_an_environment() -> None:
    assert set(EnvironmentChanges.model_fields) == set(EnvironmentSettings.model_fields)


@pytest.mark.parametrize(
    "wrong",
    [
        {"replicas": 0},
        {"replicas": 17},
        {"services": ["mysql"]},
        {"platform": "cloud"},
        {"env": {"A": 1}},
        {"env": {"A B": "1"}},
        {"pass_env": ["A=1"]},
        {"stand_ins": ["Out Side"]},
    ],
)
@pytest.mark.parametrize("model", [EnvironmentSettings, EnvironmentChanges])
def test_what_cannot_be_is_refused(model: type[EnvironmentSettings], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(wrong)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ready": "/health"}, "ready is a page on the first of ports"),
        ({"ports": ["standin"]}, "String should match pattern"),
        ({"source": ""}, "at least 1 character"),
        ({"replicas": 2}, "Extra inputs"),
    ],
)
def test_a_stand_in_that_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    good = {"source": "standins", "command": "python -m standins", "toolchain": "tools"}
    assert StandIn.model_validate({**good, "ports": ["A_PORT"], "ready": "/"}).ports == ("A_PORT",)
    with pytest.raises(ValidationError) as refused:
        StandIn.model_validate({**good, **change})
    assert words in str(refused.value)
