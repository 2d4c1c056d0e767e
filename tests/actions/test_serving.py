"""What serves an environment: the tool's own platform says it, or Flagger's primary does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.actions import serving
from dawsos.actions.serving import stable_of
from dawsos.errors import InfrastructureError
from dawsos.model.exports import Exports, FlaggerOptions, GatewayName
from dawsos.platforms.kubernetes.names import DEPLOYMENT, RELEASE
from support.flagger_world import DEPLOYMENTS, NAME, NAMESPACE, FlaggerWorld
from support.paper import URL, Paper
from support.world import COMMIT

OPTIONS = FlaggerOptions(
    deployment=NAME, namespace=NAMESPACE, hosts=("shop.test",), gateway=GatewayName(name="web", namespace="gateways")
)
PRIMARY = f"{DEPLOYMENTS}-primary"


def test_the_platform_s_stable_release_serves(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    release = paper.release()
    paper.serve(release)
    found = asyncio.run(stable_of(paper.tools, paper.pipeline, ("production", "")))
    assert (found.url, found.release.digest) == (URL, release.digest)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> FlaggerWorld:
    made = FlaggerWorld()

    @asynccontextmanager
    async def connected(context: str) -> AsyncIterator[FlaggerWorld]:
        yield made

    monkeypatch.setattr(serving, "connected", connected)
    return made


@pytest.fixture
def paper(tmp_path: Path, world: FlaggerWorld) -> Paper:
    made = Paper(tmp_path / "project")
    changes = {"platform": "kubernetes", "context": "here", "namespace": NAMESPACE, "driver": "flagger"}
    environments = {"production": made.pipeline.environments["production"].model_copy(update=changes)}
    made.pipeline = made.pipeline.model_copy(update={"environments": environments, "exports": Exports(flagger=OPTIONS)})
    made.tools = replace(made.tools, clock=world.clock)
    return made


def _primary(world: FlaggerWorld, release: str) -> None:
    """Let Flagger have promoted the release: its template is the primary's."""
    container = {"name": "backend", "image": "repo/shop@sha256:1", "env": [{"name": "DEPLOYMENT_ID", "value": "d1"}]}
    notes = {RELEASE: release, DEPLOYMENT: "d1", "flagger-id": "x"} if release else {}
    template = {
        "metadata": {"annotations": notes, "labels": {"app": f"{NAME}-primary", "team": "a"}},
        "spec": {"containers": [{"name": "beside", "image": "other"}, container]},
    }
    selector = {"matchLabels": {"app": f"{NAME}-primary"}}
    world.put(PRIMARY, {"metadata": {"name": f"{NAME}-primary"}, "spec": {"selector": selector, "template": template}})


def test_what_flagger_promoted_serves_and_no_chart_is_touched(paper: Paper, world: FlaggerWorld) -> None:
    release = paper.release()
    _primary(world, release.digest)
    before = dict(world.objects)
    found = asyncio.run(stable_of(paper.tools, paper.pipeline, ("production", "")))
    assert (found.url, found.release.digest, found.release.commit) == ("http://shop.test", release.digest, COMMIT)
    assert world.objects == before
    pod = asyncio.run(serving._template(NAMESPACE, f"{NAME}-primary", world.cluster))
    assert [each["name"] for each in pod["spec"]["containers"]] == ["backend"]
    assert pod["metadata"]["labels"] == {"team": "a"}


@pytest.mark.parametrize(("release", "told"), [(None, "no Deployment shop-primary"), ("", "its Deployment names none")])
def test_where_this_tool_brought_nothing_nothing_of_it_serves(
    paper: Paper, world: FlaggerWorld, release: str | None, told: str
) -> None:
    if release is not None:
        _primary(world, release)
    with pytest.raises(InfrastructureError, match=told):
        asyncio.run(stable_of(paper.tools, paper.pipeline, ("production", "")))
