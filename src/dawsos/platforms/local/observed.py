"""What the files of an environment say, for who only looks: nothing is started, asked or changed, and nothing heavy loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawsos.platforms.local.locking import supervisor_runs
from dawsos.platforms.local.state import EnvironmentStatus, Roles, read_desired, read_roles, read_status


@dataclass(frozen=True)
class ObservedEnvironment:
    """``releases`` maps stable, canary and standby, where there is one, to the digest of its release."""

    roles: Roles
    releases: dict[str, str]
    status: EnvironmentStatus


def observe(folder: Path) -> ObservedEnvironment:
    """Return what stands in the environment ``folder``; of one that was never started, that nothing does."""
    roles, deployments = read_roles(folder), read_desired(folder).deployments
    parts = {"stable": roles.stable, "canary": roles.canary, "standby": roles.standby}
    releases = {
        role: str(deployments.get(deployment, {}).get("release", ""))
        for role, deployment in parts.items()
        if deployment is not None
    }
    return ObservedEnvironment(roles, releases, read_status(folder, supervisor_runs(folder)))
