"""``down`` stops everything and leaves nothing; it runs last, because it takes the session's clone down."""

from __future__ import annotations

import pytest

from e2e.clone import Clone

pytestmark = pytest.mark.e2e


def test_nothing_is_left_and_ship_starts_it_again(shipped: Clone) -> None:
    version = shipped.version()
    shipped.dawsos("down", check=0)
    assert [process.cmdline() for process in shipped.processes()] == []
    shipped.dawsos("ship", "--approve-as", "Ada", "--reason", "again", check=0)
    assert shipped.version() is not None
    assert version
    shipped.dawsos("down", check=0)
    assert [process.cmdline() for process in shipped.processes()] == []
