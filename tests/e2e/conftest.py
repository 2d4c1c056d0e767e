"""Real clones of this repository, shipped by the real command line on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.clone import Clone


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone whose HEAD went through all twelve stages and serves production."""
    reused = os.environ.get("DAWSOS_TEST_CLONE")
    if reused:
        # For whoever writes a test: a clone that was shipped before, with this checkout's tool.
        yield Clone(Path(reused))
        return
    clone = Clone.of_this_repository(tmp_path_factory.mktemp("project") / "clone")
    try:
        clone.first = clone.dawsos("ship", "--approve-as", "Ada", "--reason", "the end-to-end test", check=0)
        # What follows is about other things than the time on a step, than acceptance, and than a scan of each new commit: the
        # first ship had all of them.
        clone.edit("pipeline.yaml", "[6s, 6s, 6s, 6s, 6s, 6s]", "[1s, 1s, 1s, 1s, 1s, 1s]")
        clone.edit("pipeline.yaml", 'inputs: ["**"]\n    history: true\n', 'inputs: ["**"]\n')
        only_smoke(clone)
        clone.commit("a fast ladder, the smoke tests as acceptance, and no scan of a commit that changes no file")
        yield clone
    finally:
        left = clone.end()
    assert left == [], "down left these processes"


def only_smoke(clone: Clone) -> None:
    """Leave of the acceptance stage its first step and that step's gate: each later ship is half a minute shorter."""
    path = clone.path / "pipeline.yaml"
    text = path.read_text()
    for rest in (
        r"      - name: full suite\n.*?(?=    gates:\n)",
        r"      - \{kind: pass_rate, name: full suite.*?(?=    approval:)",
    ):
        text, found = re.subn(rest, "", text, count=1, flags=re.DOTALL)
        assert found, f"pipeline.yaml has nothing like {rest!r}"
    path.write_text(text)
