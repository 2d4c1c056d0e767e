"""Nothing passes but a pass."""

from __future__ import annotations

from typing import get_args

import pytest

from dawsos.model.events import verdict_from
from dawsos.model.verdicts import GateResult, GateVerdict


@pytest.mark.parametrize("result", get_args(GateResult))
def test_only_a_pass_passes(result: GateResult) -> None:
    assert GateVerdict("g", "junit", result, "", "", "").passed is (result == "pass")


@pytest.mark.parametrize("unchecked", [True, False, None])
def test_what_an_older_version_did_not_say_is_not_said_for_it(unchecked: bool | None) -> None:
    """Its statements are signed: a verdict that is read from one and written again must be the same."""
    verdict = GateVerdict("g", "junit", "pass", "", "", "", unchecked=unchecked)
    assert ("unchecked" in verdict.body()) is (unchecked is not None)
    assert verdict_from(verdict.body()) == verdict
