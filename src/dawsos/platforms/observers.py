"""Observes an environment: starts, asks and changes nothing, and does not load its platform.

``dawsos status`` must start at once, so it does not load what a platform needs to act.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dawsos.platforms.contract import EnvironmentStatus
from dawsos.platforms.local.observer import observe

if TYPE_CHECKING:
    from dawsos.model.environment import PlatformName


def _on_a_cluster(folder: Path) -> EnvironmentStatus:
    # Loaded only where there is one: it talks to the cluster.
    from dawsos.platforms.kubernetes.observer import observe as observe_cluster

    return observe_cluster(folder)


# One line a platform, beside its line in ``registry.PLATFORMS``.
OBSERVERS: dict[PlatformName, Callable[[Path], EnvironmentStatus]] = {"local": observe, "kubernetes": _on_a_cluster}
