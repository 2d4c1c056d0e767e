"""Container images of a release: chooses the builder, and checks that it makes the same image twice.

Each builder that cannot be used says why.  An image is made from the folder of the release, so that it has the files that were
tested, and twice, so that the two can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters import oci
from dawsos.errors import InfrastructureError
from dawsos.model.release import BuiltImage
from dawsos.model.service import Image
from dawsos.releases.builders import BUILDERS
from dawsos.releases.builders.common import Builder, BuildTools, ImageBuild
from dawsos.releases.layouts import image_facts, keep_layout, manifest_digest

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


async def build(builder: Builder, wanted: ImageBuild, tools: BuildTools, store: Path | None = None) -> dict[str, Any]:
    """Build ``wanted`` twice, keep the first image below ``store``, if there is one, and return its facts, as the image
    gate reads them.

    Raises ReleaseFailed with the end of the builder's words.
    """
    layouts = [tools.folder / f"{wanted.image.name}-{turn}" for turn in (1, 2)]
    for layout in layouts:
        await builder.lay_out(wanted, tools, layout)
    await builder.keep(wanted, tools, layouts[0])
    facts = {
        **image_facts(layouts[0]), "name": wanted.image.name, "tag": wanted.name, "base": wanted.image.base,
        "base_id": await builder.base_id(wanted.image.base, tools), "builder": builder.name,
        "digests": [manifest_digest(layout) for layout in layouts],
    }  # fmt: skip
    if store is not None:
        keep_layout(layouts[0], store)
    return facts


def kept(store: Path, digests: Mapping[str, str]) -> tuple[BuiltImage, ...]:
    """Return the images of ``digests`` (name -> digest) that are kept below ``store``, after comparing every byte with its digest.

    Raises InfrastructureError when one is missing or was altered.
    """
    for name, digest in digests.items():
        try:
            oci.verify(store, digest)
        except InfrastructureError as error:
            raise InfrastructureError(f"{name}: {error.message}", fix=error.fix) from error
    return tuple(BuiltImage(name, digest, store) for name, digest in digests.items())
