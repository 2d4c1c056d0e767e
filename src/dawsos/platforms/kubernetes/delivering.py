"""The images of a release by the names under which a cluster finds them, and what the chart is told of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawsos.errors import BadInput, ReleaseFailed
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.release import Release
from dawsos.platforms.kubernetes.images import deliver
from dawsos.ports import Runner


def known_images(release: Release, live: Mapping[str, Any]) -> dict[str, str]:
    """Return image name -> reference where a deployment of ``live`` runs this very release already; nothing else.

    What somebody exchanged beside this tool is not the release, whatever its annotation says.
    """
    digests = {image.name: image.digest for image in release.images}
    for entry in live.values():
        images = {str(name): str(reference) for name, reference in entry["images"].items()}
        if entry["release"] != release.digest or not images:
            continue
        if all("@" in each for each in images.values()) and all(
            images.get(name, digest).endswith(digest) for name, digest in digests.items()
        ):
            return images
    return {}


async def images_of(
    release: Release, settings: EnvironmentSettings, live: Mapping[str, Any], tools: tuple[Runner, Path, Path]
) -> dict[str, str]:
    """Return image name -> ``repository@sha256:...`` of the release, brought to the cluster unless it runs there.

    ``tools`` are the runner, the log and the folder in which an import command runs.  Raises ReleaseFailed for a release without
    images, BadInput when nothing says how they get to the cluster, InfrastructureError when they do not get there.
    """
    found = known_images(release, live)
    if found and {image.name for image in release.images} <= found.keys():
        return found
    if not release.images:
        raise ReleaseFailed(
            f"release {release.digest[:12]} has no images: a cluster runs nothing else",
            fix="give the service `images` and a builder (docs/kubernetes.md), then ship again",
        )
    if settings.images is None:
        raise BadInput(
            "pipeline.yaml does not say how images get to the cluster",
            fix="give the environment `images: {registry: HOST/PATH}` or `images: {import: COMMAND}`",
        )
    runner, log, root = tools
    return {image.name: await deliver(image, settings.images, runner, log, root=root) for image in release.images}


def entry_of(
    release: Release, images: Mapping[str, str], replicas: int, workers: bool, env: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the values say of one deployment of ``release``."""
    return {
        "images": dict(images),
        "release": release.digest,
        "commit": release.commit,
        "replicas": replicas,
        "workers": workers,
        "env": dict(env),
    }
