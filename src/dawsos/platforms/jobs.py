"""The platforms on which a rollout can go on without the machine that began it: a job of the environment's own conducts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dawsos.platforms.contract import PlatformHost, RolloutJobs

if TYPE_CHECKING:
    from dawsos.model.environment import PlatformName


def _kubernetes(host: PlatformHost) -> RolloutJobs:
    from dawsos.platforms.kubernetes.handing import ClusterJobs

    return ClusterJobs.of(host)


# A platform without a line here runs no job of its own.
JOBS: dict[PlatformName, Callable[[PlatformHost], RolloutJobs]] = {"kubernetes": _kubernetes}
