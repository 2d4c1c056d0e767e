"""What the platform refuses without a cluster; tests/contracts/platform runs it on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import Cluster
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.service import Service
from dawsos.platforms.contract import EnvironmentSpec, PlatformHost
from dawsos.platforms.kubernetes.platform import KubernetesPlatform
from dawsos.platforms.kubernetes.routes import Route
from platforms.kubernetes.test_conducting import World


def _platform(folder: Path, **settings: str) -> KubernetesPlatform:
    masker = Masker()
    found = EnvironmentSettings.model_validate({"platform": "kubernetes", **settings})
    host = PlatformHost(
        "production", folder, SystemClock(), ProcessRunner(SystemClock(), masker), masker, found, folder
    )
    return KubernetesPlatform(host)


WHERE = {"context": "c", "namespace": "n", "release": "r", "chart": "chart"}


def test_settings_that_lack_a_key_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"environments\.production lacks context, namespace, release, chart"):
        _platform(tmp_path)


def test_an_environment_has_to_be_prepared_first(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="the environment production is not prepared"):
        asyncio.run(_platform(tmp_path, **WHERE).variables(None))


def test_a_context_that_is_not_in_the_kubeconfig_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="there is no kubeconfig"):
        asyncio.run(_platform(tmp_path, **WHERE).status())


def test_what_flagger_conducts_is_not_deployed_to(tmp_path: Path) -> None:
    platform = _platform(tmp_path, **WHERE, driver="flagger")
    spec = EnvironmentSpec(Service(project=".", requirements="r", command="c"), EnvironmentSettings())
    with pytest.raises(BadInput, match="driver: flagger: its Deployment is yours"):
        asyncio.run(platform.prepare(spec))


def test_whoever_withdraws_gives_the_lease_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, platform = World(), _platform(tmp_path, **{**WHERE, "namespace": "shop", "release": "shop-prod"})

    @asynccontextmanager
    async def here() -> AsyncIterator[Cluster]:
        yield world.objects.cluster

    async def scene() -> None:
        await platform.renew_lease(60)
        await platform.withdraw()
        theirs = world.conductor("r2")
        await theirs.begin(world.objects.cluster)
        assert world.fence == theirs.token

    monkeypatch.setattr(platform._connection, "open", here)
    asyncio.run(scene())
    assert world.clock.elapsed == 0


@pytest.mark.parametrize("lost", [False, True], ids=["never had the lease", "lost the lease"])
def test_whoever_does_not_conduct_the_rollout_takes_nothing_from_it(
    lost: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second controller was refused, and gave its traffic back: that of the first one."""
    world, platform = World(), _platform(tmp_path, **{**WHERE, "namespace": "shop", "release": "shop-prod"})

    @asynccontextmanager
    async def here() -> AsyncIterator[Cluster]:
        yield world.objects.cluster

    async def scene() -> None:
        theirs = world.conductor("r2")
        if lost:
            await platform.renew_lease(1)
            await world.clock.sleep(5)
        await theirs.begin(world.objects.cluster)
        world.gives(25)
        route = Route(world.objects.cluster, "shop", "shop-prod")
        await platform.withdraw()
        assert (await route.read()).weight == 25
        await theirs.end(world.objects.cluster)
        # Nobody conducts it: what nobody watches has no traffic.
        await platform.withdraw()
        assert (await route.read()).weight == 0

    monkeypatch.setattr(platform._connection, "open", here)
    asyncio.run(scene())
