"""The pod of a conductor gets the files of the commit from ConfigMaps and finds out what it lacks."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters import git
from dawsos.adapters.commit_pack import packed
from dawsos.adapters.kubernetes import Unreachable
from dawsos.errors import InfrastructureError
from dawsos.platforms.contract import Handed
from dawsos.platforms.kubernetes import receiving
from dawsos.platforms.kubernetes.job_objects import source_parts
from dawsos.platforms.kubernetes.names import Paths
from dawsos.platforms.kubernetes.target import Target
from support.memory_objects import MemoryObjects

TARGET = Target("dawsos", "shop", "shop-prod", Path())


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> MemoryObjects:
    made: Any = MemoryObjects()
    made.server = "https://10.0.0.1:443"

    @asynccontextmanager
    async def connected(_context: str) -> AsyncIterator[Any]:
        yield made

    monkeypatch.setattr(receiving, "connected", connected)
    monkeypatch.setattr(receiving, "_PAUSE", 0.01)
    monkeypatch.setattr(receiving, "_PATIENCE", 0.05)
    found: MemoryObjects = made
    return found


def test_the_pod_has_a_repository_with_the_commit_and_a_kubeconfig_that_is_itself(
    objects: MemoryObjects, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "pipeline.yaml").write_text("version: 2\n")
    own = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for words in (("init", "--quiet"), ("add", "."), (*own, "commit", "--quiet", "-m", "first")):
        subprocess.run(["git", *words], cwd=source, check=True)
    sha = git.commit(source).sha
    job = {"metadata": {"name": "job", "uid": "uid", "labels": {}}}
    for part in source_parts(job, Handed("run", sha, packed(source, sha), "", "")):
        objects.put(Paths("shop").of("configmaps", part["metadata"]["name"]), part)
    for _ in range(2):  # a second pod begins anew
        asyncio.run(receiving.receive(TARGET, "job", sha, tmp_path))
    assert (tmp_path / "project" / "pipeline.yaml").read_text() == "version: 2\n"
    told = json.loads((tmp_path / "kubeconfig").read_text())
    assert told["current-context"] == "dawsos"
    assert told["clusters"][0]["cluster"]["server"] == "https://10.0.0.1:443"


def test_a_cluster_without_the_files_is_an_error(objects: MemoryObjects, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="does not have the files of the commit"):
        asyncio.run(receiving.receive(TARGET, "job", "c" * 40, tmp_path))
    objects.away = True
    with pytest.raises(Unreachable):
        asyncio.run(receiving.receive(TARGET, "job", "c" * 40, tmp_path))


def test_programs_variables_and_rights_that_are_missing_are_told_at_once(
    objects: MemoryObjects, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def allowed(_namespace: str, verb: str, resource: str, *, group: str = "", name: str = "") -> bool:
        return not (resource == "jobs" and verb == "create")

    async def rules(_namespace: str) -> list[Any]:
        return []

    monkeypatch.setattr(objects, "allowed", allowed, raising=False)
    monkeypatch.setattr(objects, "rules", rules, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TOKEN", raising=False)
    told = asyncio.run(receiving.faults("shop", None, ["TOKEN"]))
    assert told[:4] == [
        "its image has no git", "its image has no helm", "its image has no kubectl", "its Secret has no TOKEN",
    ]  # fmt: skip
    assert "its ServiceAccount" in told[4]
    assert "jobs in shop: create" in told[4]
