"""On a real cluster: the kubelet finds an imported image by its digest and runs it, and asks no registry."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import connected
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.cluster import Delivery
from dawsos.model.release import BuiltImage
from dawsos.platforms.kubernetes.images import deliver, publish
from dawsos.platforms.kubernetes.target import Target
from support.images import kept_image

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(120)]


def importing() -> str:
    """Return the command that gives an image to the nodes; skips where there is none."""
    tools = Path(os.environ.get("DAWSOS_KUBERNETES") or "/nowhere")
    given = os.environ.get("DAWSOS_CLUSTER_IMPORT")
    if given:
        return given
    if not (tools / "nin").exists():
        pytest.skip("DAWSOS_KUBERNETES or DAWSOS_CLUSTER_IMPORT is needed")
    return f"{tools / 'nin'} ctr -n k8s.io images import -"


@pytest.fixture(scope="module")
def context() -> str:
    if not os.environ.get("DAWSOS_KUBERNETES") or shutil.which("kubectl") is None:
        pytest.skip("DAWSOS_KUBERNETES and a kubeconfig with a cluster are needed")
    argv = ("kubectl", "config", "current-context")
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def namespace(context: str) -> Iterator[str]:
    name = f"images-{secrets.token_hex(3)}"

    async def change(*, make: bool) -> None:
        async with connected(context) as cluster:
            if make:
                await cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
            else:
                await cluster.delete(f"/api/v1/namespaces/{name}")

    asyncio.run(change(make=True))
    try:
        yield name
    finally:
        asyncio.run(change(make=False))


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


def test_an_imported_image_runs_by_its_digest(context: str, namespace: str, tmp_path: Path) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("a static busybox is needed")
    files = {"bin/busybox": Path(busybox).read_bytes(), "unique": secrets.token_bytes(16)}
    image = kept_image(tmp_path / "images", files=files)
    runner, log = ProcessRunner(SystemClock(), Masker(())), tmp_path / "log"
    name = asyncio.run(deliver(image, Delivery.model_validate({"import": importing()}), runner, log, root=tmp_path))
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
