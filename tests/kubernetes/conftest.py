"""Everything here needs a cluster: that of ``DAWSOS_TEST_CLUSTER``, else one of the tests' own (docs/testing.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# This one brings up what it needs by itself.
_WITHOUT = {"test_keeper.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.kubernetes)


@pytest.fixture(autouse=True)
def _there_is_a_cluster(request: pytest.FixtureRequest) -> None:
    """Bring the cluster up, also for tests that find it by the variables of its users."""
    if request.node.path.name not in _WITHOUT:
        request.getfixturevalue("cluster")
