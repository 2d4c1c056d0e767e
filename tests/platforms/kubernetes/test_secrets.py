"""The Secret of an environment: made once, completed, and the user's own only checked."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest

from dawsos.adapters.kubernetes import Object
from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentSettings
from dawsos.platforms.contract import EnvironmentSpec
from dawsos.platforms.kubernetes.names import Paths
from dawsos.platforms.kubernetes.secrets import completed, decoded, ensure, wanted
from fakes import VirtualClock
from support.workloads import SERVICE, TARGET, PaperCluster

PATH = Paths(TARGET.namespace).of("secrets", TARGET.secret)


def _spec(**settings: Any) -> EnvironmentSpec:
    service = SERVICE.model_copy(update={"secrets": ("JWT_SECRET",)})
    found = EnvironmentSettings(**settings)
    return EnvironmentSpec(service, found, {name: f"given {name}" for name in found.pass_env})


def test_names_are_those_of_the_service_the_passed_and_the_embedded_pair() -> None:
    assert wanted(_spec(services=("redis",), pass_env=("KEY",))) == (
        "JWT_SECRET",
        "KEY",
        "REDIS_PASSWORD",
        "REDIS_CONF",
    )


def test_what_is_kept_stays_what_is_given_replaces_and_the_rest_is_made() -> None:
    spec = _spec(services=("postgres", "redis"), pass_env=("KEY",))
    made = completed(spec, {"JWT_SECRET": "old", "KEY": "old", "OTHER": "x"})
    assert (made["JWT_SECRET"], made["KEY"], made["OTHER"]) == ("old", "given KEY", "x")
    # They become parts of URLs.
    assert all(set(made[name]) <= set("0123456789abcdef") for name in made if name.endswith("_PASSWORD"))
    assert made["REDIS_CONF"] == f"requirepass {made['REDIS_PASSWORD']}\n"
    assert completed(spec, made) == made


def test_it_is_made_once_and_the_same_values_come_back() -> None:
    async def scene() -> None:
        cluster = PaperCluster(VirtualClock())
        first = await ensure(cluster, TARGET, _spec())  # type: ignore[arg-type]
        assert await ensure(cluster, TARGET, _spec()) == first  # type: ignore[arg-type]
        more = await ensure(cluster, TARGET, _spec(pass_env=("KEY",)))  # type: ignore[arg-type]
        assert more == {**first, "KEY": "given KEY"}
        assert decoded(await cluster.get(PATH)) == more

    asyncio.run(scene())


def test_one_that_another_process_made_at_this_moment_counts() -> None:
    class Late(PaperCluster):
        async def create(self, path: str, body: Object) -> Object:
            if PATH not in self.objects:
                others = {**body, "data": {"JWT_SECRET": base64.b64encode(b"theirs").decode()}}
                self.put(PATH, others)
            return await super().create(path, body)

    async def scene() -> None:
        assert (await ensure(Late(VirtualClock()), TARGET, _spec()))["JWT_SECRET"] == "theirs"  # type: ignore[arg-type]

    asyncio.run(scene())


def test_a_secret_of_others_under_the_tool_s_name_is_left_alone() -> None:
    async def scene() -> None:
        cluster = PaperCluster(VirtualClock())
        cluster.put(PATH, {"metadata": {"name": TARGET.secret}, "data": {}})
        with pytest.raises(BadInput, match="is not dawsos's"):
            await ensure(cluster, TARGET, _spec())  # type: ignore[arg-type]

    asyncio.run(scene())


def test_the_user_s_own_is_only_checked() -> None:
    async def scene() -> None:
        cluster, own = PaperCluster(VirtualClock()), replace(TARGET, own_secret=True)
        with pytest.raises(BadInput, match="there is no Secret"):
            await ensure(cluster, own, _spec())  # type: ignore[arg-type]
        cluster.put(PATH, {"metadata": {"name": own.secret}, "data": {"X": "MQ=="}})
        with pytest.raises(BadInput, match="lacks JWT_SECRET"):
            await ensure(cluster, own, _spec())  # type: ignore[arg-type]
        cluster.put(PATH, {"metadata": {"name": own.secret}, "data": {"JWT_SECRET": "MQ=="}})
        assert await ensure(cluster, own, _spec()) == {"JWT_SECRET": "1"}  # type: ignore[arg-type]

    asyncio.run(scene())


def test_what_is_no_text_is_left_out() -> None:
    assert decoded({"data": {"A": "MQ==", "B": "/w=="}}) == {"A": "1"}
