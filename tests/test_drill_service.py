"""What bench/drills.py measures with its small service is the policy that DawsOS is drilled by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import load

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("profile", ["drill", None])
def test_only_the_service_differs(profile: str | None) -> None:
    def policy(pipeline: Pipeline) -> dict[str, Any]:
        told = pipeline.policy(profile).model_dump(mode="json", exclude={"failure_counters"})
        # What is asked for belongs to the service, how often to the policy.
        asked = {"load": (told["load"] or {}).get("rate"), "compare": {**told["compare"], "requests": []}}
        return {**told, **asked}

    ours, small = load(ROOT), load(ROOT / "bench" / "drill_service")
    assert policy(small) == policy(ours)
    assert small.slo == ours.slo
