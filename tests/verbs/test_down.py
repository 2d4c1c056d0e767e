"""``down``: every environment is ended, unless somebody deploys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dawsos.adapters.locks import owned
from dawsos.errors import OwnedElsewhere
from dawsos.verbs.down import down
from support.paper import Paper


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    return Paper(tmp_path / "project", monkeypatch)


def test_everything_is_taken_down_and_named(paper: Paper) -> None:
    (paper.project.home / "environments" / "a file").touch()
    assert down(paper.project, purge=False) == ("production", "staging")
    assert paper.production.folder.exists()
    assert down(paper.project, purge=True) == ("production", "staging")
    assert down(paper.project, purge=True) == ()


def test_nothing_is_taken_down_under_a_deployment(paper: Paper) -> None:
    """Half of it would be started again, and what is being rolled out would be stopped under its controller."""
    paper.serve(paper.release())
    with owned(paper.project.deploy_lock, "the deployment"):
        with pytest.raises(OwnedElsewhere, match=f"the deployment is owned by the live process {os.getpid()}"):
            down(paper.project, purge=True)
        assert paper.production.deployments() == ("old",)
