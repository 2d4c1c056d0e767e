"""``down``: every environment is ended, unless somebody deploys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dawsos.adapters.files import write_json
from dawsos.adapters.locks import owned
from dawsos.errors import BadInput, OwnedElsewhere
from dawsos.platforms.contract import Roles
from dawsos.platforms.remembered import CLUSTER_FILE
from dawsos.verbs.down import Ended, down
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
    assert down(paper.project, purge=False) == Ended(("production", "staging"))
    for environment in paper.environments.values():
        assert not environment.up
        assert [kept.running for kept in environment.deployments.values()] == [False]
        assert environment.roles.stable == "old"


def test_with_purge_nothing_is_kept(paper: Paper) -> None:
    assert down(paper.project, purge=True) == Ended(("production", "staging"))
    assert [(one.roles, one.deployments) for one in paper.environments.values()] == [(Roles(), {}), (Roles(), {})]


def test_where_nothing_was_started_nothing_is_taken_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert down(given_to_verbs(Paper(tmp_path / "other"), monkeypatch).project, purge=True) == Ended(())


def test_nothing_is_taken_down_under_a_deployment(paper: Paper) -> None:
    """Half of it would be started again, and what is being rolled out would be stopped under its controller."""
    with owned(paper.project.deploy_lock, "the deployment"):
        with pytest.raises(OwnedElsewhere, match=f"the deployment is owned by the live process {os.getpid()}"):
            down(paper.project, purge=True)
        assert list(paper.production.deployments) == ["old"]
        assert paper.production.up


def _on_a_cluster(paper: Paper, name: str = "production") -> None:
    kept = {"platform": "kubernetes", "context": "c", "namespace": "n", "release": "r", "chart": "charts/x"}
    write_json(paper.project.environment(name) / CLUSTER_FILE, kept)


def test_a_cluster_is_left_alone_unless_its_environment_is_named(paper: Paper) -> None:
    _on_a_cluster(paper)
    assert down(paper.project, purge=True) == Ended(("staging",), ("production",))
    assert paper.production.up
    assert down(paper.project, purge=False, name="production") == Ended(("production",))
    assert not paper.production.up
    assert list(paper.production.deployments) == ["old"]


def test_one_environment_of_this_machine_may_be_named(paper: Paper) -> None:
    assert down(paper.project, purge=False, name="staging") == Ended(("staging",))
    assert paper.production.up


def test_an_environment_that_is_nowhere_is_bad_input(paper: Paper) -> None:
    with pytest.raises(BadInput, match="there is nothing of an environment 'qa' here"):
        down(paper.project, purge=False, name="qa")
