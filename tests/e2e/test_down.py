"""``down`` stops everything and leaves nothing, and a ship starts it again, so that the clone is left as it was found."""

from __future__ import annotations

import pytest

from e2e.clone import Clone, git

pytestmark = pytest.mark.e2e


def test_nothing_is_left_and_ship_starts_it_again(shipped: Clone) -> None:
    assert shipped.status()["running"]
    shipped.dawsos("down", check=0)
    assert [process.cmdline() for process in shipped.processes()] == []
    assert not shipped.status()["running"]
    shipped.dawsos("ship", "--approve-as", "Ada", "--reason", "again", check=0)
    assert shipped.version() == git(shipped.path, "rev-parse", "HEAD").strip()
