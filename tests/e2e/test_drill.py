"""Each drill is noticed and rolled back, and production is healthy afterwards."""

from __future__ import annotations

import pytest

from e2e.clone import Clone

pytestmark = pytest.mark.e2e


# CI tries one fault on the wire, one of the process and one of a job.
@pytest.mark.parametrize("fault", ["errors=30%", pytest.param("latency=2s", marks=pytest.mark.slow), "crash", "pack"])
def test_a_fault_on_the_canary_is_rolled_back_within_a_second(shipped: Clone, fault: str) -> None:
    before = shipped.version()
    with shipped.broken():
        # Long steps, so that the fault and not the ladder's end decides.
        shipped.edit("pipeline.yaml", "[1s, 1s, 1s, 1s, 1s, 1s]", "[6s, 6s, 6s, 6s, 6s, 6s]")
        shipped.dawsos("drill", "--fault", fault, check=4)
    run = shipped.show()
    assert run["rollout"]["outcome"] == "rolled_back"
    assert run["rollout"]["rollback_seconds"] < 1
    assert shipped.version() == before
    shipped.dawsos("verify", check=0)
