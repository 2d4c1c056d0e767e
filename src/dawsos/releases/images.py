"""Container images of a release: chooses the builder, and checks that it makes the same image twice.

Each builder that cannot be used says why.  An image is made from the folder of the release, so that it has the files that were
tested, and twice, so that the two can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dawsos.errors import InfrastructureError
from dawsos.model.pipeline import Image
from dawsos.releases.builders import BUILDERS
from dawsos.releases.builders.common import Builder, BuildTools, ImageBuild
from dawsos.releases.layouts import image_facts, manifest_digest

BUNDLE = "bundle"


@dataclass(frozen=True)
class Choice:
    """The builder that is used and why; None when the bundle is all that is made."""

    builder: Builder | None
    reason: str

    @property
    def name(self) -> str:
        """The builder as pipeline.yaml names it."""
        return self.builder.name if self.builder else BUNDLE


async def choose(demanded: str, images: tuple[Image, ...], tools: BuildTools) -> Choice:
    """Return the builder to use: ``demanded`` when it is named, else the first that works, else the bundle alone.

    Raises InfrastructureError when ``demanded`` names one that does not work on this machine.
    """
    if demanded == BUNDLE:
        return Choice(None, "pipeline.yaml demands it")
    if not images:
        return Choice(None, "service.images names none")
    problems: list[str] = []
    for name, builder in BUILDERS.items():
        if demanded not in ("auto", name):
            continue
        problem = await builder.problem(images, tools)
        if not problem:
            why = "pipeline.yaml demands it" if demanded == name else "it works here and has the base image"
            return Choice(builder, "; ".join([*problems, why]))
        problems.append(f"{name}: {problem}")
    if demanded != "auto":
        raise InfrastructureError(f"pipeline.yaml demands {problems[0]}", fix="docs/images.md, or builder: auto")
    return Choice(None, f"no image was built: {'; '.join(problems)}")


async def build(builder: Builder, wanted: ImageBuild, tools: BuildTools) -> dict[str, Any]:
    """Build ``wanted`` twice, keep the image, and return its facts, as the image gate reads them.

    Raises ReleaseFailed with the end of the builder's words.
    """
    layouts = [tools.folder / f"{wanted.image.name}-{turn}" for turn in (1, 2)]
    for layout in layouts:
        await builder.lay_out(wanted, tools, layout)
    await builder.keep(wanted, tools, layouts[0])
    return {
        **image_facts(layouts[0]), "name": wanted.image.name, "tag": wanted.name, "base": wanted.image.base,
        "base_id": await builder.base_id(wanted.image.base, tools), "builder": builder.name,
        "digests": [manifest_digest(layout) for layout in layouts],
    }  # fmt: skip
