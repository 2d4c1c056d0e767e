"""On a real cluster: the kubelet finds an imported image by its digest and runs it, and asks no registry."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.kubernetes import connected
from dawsos.model.release import BuiltImage
from dawsos.platforms.kubernetes.images import publish
from dawsos.platforms.kubernetes.target import Target
from support.cluster import Cluster as Existing
from support.images import kept_image
from support.oci import given

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(180)]


@pytest.fixture
def context(cluster: Existing) -> str:
    return cluster.context or cluster.kubectl("config", "current-context").strip()


async def status_of(context: str, namespace: str, image: str) -> dict[str, Any]:
    """Run a pod with ``image`` and return the status of its container as soon as it has one."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    container = {
        "name": "c",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/busybox", "sleep", "60"],
    }
    body = {"metadata": {"name": "p"}, "spec": {"containers": [container], "automountServiceAccountToken": False}}
    async with connected(context) as cluster:
        for _ in range(50):
            # The account of a new namespace is made a moment later.
            if await cluster.find(f"/api/v1/namespaces/{namespace}/serviceaccounts/default"):
                break
            await asyncio.sleep(0.2)
        await cluster.create(pods, body)
        for _ in range(300):
            found = await cluster.get(f"{pods}/p")
            for one in found["status"].get("containerStatuses") or ():
                state: dict[str, Any] = one
                if one.get("started") or "ErrImage" in str(one) or "Backoff" in str(one) or "BackOff" in str(one):
                    return state
            await asyncio.sleep(0.1)
    raise AssertionError(f"the pod does not start: {found['status']}")


def test_an_imported_image_runs_by_its_digest(cluster: Existing, context: str, namespace: str, tmp_path: Path) -> None:
    busybox = shutil.which("busybox")
    if busybox is None or not cluster.imports:
        pytest.skip("a static busybox and a command that imports images are needed")
    files = {"bin/busybox": Path(busybox).read_bytes(), "unique": secrets.token_bytes(16)}
    image = kept_image(tmp_path / "images", files=files)
    name = given(cluster, image, tmp_path)
    found = asyncio.run(status_of(context, namespace, name))
    assert "running" in found["state"], found
    # The kubelet says which image it really runs.
    assert found["imageID"] == name
    assert name.endswith(image.digest)


def test_a_statement_lies_where_it_is_looked_for_and_an_image_without_one_leaves_nothing(
    context: str, namespace: str
) -> None:
    target = Target(context, namespace, "shop", Path())
    path, hexadecimal = f"/api/v1/namespaces/{namespace}/configmaps", "ab" * 32

    async def scene() -> list[Any]:
        found = []
        async with connected(context) as cluster:
            for text in ("", "first", "second"):
                await publish(BuiltImage("backend", f"sha256:{hexadecimal}", Path(), text), cluster, target)
                kept = await cluster.find(f"{path}/dawsos-statement-{hexadecimal}")
                found.append(kept and kept["data"])
        return found

    assert asyncio.run(scene()) == [None, {"statement.json": "first"}, {"statement.json": "second"}]
