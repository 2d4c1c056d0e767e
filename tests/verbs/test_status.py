"""``status``: environments with their releases, and the runs that may go on."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from dawsos.adapters.locks import FileLock, owned
from dawsos.model.events import RunFinished
from dawsos.model.status import RunResult
from dawsos.platforms.contract import EnvironmentStatus, Roles
from dawsos.platforms.local.locking import SUPERVISOR_LOCK
from dawsos.platforms.local.state import Desired, write_desired, write_json, write_roles
from dawsos.platforms.observers import OBSERVERS
from dawsos.platforms.remembered import CLUSTER_FILE
from dawsos.verbs.status import status
from support.paper import Paper

OLDER, NEWER = "aa" * 32, "bb" * 32


def started(paper: Paper, name: str = "production") -> Path:
    """Write what a local environment says of itself in which ``older`` is the canary of ``newer``."""
    folder = paper.project.environment(name)
    folder.mkdir(parents=True)
    deployments = {"older": {"release": OLDER, "ports": [8]}, "newer": {"release": NEWER, "ports": [9]}}
    write_desired(folder, Desired(deployments=deployments, proxy={"listener": 7}))
    write_roles(folder, Roles("newer", "older", None, 25))
    process = {"name": "newer.0", "group": "newer", "pid": 1, "state": "ready", "restarts": [1.0], "digest": "d"}
    write_json(folder / "status.json", {"processes": [process]})
    return folder


def test_what_runs_and_what_waits_is_shown(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    started(paper, "staging")
    started(paper)
    (paper.project.home / "environments" / "a file").touch()
    session = paper.session()
    done = paper.session("20260301-120000-c0ffee0-bb")
    done.record(RunFinished(RunResult.PASSED, 0))
    with owned(paper.project.run_lock(session.id), "the run"):
        shown = status(paper.project)
    assert [one.name for one in shown.environments] == ["production", "staging"]
    production = shown.environments[0]
    # No supervisor lives, and then no process is believed to run.
    assert (production.url, production.running, production.processes) == ("http://127.0.0.1:7", False, ())
    assert (production.roles, production.weight) == ({"stable": NEWER, "canary": OLDER}, 25)
    (run,) = shown.unfinished
    assert (run.run, run.command, run.result) == (session.id, "ship", "")
    assert run.owner


def test_processes_are_shown_with_the_keys_that_programs_read(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    with FileLock(started(paper) / SUPERVISOR_LOCK) as lock:
        assert lock.take()
        (environment,) = status(paper.project).environments
    assert environment.running
    (process,) = asdict(environment)["processes"]
    assert process == {
        "name": "newer.0", "group": "newer", "pid": 1, "state": "ready", "restarts": (1.0,), "crash_looping": False,
        "address": "127.0.0.1:9",
    }  # fmt: skip


def test_before_the_first_ship_there_is_nothing(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    assert status(paper.project).environments == ()
    assert status(paper.project).unfinished == ()


CLUSTER = "{platform: kubernetes, context: none, namespace: n, release: r, chart: charts/x}"


def test_an_environment_on_a_cluster_says_why_it_cannot_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    paper = Paper(tmp_path / "project")
    folder = started(paper)
    write_json(folder / CLUSTER_FILE, {"platform": "kubernetes", "context": "none", "namespace": "n", "release": "r"})
    shown = status(paper.project).environments
    assert [(one.name, one.platform) for one in shown] == [("production", "local"), ("production", "kubernetes")]
    assert "there is no kubeconfig" in shown[1].notes[0]


def test_a_machine_that_never_deployed_finds_the_clusters_of_pipeline_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    paper = Paper(tmp_path / "project")
    path = paper.project.root / "pipeline.yaml"
    environments = re.compile(r"^environments:.*$", re.MULTILINE)
    text = path.read_text()
    assert environments.search(text)
    path.write_text(environments.sub(f"environments: {{staging: {{}}, production: {CLUSTER}}}", text))
    (shown,) = status(paper.project).environments
    assert (shown.name, shown.platform, shown.running) == ("production", "kubernetes", False)
    assert "there is no kubeconfig" in shown.notes[0]


def test_runs_that_a_cluster_keeps_for_another_machine_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = Paper(tmp_path / "project")
    session = paper.session()
    write_json(paper.project.environment("production") / CLUSTER_FILE, {"platform": "kubernetes"})
    kept = ("20260302-120000-beefbee-bb", session.id)
    monkeypatch.setitem(OBSERVERS, "kubernetes", lambda path: EnvironmentStatus(path.name, kept=kept))
    (shown,) = status(paper.project).environments
    # The other one is this machine's, and is among the unfinished runs.
    assert shown.notes == (f"it keeps the run {kept[0]} of another machine: dawsos resume {kept[0]}",)
    assert session.id in {run.run for run in status(paper.project).unfinished}
