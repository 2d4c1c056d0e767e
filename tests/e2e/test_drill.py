"""Each drill is noticed and rolled back, and production is healthy afterwards."""

from __future__ import annotations

import pytest

from e2e.clone import Clone

pytestmark = pytest.mark.e2e


# CI tries one fault on the wire, one of the process and one of a job.  What Envoy makes of the others: platforms/local/test_faults.py.
@pytest.mark.parametrize(
    "fault",
    [
        "errors=30%",
        "crash",
        "pack",
        *(
            pytest.param(fault, marks=pytest.mark.slow)
            for fault in ("latency=2s", "status=404", "empty", "reset=30%", "exit")
        ),
    ],
)
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
