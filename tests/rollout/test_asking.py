"""A canary that does not say what pipeline.yaml says of it gets no traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from actions.test_commands import evidence
from dawsos.actions.rollout import roll_out_admitted
from dawsos.adapters.http import Response
from dawsos.errors import ReleaseFailed
from dawsos.model.release import Release
from dawsos.rollout.asking import must_say_so
from support.memory_platform import says_so
from support.paper import Paper


def asked(paper: Paper) -> None:
    platform, release = paper.platform(), paper.release()
    asyncio.run(platform.deploy("canary", release))
    asyncio.run(must_say_so(platform, paper.pipeline.service, "canary", release.commit, paper.clock))


def test_a_release_that_says_what_it_should_goes_on(tmp_path: Path) -> None:
    asked(Paper(tmp_path / "project", {"metrics": "/metrics"}))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"OK", "health is '200', wanted '200 healthy'"),
        (b'{"status": "healthy"}', "version is '', wanted 'c0ffee"),
        (b'{"status": "healthy", "version": "1.2.3"}', "version is '1.2.3', wanted 'c0ffee"),
    ],
)
def test_what_it_lacks_is_named(body: bytes, words: str, tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    paper.production.own_pages = lambda *_: Response(200, {}, body)
    with pytest.raises(ReleaseFailed, match=words):
        asked(paper)


def test_metrics_that_are_declared_and_not_there_are_named(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project", {"healthy": "any", "version": "none", "metrics": "/metrics"})
    paper.production.own_pages = lambda *_: Response(200, {}, b"")
    with pytest.raises(ReleaseFailed, match="metrics is '200 without http_requests_total'"):
        asked(paper)


def test_a_release_that_says_it_a_little_later_is_waited_for(tmp_path: Path) -> None:
    paper, answers = Paper(tmp_path / "project"), [503] * 5

    def starting(release: Release, request: str, headers: Mapping[str, str]) -> Response:
        return Response(answers.pop(), {}, b"") if answers else says_so(release, request, headers)

    paper.production.own_pages = starting
    asked(paper)
    assert answers == []


def test_a_replica_that_cannot_be_asked_from_here_fails_nothing(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    paper.production.own_pages = lambda *_: None
    asked(paper)


def test_a_rollout_of_such_a_release_does_not_begin(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    paper.serve(paper.release("1"))
    session, release = paper.session(), paper.release("2")
    paper.built(session, release)
    paper.production.own_pages = lambda *_: Response(200, {}, b"OK")
    work = paper.attempt(session, "canary")
    with pytest.raises(ReleaseFailed, match="it got no traffic"):
        asyncio.run(roll_out_admitted(paper.context(session), work))
    assert evidence(work, "rollout.json")["outcome"] == "not started"
    assert tuple(paper.production.deployments) == ("old",)
    assert session.state.rollout is None
