"""Opens an environment of the pipeline: its platform, prepared for the service with the settings of the run's profile."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from dawsos.actions.passed import passed
from dawsos.adapters.files import read_json
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.events import Deployed, ReleaseBuilt, RunStarted
from dawsos.model.pipeline import Pipeline
from dawsos.model.release import Release
from dawsos.model.run import Run
from dawsos.platforms.contract import EnvironmentSpec, Platform, StandInSource
from dawsos.platforms.journals import JOURNALS
from dawsos.releases import bundle as releases
from dawsos.releases.images import kept
from dawsos.runs.project import Tools
from dawsos.runs.vouching import vouched


async def open_environment(
    tools: Tools, pipeline: Pipeline, name: str, profile: str, root: Path | None = None
) -> Platform:
    """Start what the environment needs (what runs already is kept) and return its platform.

    ``profile`` is that of the run; it may change the environment's settings.  ``root`` is the checkout of a run that deploys: its
    stand-ins run from then on.  Without ``root``, stand-ins that run are left as they are.  Raises InfrastructureError, and
    BadInput for a variable of ``pass_env`` that has no value.
    """
    settings = pipeline.environment(name, profile)
    given = passed(tools.project, name, settings, os.environ)
    tools.masker.add(given.values())
    platform = tools.platform(name, settings, root)
    stand_ins = _stand_ins(tools, pipeline, settings, root)
    await platform.prepare(EnvironmentSpec(pipeline.service, settings, given, stand_ins))
    return platform


async def load_release(tools: Tools, settings: EnvironmentSettings, run: Run) -> Release:
    """Return the release of ``run`` after comparing every byte of it with its digest; where images run, with the run's images.

    Raises InfrastructureError when anything is missing or was altered.  A rollout under way in a cluster needs no file of its release:
    on another machine than the one that began it, its name is enough.
    """
    if (
        run.rollout is not None
        and settings.platform in JOURNALS
        and not (tools.project.releases / run.release).exists()
    ):
        return Release(run.release, tools.project.releases / run.release, run.commit, 0, "", "")
    release = await asyncio.to_thread(releases.load, tools.project.releases, run.release)
    if not settings.runs_images:
        return release
    if not run.images:
        raise InfrastructureError(
            f"release {run.release[:12]} has no container image, and what runs here are images",
            fix="install a builder (docs/images.md), and ship its commit again with --no-cache",
        )
    return await asyncio.to_thread(with_images, tools, release, run)


async def serving_release(tools: Tools, settings: EnvironmentSettings, digest: str) -> Release:
    """Return the release that serves an environment; in a cluster one that was built elsewhere need not be here, only be known."""
    path = tools.project.releases / digest
    if settings.platform in JOURNALS and not path.exists():
        for event in reversed(tools.journal.of_kinds(("release_built",))):
            if isinstance(event.fact, ReleaseBuilt) and event.fact.release == digest:
                return _named(tools, digest, event.fact.commit)
    return await asyncio.to_thread(releases.load, tools.project.releases, digest)


def _named(tools: Tools, digest: str, commit: str) -> Release:
    """Return a release without its files."""
    return Release(digest, tools.project.releases / digest, commit, 0, "", "")


def with_images(tools: Tools, release: Release, run: Run) -> Release:
    """Return ``release`` with the images that ``run`` built of it and what is signed about them; raises InfrastructureError."""
    images, signed = kept(tools.project.images, run.images), vouched(tools, run)
    return replace(release, images=tuple(replace(one, statement=signed.get(one.name, "")) for one in images))


def _stand_ins(
    tools: Tools, pipeline: Pipeline, settings: EnvironmentSettings, root: Path | None
) -> tuple[StandInSource, ...]:
    folder = root or tools.project.root
    return tuple(
        StandInSource(
            name,
            one.command,
            folder / one.source,
            folder / str(pipeline.toolchains[one.toolchain].requirements),
            tools.project.toolchains,
            one.ports,
            one.ready,
            fresh=root is not None,
            python=pipeline.toolchains[one.toolchain].python,
        )
        for name, one in ((name, pipeline.stand_ins[name]) for name in settings.stand_ins)
    )


def deployments_of(tools: Tools, name: str) -> list[tuple[Deployed, str]]:
    """Return each deployment to the environment with the profile of its run, the oldest first."""
    profiles: dict[str, str] = {}
    found = []
    elsewhere: dict[str, int] = {}
    for event in tools.journal.of_kinds(("run_started", "deployed")):
        if event.run not in elsewhere:
            # What another machine did before the run came here was done to that machine's environment.
            elsewhere[event.run] = int((read_json(tools.project.taken(event.run)) or {}).get("events", 0))
        if isinstance(event.fact, RunStarted):
            profiles[event.run] = event.fact.profile
        elif isinstance(event.fact, Deployed) and event.fact.environment == name and event.seq > elsewhere[event.run]:
            found.append((event.fact, profiles.get(event.run, "")))
    return found


def deployed_profile(tools: Tools, pipeline: Pipeline, name: str, deployment: str | None = None) -> str:
    """Return the profile with which ``deployment`` came to the environment; without one, that of the newest deployment there.

    An empty text when the journal does not say.  Raises BadInput when pipeline.yaml has no such profile any more.
    """
    history = deployments_of(tools, name)
    own = [profile for deployed, profile in history if deployed.deployment == deployment]
    found = (own or [profile for _, profile in history] or [""])[-1]
    if found and found != "production" and found not in pipeline.profiles:
        raise BadInput(
            f"{name} was deployed with the profile {found!r}, which pipeline.yaml does not have",
            fix=f"write profiles.{found} again, or ship with another profile",
        )
    return found


async def serving_profile(tools: Tools, pipeline: Pipeline, name: str) -> str:
    """Return the profile with which the serving release of the environment was deployed.

    A verb that acts on that release must give its processes the same settings.  A later canary, of a drill or one that was rolled
    back, does not count.  Raises BadInput when pipeline.yaml has no such profile any more.
    """
    settings = pipeline.environment(name, deployed_profile(tools, pipeline, name))
    stable = (await tools.platform(name, settings).status()).roles.stable
    return deployed_profile(tools, pipeline, name, stable)


async def has_settings_of(tools: Tools, pipeline: Pipeline, name: str, profile: str) -> bool:
    """Return whether what serves the environment was deployed with the settings that it has with ``profile``."""
    try:
        deployed = pipeline.environment(name, await serving_profile(tools, pipeline, name))
    except BadInput:
        # The profile is gone from pipeline.yaml, so its settings are unknown.
        return False
    return deployed.for_releases == pipeline.environment(name, profile).for_releases
