"""What this machine remembers of an environment on a cluster: the settings with which it was opened last, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawsos.adapters.files import read_json, write_json

if TYPE_CHECKING:
    from dawsos.model.environment import PlatformName

# In the folder of an environment.
CLUSTER_FILE = "cluster.json"
# What the local platform alone writes there.
_LOCAL_FILE = "desired.json"


def kept_settings(folder: Path) -> dict[str, Any] | None:
    """Return the settings with which the environment of ``folder`` was opened last on a cluster, None when it never was."""
    return read_json(folder / CLUSTER_FILE)


def kept_on(folder: Path) -> tuple[PlatformName, ...]:
    """Return the platforms that the environment of ``folder`` is on: with one profile it may be here, with another on a cluster."""
    if not (folder / CLUSTER_FILE).exists():
        return ("local",)
    return ("local", "kubernetes") if (folder / _LOCAL_FILE).exists() else ("kubernetes",)


def remember(folder: Path, settings: dict[str, Any]) -> None:
    """Keep the settings with which the environment of ``folder`` was opened."""
    folder.mkdir(parents=True, exist_ok=True)
    if kept_settings(folder) != settings:
        write_json(folder / CLUSTER_FILE, settings, durable=False, mode=0o600)


def forget(folder: Path) -> None:
    """Remove what this machine knows of the environment, once it is gone from its cluster."""
    for name in (CLUSTER_FILE, "passed.json"):
        (folder / name).unlink(missing_ok=True)
