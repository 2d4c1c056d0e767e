"""A deployment takes the place of the one before, step by step, and leaves evidence of its health."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actions.test_commands import changed, evidence
from dawsos.actions import deploy as deploying
from dawsos.actions.deploy import deploy_release
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.model.service import Service
from dawsos.model.status import StageState
from dawsos.platforms.contract import DeploymentStatus, EnvironmentStatus, Roles
from dawsos.releases import bundle as releases
from dawsos.runs.recorder import Session
from support.paper import URL, Paper
from support.world import COMMIT

SERVICE = Service(project=".", requirements="r", command="c")


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    return Paper(tmp_path / "project")


def deployed(paper: Paper, monkeypatch: pytest.MonkeyPatch, text: str = "1") -> tuple[Session, StageAttempt]:
    """Deploy a release to staging."""

    async def get(url: str) -> dict[str, Any]:
        return {"url": url, "status_code": 200, "error": "", "body": {"status": "healthy"}}

    monkeypatch.setattr(deploying, "get", get)
    session = paper.session(f"20260301-120000-c0ffee0-{text * 2}")
    paper.built(session, paper.release(text))
    work = changed(paper.attempt(session, "canary"), environment="staging")
    assert asyncio.run(deploy_release(paper.context(session), work)) == StageOutcome(StageState.PASSED)
    return session, work


def test_a_deployment_takes_the_place_of_the_one_before(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    staging = paper.environments["staging"]
    deployed(paper, monkeypatch, "1")
    (first,) = staging.deployments
    session, work = deployed(paper, monkeypatch, "2")
    (second,) = staging.deployments
    assert second != first
    assert staging.roles == Roles(second, None, None, 0)
    assert [step["name"] for step in evidence(work)] == ["migrate", "seed", "start", "jobs before traffic"]
    health = evidence(work, "health.json")
    assert (health["url"], health["expected_version"]) == (f"{URL}/health", COMMIT)
    assert (health["replicas"], health["ready"], health["crash_looping"]) == (1, 1, False)
    assert session.state.deployments[-1].deployment == second


def test_what_serves_already_is_kept(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = deployed(paper, monkeypatch)
    before = dict(paper.environments["staging"].deployments)
    again = paper.session("20260302-120000-c0ffee0-zz")
    paper.built(again, releases.load(paper.project.releases, session.state.release))
    asyncio.run(deploy_release(paper.context(again), changed(paper.attempt(again, "canary"), environment="staging")))
    assert list(paper.environments["staging"].deployments) == list(before)


def test_a_migration_that_fails_is_the_last_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper(tmp_path / "project", {"migrate": "sh -c 'echo no such table; exit 1'"})
    session = paper.session()
    paper.built(session, paper.release())
    work = changed(paper.attempt(session, "canary"), environment="staging")
    with pytest.raises(ReleaseFailed, match="no such table"):
        asyncio.run(deploy_release(paper.context(session), work))
    (step,) = evidence(work)
    assert (step["name"], step["classification"]) == ("migrate", "failed")
    assert any("no such table" in line for line in step["tail"])
    assert paper.environments["staging"].deployments == {}


def test_health_counts_replicas_and_names_workers_that_are_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[dict[str, Any]] = [
        {"status_code": None, "error": "refused", "body": None},
        {"status_code": 200, "error": "", "body": {}},
    ]

    async def get(url: str) -> dict[str, Any]:
        return {"url": url, **(answers.pop(0) if len(answers) > 1 else answers[0])}

    async def at_once(seconds: float) -> None: ...

    monkeypatch.setattr(deploying, "get", get)
    monkeypatch.setattr(asyncio, "sleep", at_once)
    seen = DeploymentStatus("d1", "r", 2, 1, ("d1.queue",), 3, crash_looping=True)
    status = EnvironmentStatus("production", True, URL, deployments={"d1": seen})
    told = asyncio.run(deploying.health_of(status, "d1", SERVICE, COMMIT))
    assert (told["status_code"], told["replicas"], told["ready"]) == (200, 2, 1)
    assert (told["workers_not_ready"], told["restarts"], told["crash_looping"]) == (["d1.queue"], 3, True)


def test_a_job_before_traffic_that_fails_leaves_the_release_before_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {"name": "pack", "run": "sh -c 'test ! -e broken || { echo no prices; exit 3; }'"}
    paper = Paper(tmp_path / "project", {"jobs": [job], "before_traffic": ["pack"]})
    staging = paper.environments["staging"]
    deployed(paper, monkeypatch, "1")
    before = (staging.roles, list(staging.deployments))
    (paper.project.environment("staging") / "broken").touch()
    session = paper.session("20260302-120000-c0ffee0-22")
    paper.built(session, paper.release("2"))
    work = changed(paper.attempt(session, "canary"), environment="staging")
    with pytest.raises(ReleaseFailed, match="no prices"):
        asyncio.run(deploy_release(paper.context(session), work))
    assert (staging.roles, list(staging.deployments)) == before
    assert [step["classification"] for step in evidence(work)] == ["ok", "ok", "ok", "failed"]
    # What serves already is not taken away because a job of it fails when it is deployed again.
    again = paper.session("20260303-120000-c0ffee0-33", options={"no_cache": True})
    paper.built(again, paper.release("1"))
    with pytest.raises(ReleaseFailed, match="no prices"):
        asyncio.run(
            deploy_release(paper.context(again), changed(paper.attempt(again, "canary"), environment="staging"))
        )
    assert (staging.roles, list(staging.deployments)) == before


def test_what_was_deployed_with_the_same_settings_is_only_asked_for_its_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrations, seed and jobs of a release that serves took five seconds of each ship that changed nothing."""
    paper = Paper(tmp_path / "project", {"migrate": "sh -c 'echo once more >> migrated'"})
    staging = paper.environments["staging"]
    before, _ = deployed(paper, monkeypatch, "1")
    release = releases.load(paper.project.releases, before.state.release)
    (first,) = staging.deployments

    def again(run: str, **facts: Any) -> list[str]:
        session = paper.session(run, **facts)
        paper.built(session, release)
        work = changed(paper.attempt(session, "canary"), environment="staging")
        context = paper.context(session)
        assert asyncio.run(deploy_release(context, work)) == StageOutcome(StageState.PASSED)
        assert evidence(work, "health.json")["ready"] == 1
        assert session.state.deployments[-1].deployment == first
        return [step["name"] for step in evidence(work)]

    def migrations() -> int:
        return len((paper.project.environment("staging") / "migrated").read_text().splitlines())

    done = migrations()
    # What a deployment that was killed half-way left behind goes all the same.
    staging.deployments["left-behind"] = staging.deployments[first]
    assert again("20260302-120000-c0ffee0-22") == [deploying._SETTLED]
    assert (migrations(), list(staging.deployments)) == (done, [first])
    whole = ["migrate", "seed", "start", "jobs before traffic"]
    assert again("20260303-120000-c0ffee0-33", options={"no_cache": True}) == whole
    assert again("20260304-120000-c0ffee0-44", profile="") == whole
    assert migrations() == done + 2
