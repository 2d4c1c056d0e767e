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


async def build_images(context: RunContext, attempt: StageAttempt, release: Release) -> tuple[Choice, dict[str, str]]:
    """Build the service's images from ``release``; leave ``image-NAME.json`` for each and return which builder was used and why,
    and name -> digest of the images, which are kept where an environment runs them.

    Raises InfrastructureError when the builder that pipeline.yaml demands is not to be had, ReleaseFailed when a build fails.
    """
    service, home = context.pipeline.service, context.tools.project.home
    built: dict[str, str] = {}
    store = context.tools.project.images if context.pipeline.runs_images else None
    with owned_folder(home, "images-") as folder:
        environment = base_environment(home / "home")
        environment["PATH"] += ":/usr/sbin:/sbin"
        docker = docker_client(os.environ, Path.home())
        tools = BuildTools(context.runner(), environment, attempt.artifacts / LOG, folder, docker)
        choice = await images.choose(service.builder, service.images, tools)
        for image in service.images:
            facts: dict[str, Any] = {"name": image.name, "not_built": choice.reason}
            if choice.builder is not None:
                wanted = ImageBuild(image, context.root, release.path, context.commit)
                facts = await images.build(choice.builder, wanted, tools, store)
                if store is not None:
                    built[image.name] = facts["digests"][0]
            write_json(attempt.artifacts / f"image-{image.name}.json", facts)
    return choice, built
