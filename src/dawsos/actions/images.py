"""Builds container images beside the bundle when there is a builder; records the reason when there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawsos.adapters.files import write_json
from dawsos.adapters.scratch import owned_folder
from dawsos.adapters.toolchain import base_environment
from dawsos.engine.contract import StageAttempt
from dawsos.errors import InfrastructureError
from dawsos.model.release import Release
from dawsos.releases import images
from dawsos.releases.builders.common import BuildTools, ImageBuild
from dawsos.releases.images import Choice
from dawsos.runs.context import RunContext

# What the builders printed, among the stage's artifacts.
LOG = "images.log"


def docker_client(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the variables that select the user's Docker, which the builders' own HOME would hide."""
    named = {key: environment[key] for key in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG") if key in environment}
    return {"DOCKER_CONFIG": str(home / ".docker")} | named


def _runs_images(context: RunContext) -> bool:
    return context.pipeline.runs_images(context.session.state.profile)


async def must_be_buildable(context: RunContext) -> None:
    """Raise InfrastructureError when images run somewhere in this run, and no builder works here.

    Asked before the first gate: otherwise it would be told minutes later.
    """
    service, project = context.pipeline.service, context.tools.project
    if not _runs_images(context):
        return
    with owned_folder(project.home, "images-") as folder:
        tools = _tools(context, folder, folder / LOG)
        choice = await images.choose(service.builder, service.images, tools)
    _must_be_built(context, choice)


def _must_be_built(context: RunContext, choice: Choice) -> None:
    if choice.builder is None and _runs_images(context):
        raise InfrastructureError(
            f"an environment of this run runs container images, and none can be built here: {choice.reason}",
            fix="docs/images.md says how to get a builder and a base image",
        )


def _tools(context: RunContext, folder: Path, log: Path) -> BuildTools:
    environment = base_environment(context.tools.project.home / "home")
    environment["PATH"] += ":/usr/sbin:/sbin"
    return BuildTools(context.runner(), environment, log, folder, docker_client(os.environ, Path.home()))


async def build_images(context: RunContext, attempt: StageAttempt, release: Release) -> tuple[Choice, dict[str, str]]:
    """Build the service's images from ``release``; leave ``image-NAME.json`` for each and return which builder was used and why,
    and name -> digest of the images, which are kept where an environment runs them.

    Raises InfrastructureError when the builder that pipeline.yaml demands is not to be had, ReleaseFailed when a build fails.
    """
    service, home = context.pipeline.service, context.tools.project.home
    built: dict[str, str] = {}
    store = context.tools.project.images if _runs_images(context) else None
    with owned_folder(home, "images-") as folder:
        tools = _tools(context, folder, attempt.artifacts / LOG)
        choice = await images.choose(service.builder, service.images, tools)
        _must_be_built(context, choice)
        for image in service.images:
            facts: dict[str, Any] = {"name": image.name, "not_built": choice.reason}
            if choice.builder is not None:
                wanted = ImageBuild(image, context.root, release.path, context.commit)
                facts = await images.build(choice.builder, wanted, tools, store)
                if store is not None:
                    built[image.name] = facts["digests"][0]
            write_json(attempt.artifacts / f"image-{image.name}.json", facts)
    return choice, built
