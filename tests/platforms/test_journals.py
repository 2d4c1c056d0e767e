"""Where journals of rollouts are kept: a cluster keeps them, one machine does not."""

from __future__ import annotations

from dawsos.model.environment import EnvironmentSettings
from dawsos.platforms.journals import JOURNALS
from dawsos.platforms.kubernetes.journal import ClusterJournal


def test_a_cluster_keeps_journals_and_this_machine_has_its_own() -> None:
    settings = EnvironmentSettings.model_validate(
        {"platform": "kubernetes", "context": "c", "namespace": "n", "release": "r", "chart": "charts/x"}
    )
    assert isinstance(JOURNALS["kubernetes"](settings), ClusterJournal)
    assert "local" not in JOURNALS
