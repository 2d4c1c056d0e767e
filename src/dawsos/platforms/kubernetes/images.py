"""Brings images to a cluster: to a registry, or by a command that gives them to the nodes; always by their digest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from dawsos.adapters import oci
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.docker_config import Credentials, credentials
from dawsos.adapters.files import tail
from dawsos.adapters.kubernetes import Cluster
from dawsos.adapters.oci import Manifest
from dawsos.adapters.registry import Registry, place_of
from dawsos.adapters.scratch import owned_folder
from dawsos.errors import InfrastructureError
from dawsos.model.cluster import Delivery
from dawsos.model.names import STATEMENT_KEY, statement_name
from dawsos.model.process import Command
from dawsos.model.release import BuiltImage
from dawsos.platforms.kubernetes.names import INSTANCE, MANAGED_BY, Paths
from dawsos.platforms.kubernetes.target import Target
from dawsos.ports import Runner

# Seconds for the command that imports one image.
_BUDGET = 600.0
# What an imported image is called: no registry is asked for a name that begins like this.
_LOCAL = "localhost/dawsos"
# Where Docker has the certificates of registries, one folder a registry.
_CERTIFICATES = Path("/etc/docker/certs.d")
# What the tools that reach the nodes of a cluster need to find it.
_GIVEN = ("PATH", "HOME", "USER", "LANG", "KUBECONFIG", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "TMPDIR")
_GIVEN_PREFIXES = (
    "DOCKER_",
    "CONTAINER_",
    "CONTAINERD_",
    "MINIKUBE_",
    "K3S_",
    "K8S_",
    "KIND_",
    "DAWSOS_CLUSTER",
    "DAWSOS_KUBERNETES",
)


async def deliver(image: BuiltImage, delivery: Delivery, runner: Runner, log: Path, *, root: Path | None = None) -> str:
    """Bring the image to where ``delivery`` says, and return by what name the cluster finds it: ``repository@sha256:...``.

    The image is compared with its digest before anything of it leaves this machine; what is there already is not sent again.  ``log``
    gets a line for each thing that is done.  ``root`` is where an import command runs.  Raises InfrastructureError when the image
    was altered, when the registry refuses it or when the command fails, and BadInput for a registry that is none.
    """
    manifest = await asyncio.to_thread(oci.verify, image.layout, image.digest)
    log.parent.mkdir(parents=True, exist_ok=True)
    if delivery.registry is not None:
        return await _pushed(image, manifest, delivery.registry, log)
    return await _imported(image, manifest, str(delivery.import_), (runner, log, root or Path.cwd()))


async def _pushed(image: BuiltImage, manifest: Manifest, where: str, log: Path) -> str:
    place = place_of(where)
    repository = place.repository(image.name)

    async def ask() -> Credentials | None:
        return await credentials(place.host, repository, os.environ, Path.home())

    folder = _CERTIFICATES / place.host
    registry = Registry(place, ask, SystemClock(), certificates=tuple(sorted(folder.glob("*.crt"))))
    with log.open("a", encoding="utf-8") as lines:
        try:
            await registry.push(manifest, repository, tag_of(image.digest), lambda line: print(line, file=lines))
        finally:
            await registry.close()
    return f"{place.host}/{repository}@{image.digest}"


def tag_of(digest: str) -> str:
    """Return the tag that an image has in a registry, beside its digest: many remove what has none."""
    return f"dawsos-{digest.removeprefix('sha256:')[:16]}"


async def _imported(image: BuiltImage, manifest: Manifest, command: str, tools: tuple[Runner, Path, Path]) -> str:
    runner, log, root = tools
    name = f"{_LOCAL}-{image.name}@{image.digest}"
    with owned_folder(log.parent, "image-") as folder:
        archive = folder / f"{image.name}.tar"
        await asyncio.to_thread(oci.write_archive, archive, manifest, name)
        # The shell opens the archive, so that the command reads it whatever it is made of.
        argv = ("sh", "-c", 'exec <"$1"; eval "$2"', "import", str(archive), command)
        outcome = await runner.run(Command(argv, str(root), given(os.environ), str(log), _BUDGET))
    if outcome.classification != "ok":
        said = "".join(f"\n    {line}" for line in tail(log, 6))
        raise InfrastructureError(
            f"image {image.name} did not get to the cluster: `{command}` failed ({outcome.message}){said}",
            fix="images.import must read an OCI archive on standard input, for example: ctr -n k8s.io images import -",
        )
    return name


def given(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that an import command gets: how to reach the nodes, and nothing else of the caller's."""
    return {name: value for name, value in environment.items() if name in _GIVEN or name.startswith(_GIVEN_PREFIXES)}


async def publish(image: BuiltImage, cluster: Cluster, target: Target) -> None:
    """Put what is signed about the image where the cluster's admission service looks for it, if anything is.

    It must be there before a pod with the image is made.  Raises what ``Cluster`` raises.
    """
    if not image.statement:
        return
    name, labels = statement_name(image.digest), {INSTANCE: target.release, MANAGED_BY: "dawsos"}
    await cluster.patch(
        Paths(target.namespace).of("configmaps", name),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": target.namespace, "labels": labels},
            "data": {STATEMENT_KEY: image.statement},
        },
        "apply",
    )
