"""Images by buildah, which needs no daemon."""

from __future__ import annotations

from pathlib import Path

from dawsos.model.service import Image
from dawsos.releases.builders.common import BuildTools, ImageBuild, made_here, not_here
from dawsos.releases.layouts import normalise

_INSPECT = ("buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}")


class Buildah:
    """Implements ``Builder``."""

    name = "buildah"

    async def problem(self, images: tuple[Image, ...], tools: BuildTools) -> str:
        version = await tools.run("buildah", "--version")
        if not version.ok:
            return "not installed" if version.outcome.not_found else f"does not work: {version.output[-200:]}"
        missing = [base for base in made_here(images) if not (await tools.run(*_INSPECT, base)).ok]
        return not_here(missing[0]) if missing else ""

    async def lay_out(self, build: ImageBuild, tools: BuildTools, layout: Path) -> None:
        await tools.must(
            "buildah", "bud", "--quiet", "--no-cache", "--isolation", "chroot", "--format", "docker",
            "--timestamp", str(build.commit.time), "-t", f"{build.name}-raw", *build.arguments,
        )  # fmt: skip
        await tools.must("buildah", "push", "--quiet", "--disable-compression", f"{build.name}-raw", f"dir:{layout}")
        await tools.must("buildah", "rmi", f"{build.name}-raw")
        normalise(layout)

    async def keep(self, build: ImageBuild, tools: BuildTools, layout: Path) -> None:
        output = await tools.must("buildah", "pull", "--quiet", f"dir:{layout}")
        await tools.must("buildah", "tag", output.splitlines()[-1], build.name)

    async def base_id(self, base: str, tools: BuildTools) -> str:
        return (await tools.run(*_INSPECT, base)).output
