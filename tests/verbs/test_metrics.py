"""``metrics``: the page of a project, and the replicas that Prometheus shall scrape."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dawsos.adapters.locks import FileLock
from dawsos.adapters.pages import Page
from dawsos.errors import BadInput
from dawsos.platforms.contract import DeploymentStatus, EnvironmentStatus, ProcessStatus, Roles
from dawsos.platforms.local.locking import SUPERVISOR_LOCK
from dawsos.verbs import metrics as verb
from dawsos.verbs.metrics import listen, metrics, targets
from support.paper import Paper
from verbs.test_status import NEWER, started

Served = dict[str, Callable[[], Page]]


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path / "project")


@pytest.fixture
def served(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Return the pages that ``listen`` would serve."""
    kept: Served = {}

    async def serve(pages: Served, port: int, ready: Callable[[int], None]) -> None:
        kept.update(pages)
        ready(port)

    monkeypatch.setattr(verb, "serve_pages", serve)
    ports: list[int] = []
    listen(paper.project, 1234, ports.append)
    assert ports == [1234]
    return kept


def test_the_page_has_what_ran_and_what_is_known(paper: Paper) -> None:
    paper.session()
    page = metrics(paper.project)
    assert "ci_pipeline_runs_unfinished 1\n" in page
    assert 'ci_pipeline_stages_total{stage="uat",result="timeout"} 0\n' in page


def test_a_page_that_is_served_has_what_came_since(served: Served, paper: Paper) -> None:
    assert "ci_pipeline_runs_unfinished 0\n" in served["/metrics"]().text
    paper.session()
    page = served["/metrics"]()
    assert "ci_pipeline_runs_unfinished 1\n" in page.text
    assert page.kind.startswith("text/plain; version=0.0.4")
    assert served["/-/healthy"]().status == 200


def test_a_pipeline_that_is_changed_is_read_again_and_a_wrong_one_is_not_taken(served: Served, paper: Paper) -> None:
    path = paper.project.root / "pipeline.yaml"
    text = path.read_text()
    path.write_text(text.replace("id: chaos", "id: storm").replace("[chaos]", "[storm]"))
    os.utime(path, ns=(1, 1))
    assert 'stage="storm"' in served["/metrics"]().text
    path.write_text("version: 2\n")
    assert 'stage="storm"' in served["/metrics"]().text
    path.unlink()
    assert 'stage="storm"' in served["/metrics"]().text


def test_a_wrong_pipeline_is_told_at_the_start(paper: Paper) -> None:
    (paper.project.root / "pipeline.yaml").write_text("version: 2\n")
    with pytest.raises(BadInput):
        listen(paper.project, 0, lambda _port: None)


def test_replicas_are_served_for_discovery_while_they_are_there(served: Served, paper: Paper) -> None:
    page = served["/targets"]()
    assert (page.text, page.kind) == ("[]", "application/json; charset=utf-8")
    folder = started(paper)
    assert json.loads(served["/targets"]().text) == []  # no supervisor lives
    with FileLock(folder / SUPERVISOR_LOCK) as lock:
        assert lock.take()
        (group,) = json.loads(served["/targets"]().text)
    assert group["targets"] == ["127.0.0.1:9"]
    assert group["labels"] == {
        "environment": "production", "deployment": "tiny-stable", "release": NEWER, "__metrics_path__": "/metrics",
    }  # fmt: skip


def _seen(*states: str) -> EnvironmentStatus:
    processes = tuple(
        ProcessStatus(f"{deployment}.{number}", deployment, 1, state, address=f"{deployment}:{number}")
        for deployment in ("old", "new", "before", "other")
        for number, state in enumerate(states)
    )
    worker = ProcessStatus("new.queue", "new", 1, "ready")
    deployments = {name: DeploymentStatus(name, f"r-{name}") for name in ("old", "new", "before", "other")}
    return EnvironmentStatus("eu", True, "", Roles("old", "new", "before", 5), deployments, (*processes, worker))


def test_each_role_is_a_group_and_a_deployment_without_a_role_is_none(paper: Paper) -> None:
    groups = targets(paper.pipeline, [_seen("ready", "unready")])
    shown = [(group["targets"], group["labels"]["deployment"], group["labels"]["release"]) for group in groups]
    assert shown == [
        (["old:0", "old:1"], "tiny-stable", "r-old"),
        (["new:0", "new:1"], "tiny-canary", "r-new"),
        (["before:0", "before:1"], "tiny-standby", "r-before"),
    ]


def test_a_replica_that_is_gone_is_no_target(paper: Paper) -> None:
    groups = targets(paper.pipeline, [_seen("dead", "ready", "starting")])
    assert [group["targets"] for group in groups] == [["old:1"], ["new:1"], ["before:1"]]
    assert targets(paper.pipeline, [_seen("dead")]) == []
