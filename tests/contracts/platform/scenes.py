"""Beginnings that several behaviours share."""

from __future__ import annotations

from contracts.platform.subjects import Subject
from dawsos.model.release import Release
from dawsos.platforms.contract import Platform


async def prepared(subject: Subject) -> Platform:
    """Return the environment, ready for a release."""
    platform = subject.platform()
    await platform.prepare(subject.spec)
    return platform


async def serving(subject: Subject) -> tuple[Platform, Release]:
    """Return the environment with a stable release that has all traffic, deployed as ``stable``."""
    platform, old = await prepared(subject), subject.release("old")
    await platform.deploy("stable", old)
    await platform.route("stable", None, 0)
    return platform, old


async def with_canary(subject: Subject, weight: int = 0) -> tuple[Platform, Release, Release]:
    """Return the environment with a stable release and a canary that has ``weight`` per cent, deployed as ``canary``."""
    platform, old = await serving(subject)
    new = subject.release("new")
    await platform.deploy("canary", new)
    await platform.renew_lease(600)
    await platform.route("stable", "canary", weight)
    return platform, old, new
