"""An image gets to the cluster as it was built, and by the name under which the cluster finds it."""

from __future__ import annotations

import asyncio
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.cluster import Delivery
from dawsos.model.release import BuiltImage
from dawsos.platforms.kubernetes.images import deliver, given, publish, tag_of
from dawsos.platforms.kubernetes.names import INSTANCE, MANAGED_BY
from dawsos.platforms.kubernetes.target import Target
from fakes import VirtualClock
from support.images import altered, kept_image
from support.memory_cluster import NAMESPACE, RELEASE, MemoryCluster
from support.registry import SmallRegistry


@pytest.fixture
def image(tmp_path: Path) -> BuiltImage:
    return kept_image(tmp_path / "images")


def brought(image: BuiltImage, folder: Path, **how: str) -> str:
    runner = ProcessRunner(SystemClock(), Masker(()))
    delivery = Delivery.model_validate(how)
    return asyncio.run(deliver(image, delivery, runner, folder / "logs" / "deliver.log", root=folder))


def test_an_import_command_reads_an_archive_with_the_name_that_is_returned(image: BuiltImage, tmp_path: Path) -> None:
    name = brought(image, tmp_path, **{"import": "cat > imported.tar && echo taken"})
    assert name == f"localhost/dawsos-backend@{image.digest}"
    with tarfile.open(tmp_path / "imported.tar") as archive:
        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == name
    assert (tmp_path / "logs" / "deliver.log").read_text() == "taken\n"
    # Nothing of the archive is left beside the log.
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["deliver.log"]


def test_an_import_command_that_fails_is_told_with_its_words(image: BuiltImage, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="no such node") as failed:
        brought(image, tmp_path, **{"import": "echo no such node; exit 3"})
    assert "`echo no such node; exit 3` failed (exit code 3)" in failed.value.message
    with pytest.raises(InfrastructureError, match="no-such-program"):
        brought(image, tmp_path, **{"import": "no-such-program import -"})


def test_an_altered_image_goes_nowhere(image: BuiltImage, tmp_path: Path) -> None:
    altered(image.layout / "blobs" / "sha256" / image.digest.removeprefix("sha256:"))
    for how in ({"import": "touch imported"}, {"registry": "registry.invalid/team"}):
        with pytest.raises(InfrastructureError, match="was altered after it was built"):
            brought(image, tmp_path, **how)
    assert not (tmp_path / "imported").exists()


def test_an_import_command_gets_what_leads_to_the_nodes_and_no_key() -> None:
    caller = {
        "PATH": "/bin", "HOME": "/root", "KUBECONFIG": "/k", "DOCKER_HOST": "unix:///d", "DAWSOS_SIGNING_KEY": "k",
        "OPENAI_API_KEY": "k", "AWS_SECRET_ACCESS_KEY": "k",
    }  # fmt: skip
    assert given(caller).keys() == {"PATH", "HOME", "KUBECONFIG", "DOCKER_HOST"}


def test_what_is_no_registry_is_bad_input(image: BuiltImage, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no place in a registry"):
        brought(image, tmp_path, registry="team/backend")


@pytest.mark.e2e
def test_a_registry_gets_the_image_and_the_log_says_so(image: BuiltImage, tmp_path: Path) -> None:
    small = SmallRegistry()

    async def push() -> str:
        async with small.serving():
            runner = ProcessRunner(SystemClock(), Masker(()))
            return await deliver(image, Delivery(registry=f"{small.host}/team"), runner, tmp_path / "deliver.log")

    assert asyncio.run(push()) == f"{small.host}/team/backend@{image.digest}"
    assert image.digest in small.manifests
    assert tag_of(image.digest) in small.manifests
    assert "pushed" in (tmp_path / "deliver.log").read_text()


def test_what_is_signed_about_an_image_lies_in_the_namespace_with_the_labels_of_the_release(tmp_path: Path) -> None:
    cluster, target = MemoryCluster(VirtualClock()), Target("c", NAMESPACE, RELEASE, tmp_path)
    image = BuiltImage("backend", "sha256:" + "ab" * 32, tmp_path)
    asyncio.run(publish(image, cluster, target))  # type: ignore[arg-type]
    assert cluster.objects == {}
    for text in ("first", "second"):
        asyncio.run(publish(replace(image, statement=text), cluster, target))  # type: ignore[arg-type]
        ((path, kept),) = cluster.objects.items()
        assert path.endswith(f"/{NAMESPACE}/configmaps/dawsos-statement-{'ab' * 32}")
        assert kept["data"] == {"statement.json": text}
        # By these the end of the environment finds it.
        assert kept["metadata"]["labels"] == {INSTANCE: RELEASE, MANAGED_BY: "dawsos"}
