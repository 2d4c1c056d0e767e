"""Nothing passes but a pass."""

from __future__ import annotations

from typing import get_args

import pytest

from dawsos.model.verdicts import GateResult, GateVerdict


@pytest.mark.parametrize("result", get_args(GateResult))
def test_only_a_pass_passes(result: GateResult) -> None:
    assert GateVerdict("g", "junit", result, "", "", "").passed is (result == "pass")
