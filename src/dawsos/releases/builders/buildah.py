"""Images by buildah, which needs no daemon."""

from __future__ import annotations

from pathlib import Path

from dawsos.model.pipeline import Image
from dawsos.releases.builders.common import BuildTools, ImageBuild, made_here, not_here
from dawsos.releases.layouts import normalise

_INSPECT = ("buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}")


class Buildah:
    """Implements ``Builder``."""

    name = "buildah"

    async def problem(self, images: tuple[Image, ...], shop: BuildTools) -> str:
        works, said = await shop.run("buildah", "--version")
        if not works:
            return "not installed" if "cannot start" in said else f"does not work: {said[-200:]}"
        missing = [base for base in made_here(images) if not (await shop.run(*_INSPECT, base))[0]]
        return not_here(missing[0]) if missing else ""

    async def lay_out(self, order: ImageBuild, shop: BuildTools, layout: Path) -> None:
        await shop.must(
            "buildah", "bud", "--quiet", "--no-cache", "--isolation", "chroot", "--format", "docker",
            "--timestamp", str(order.commit.time), "-t", f"{order.name}-raw", *order.arguments,
        )  # fmt: skip
        await shop.must("buildah", "push", "--quiet", "--disable-compression", f"{order.name}-raw", f"dir:{layout}")
        await shop.must("buildah", "rmi", f"{order.name}-raw")
        normalise(layout)

    async def keep(self, order: ImageBuild, shop: BuildTools, layout: Path) -> None:
        said = await shop.must("buildah", "pull", "--quiet", f"dir:{layout}")
        await shop.must("buildah", "tag", said.splitlines()[-1], order.name)

    async def base_id(self, base: str, shop: BuildTools) -> str:
        return (await shop.run(*_INSPECT, base))[1]
