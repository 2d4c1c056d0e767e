"""Everything here needs a cluster: that of ``DAWSOS_TEST_CLUSTER``, else one of the tests' own (docs/testing.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.kubernetes)
