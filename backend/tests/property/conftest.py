"""The database-backed properties need the real servers."""

from __future__ import annotations

import pytest

from tests.support.servers import Stack, migrated_stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    """Servers with the newest schema."""
    return migrated_stack()
