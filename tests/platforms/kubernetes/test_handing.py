"""The Job of a run: what hinders it is told beforehand or at its beginning, and then no Job is left."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dawsos import __version__
from dawsos.adapters.kubernetes import Object
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.platforms.contract import Handed, PlatformHost
from dawsos.platforms.kubernetes import handing
from dawsos.platforms.kubernetes.handing import ClusterJobs
from dawsos.platforms.kubernetes.job_objects import LARGEST, OF_JOB
from dawsos.platforms.kubernetes.names import Paths
from fakes import VirtualClock
from support.memory_objects import MemoryObjects

RUN, NAMESPACE = "20260301-120000-c0ffee0-aa", "shop"
PATHS = Paths(NAMESPACE)
HANDED = Handed(RUN, "c" * 40, b"pack", "", "PUBLIC")
SETTINGS = {
    "platform": "kubernetes", "context": "c", "namespace": NAMESPACE, "release": "shop", "chart": "chart",
    "in_cluster": {"image": "localhost/tool:latest"},
}  # fmt: skip


class Cluster(MemoryObjects):
    """A cluster that makes a pod for each Job as soon as it is asked for pods; ``pod`` is its status, ``log`` what it prints."""

    def __init__(self, log: str = "", **status: Any) -> None:
        super().__init__()
        self.log, self.status = log, status
        self.put(PATHS.of("serviceaccounts", "dawsos"), {})

    async def list(self, path: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        for job in [one for where, one in self.objects.items() if "/jobs/" in where]:
            where = PATHS.of("pods", f"{job['metadata']['name']}-pod")
            if not job["spec"].get("suspend") and where not in self.objects:
                meta = {
                    "labels": {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": job["metadata"]["name"]}
                }
                self.put(where, {"metadata": meta, "status": self.status})
        return await super().list(path, labels)

    async def delete(self, path: str, *, propagation: str = "Background") -> bool:
        for where in [
            each
            for each in self.objects
            if each.startswith(path.replace("/apis/batch/v1", "/api/v1").replace("/jobs/", "/pods/"))
        ]:
            del self.objects[where]
        return await super().delete(path)

    async def lines(
        self, _path: str, _params: Mapping[str, str] | None = None, *, quiet: float | None = None
    ) -> AsyncGenerator[str]:
        for line in self.log.splitlines():
            yield line


def running(name: str = "conduct") -> Object:
    return {"containerStatuses": [{"name": name, "state": {"running": {}}}]}


def ended(log: str, code: int = 0) -> Cluster:
    return Cluster(log, containerStatuses=[{"name": "command", "state": {"terminated": {"exitCode": code}}}])


def jobs(cluster: Cluster, tmp_path: Path, settings: Mapping[str, Any] = SETTINGS) -> ClusterJobs:
    clock, masker = VirtualClock(), Masker()
    found = EnvironmentSettings.model_validate(dict(settings))
    host = PlatformHost("production", tmp_path, clock, ProcessRunner(clock, masker), masker, found, tmp_path)
    made = ClusterJobs.of(host)
    return ClusterJobs(cluster.cluster, made.target, made.settings, made.gateway, made.passed, made.tokens, made.host)


def told(**more: Any) -> str:
    return json.dumps({"version": __version__, "public": "PUBLIC", "told": [], **more})


def test_an_environment_without_an_image_for_it_is_refused(tmp_path: Path) -> None:
    settings = {key: value for key, value in SETTINGS.items() if key != "in_cluster"}
    with pytest.raises(BadInput, match=r"environments\.production\.in_cluster does not say which image"):
        jobs(Cluster(), tmp_path, settings)


def test_a_job_that_could_conduct_a_rollout_says_with_which_key(tmp_path: Path) -> None:
    cluster = ended(f"a warning\n{told()}\n")
    assert asyncio.run(jobs(cluster, tmp_path).check()) == "PUBLIC"
    assert not [where for where in cluster.objects if "/jobs/" in where]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            told(told=["its image has no helm", "its Secret has no TOKEN"]),
            "its image has no helm.*its Secret has no TOKEN",
        ),
        (told(version="0.0.9"), r"has version 0\.0\.9 of this tool"),
        ("Traceback\nImportError: no module", "cannot conduct a rollout.*ImportError: no module"),
        ("", "cannot conduct a rollout"),
    ],
)
def test_what_it_lacks_is_bad_input(tmp_path: Path, log: str, words: str) -> None:
    with pytest.raises(BadInput) as error:
        asyncio.run(jobs(ended(log), tmp_path).check())
    assert re.search(words, error.value.message, re.DOTALL), error.value.message


def test_an_image_that_is_not_there_and_an_account_that_is_not_there_are_told(tmp_path: Path) -> None:
    waits = {"reason": "ErrImagePull", "message": "no such image"}
    cluster = Cluster("", containerStatuses=[{"name": "command", "state": {"waiting": waits}}])
    with pytest.raises(BadInput, match="ErrImagePull: no such image"):
        asyncio.run(jobs(cluster, tmp_path).check())
    cluster.drop(PATHS.of("serviceaccounts", "dawsos"))
    with pytest.raises(BadInput, match="there is no ServiceAccount shop/dawsos"):
        asyncio.run(jobs(cluster, tmp_path).check())


def test_a_job_that_begins_has_the_files_of_the_commit_and_is_found_by_its_run(tmp_path: Path) -> None:
    async def scene() -> None:
        cluster = Cluster("one\ntwo", **running())
        made = jobs(cluster, tmp_path)
        assert (await made.find(RUN)).state == "none"
        begun = await made.start(HANDED)
        assert begun.follow.endswith(f"logs -f job/{begun.name}")
        assert await made.find(RUN) == begun
        assert await cluster.list(PATHS.of("configmaps"), {OF_JOB: begun.name})
        path = PATHS.of("jobs", begun.name)
        job = await cluster.get(path)
        job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
        cluster.put(path, job)
        assert [line async for line in made.follow(RUN)] == ["one", "two"]
        assert (await made.find(RUN)).state == "ended"
        await made.end(RUN)
        assert (await made.find(RUN)).state == "none"

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            {
                "initContainerStatuses": [
                    {"name": "receive", "state": {"terminated": {"exitCode": 3, "message": "no files"}}}
                ]
            },
            "does not begin: no files",
        ),
        (
            {"containerStatuses": [{"name": "conduct", "state": {"waiting": {"reason": "ErrImagePull"}}}]},
            "ErrImagePull",
        ),
        ({}, "has not begun after 120 s"),
    ],
)
def test_of_a_job_that_does_not_begin_nothing_is_left(tmp_path: Path, status: Object, words: str) -> None:
    cluster = Cluster("", **status)
    with pytest.raises(InfrastructureError, match=words):
        asyncio.run(jobs(cluster, tmp_path).start(HANDED))
    assert not [where for where in cluster.objects if "/jobs/" in where]


def test_a_commit_that_is_too_large_for_a_cluster_is_told_before_a_job_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing, "LARGEST", 10)
    cluster = Cluster("", **running())
    assert LARGEST > 10
    with pytest.raises(InfrastructureError, match="the files of the commit are"):
        asyncio.run(jobs(cluster, tmp_path).start(Handed(RUN, "c" * 40, b"p" * 11, "", "")))
    assert not [where for where in cluster.objects if "/jobs/" in where]
