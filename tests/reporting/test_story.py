"""What lies uncommitted in the working tree is not shipped, and the run says so."""

from __future__ import annotations

import pytest

from dawsos.model.run import Run
from dawsos.reporting.story import not_checked


@pytest.mark.parametrize(("command", "dirty", "said"), [("ship", 0, []), ("ship", 1, ["1 file"]), ("run", 3, [])])
def test_only_a_ship_leaves_changes_behind(command: str, dirty: int, said: list[str]) -> None:
    remarks = [remark.what for remark in not_checked(Run(command=command, dirty=dirty))]
    assert [remark.split(" changed")[0] for remark in remarks] == said
