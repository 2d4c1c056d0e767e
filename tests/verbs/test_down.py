"""``down``: every environment is ended, unless somebody deploys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dawsos.adapters.locks import owned
from dawsos.errors import OwnedElsewhere
from dawsos.platforms.contract import Roles
from dawsos.verbs.down import down
from support.paper import Paper
from verbs.on_paper import given_to_verbs


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    made = given_to_verbs(Paper(tmp_path / "project"), monkeypatch)
    for name in made.environments:
        made.project.environment(name).mkdir(parents=True)
        made.serve(made.release(), environment=name)
    return made


def test_everything_is_taken_down_and_named(paper: Paper) -> None:
    (paper.project.home / "environments" / "a file").touch()
    assert down(paper.project, purge=False) == ("production", "staging")
    for environment in paper.environments.values():
        assert not environment.up
        assert [kept.running for kept in environment.deployments.values()] == [False]
        assert environment.roles.stable == "old"


def test_with_purge_nothing_is_kept(paper: Paper) -> None:
    assert down(paper.project, purge=True) == ("production", "staging")
    assert [(one.roles, one.deployments) for one in paper.environments.values()] == [(Roles(), {}), (Roles(), {})]


def test_where_nothing_was_started_nothing_is_taken_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert down(given_to_verbs(Paper(tmp_path / "other"), monkeypatch).project, purge=True) == ()


def test_nothing_is_taken_down_under_a_deployment(paper: Paper) -> None:
    """Half of it would be started again, and what is being rolled out would be stopped under its controller."""
    with owned(paper.project.deploy_lock, "the deployment"):
        with pytest.raises(OwnedElsewhere, match=f"the deployment is owned by the live process {os.getpid()}"):
            down(paper.project, purge=True)
        assert list(paper.production.deployments) == ["old"]
        assert paper.production.up
