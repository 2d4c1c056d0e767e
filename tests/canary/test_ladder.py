"""The state table of the ladder: every verdict in every phase has its decision."""

from __future__ import annotations

from typing import get_args

import pytest

from dawsos.canary.ladder import LadderState, decide, phase
from dawsos.model.rollout import Judgement, LadderStep, RolloutPolicy, Verdict

POLICY = RolloutPolicy(
    ladder=(LadderStep(weight=5, duration=10), LadderStep(weight=100, duration=10)),
    check_interval=1, error_rate=0.005, p95=1.2, no_data_deadline=20,
)  # fmt: skip

TABLE = {
    "healthy": ("hold", "advance", "advance"),
    "inconclusive": ("hold", "hold", "rollback"),
    "no_data": ("hold", "hold", "rollback"),
    "failing": ("rollback", "rollback", "rollback"),
}


def test_the_table_covers_every_verdict() -> None:
    assert set(TABLE) == set(get_args(Verdict))


@pytest.mark.parametrize("verdict", TABLE)
@pytest.mark.parametrize(("column", "elapsed"), [(0, 0.0), (0, 9.9), (1, 10.0), (1, 29.9), (2, 30.0), (2, 1e9)])
def test_decisions(verdict: Verdict, column: int, elapsed: float) -> None:
    decision, reason = decide(LadderState(0, 100.0), Judgement(verdict, "because"), 100.0 + elapsed, POLICY)
    assert decision == TABLE[verdict][column]
    assert "because" in reason


def test_the_top_rung_promotes() -> None:
    decision, _ = decide(LadderState(1, 0.0), Judgement("healthy", ""), 10.0, POLICY)
    assert decision == "promote"
    assert phase(LadderState(1, 0.0), 9.0, POLICY) == "within"
