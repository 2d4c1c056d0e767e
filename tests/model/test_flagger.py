"""What Flagger would check: all of it over a minute, unless a manifest says something else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.model.flagger import FlaggerChecks, ManifestPolicy, checks_of
from dawsos.model.policy import LadderStep, RolloutPolicy


def steps(*weights: int) -> dict[str, Any]:
    return {
        "ladder": tuple(LadderStep(weight=weight, duration=60) for weight in weights),
        "error_rate": 0.01,
        "p95": 1.0,
    }


@pytest.mark.parametrize(("interval", "window"), [(10.0, 60.0), (60.0, 60.0), (90.0, 90.0)])
def test_a_policy_of_the_pipeline_is_checked_as_a_whole(interval: float, window: float) -> None:
    policy = RolloutPolicy(**steps(50, 100), check_interval=interval)
    assert checks_of(policy) == FlaggerChecks(window, window, 0.05, True)


def test_a_manifest_has_its_own_checks_and_may_end_below_100() -> None:
    checks = FlaggerChecks(errors=30.0, slow=None, failures=False)
    policy = ManifestPolicy(**steps(5, 50), checks=checks)
    assert checks_of(policy) == checks
    assert checks_of(policy.model_copy(update={"judge": "statistical"})) == checks
    with pytest.raises(ValidationError, match="must increase"):
        ManifestPolicy(**steps(50, 5))
    with pytest.raises(ValidationError, match="must end at 100"):
        RolloutPolicy(**steps(5, 50))
