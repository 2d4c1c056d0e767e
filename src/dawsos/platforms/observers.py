"""Observes an environment: starts, asks and changes nothing, and does not load its platform.

``dawsos status`` must start at once, so it does not load what a platform needs to act.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawsos.platforms.contract import EnvironmentStatus
from dawsos.platforms.local.observer import observe
from dawsos.platforms.remembered import kept_settings

if TYPE_CHECKING:
    from dawsos.model.environment import PlatformName


def observe_cluster(name: str, settings: dict[str, Any]) -> EnvironmentStatus:
    """Return the status of the environment ``name`` on the cluster of its settings, also where it was never opened."""
    import asyncio

    # Loaded only where there is one: it talks to the cluster.
    from dawsos.platforms.kubernetes.observer import observed

    return asyncio.run(observed(name, settings))


def _on_a_cluster(folder: Path) -> EnvironmentStatus:
    kept = kept_settings(folder)
    return EnvironmentStatus(folder.name) if kept is None else observe_cluster(folder.name, kept)


# One line a platform, beside its line in ``registry.PLATFORMS``.
OBSERVERS: dict[PlatformName, Callable[[Path], EnvironmentStatus]] = {"local": observe, "kubernetes": _on_a_cluster}
