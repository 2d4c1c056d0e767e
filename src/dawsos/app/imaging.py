"""Container images beside the bundle: built where there is a builder, and said to be missing, with the reason, where there is none."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dawsos.adapters import images
from dawsos.adapters.images import Choice, Shop
from dawsos.adapters.release import Release
from dawsos.adapters.toolchain import base_environment
from dawsos.app.bodies import Scene
from dawsos.app.project import write_json
from dawsos.engine.work import Work


async def build_images(scene: Scene, work: Work, release: Release) -> Choice:
    """Build the service's images from ``release``; leave ``image-NAME.json`` for each and return which builder was used and why.

    Raises InfrastructureError when the builder that pipeline.yaml demands is not to be had, ReleaseFailed when a build fails.
    """
    service, home = scene.pipeline.service, scene.tools.project.home
    with tempfile.TemporaryDirectory(prefix="images-", dir=home) as name:
        environment = base_environment(home / "home")
        environment["PATH"] += ":/usr/sbin:/sbin"
        shop = Shop(scene.runner(), environment, work.artifacts / "images.log", Path(name))
        choice = await images.choose(service.builder, service.images, shop)
        for image in service.images:
            facts = (
                {"name": image.name, "not_built": choice.reason}
                if choice.builder == images.BUNDLE
                else await images.build(image, scene.root, release.path, scene.commit, shop)
            )
            write_json(work.artifacts / f"image-{image.name}.json", facts)
    return choice
