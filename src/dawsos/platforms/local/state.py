"""The files of an environment: what should run, what does, who gets the traffic.  Written by rename, never in place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dawsos.adapters import files
from dawsos.model.process import Probe, ProcessSpec


@dataclass(frozen=True)
class Roles:
    """Which deployment has which part, and the canary's share of the traffic in per cent."""

    stable: str | None = None
    canary: str | None = None
    standby: str | None = None
    weight: int = 0


@dataclass(frozen=True)
class ProcessStatus:
    """One supervised process as the supervisor sees it; times are seconds since the epoch, ``digest`` is of its spec."""

    name: str
    group: str
    pid: int
    state: str
    restarts: tuple[float, ...] = ()
    crash_looping: bool = False
    digest: str = ""


@dataclass(frozen=True)
class EnvironmentStatus:
    """An environment as its supervisor sees it; ``running`` is False when no supervisor lives."""

    running: bool = False
    url: str = ""
    processes: tuple[ProcessStatus, ...] = ()
    lease_expired: float | None = None


@dataclass
class Desired:
    """What should run: processes, deployments (id -> {release, ports}), ports of the proxy, crash-loop limits."""

    processes: dict[str, ProcessSpec] = field(default_factory=dict)
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    proxy: dict[str, int] = field(default_factory=dict)
    crash_restarts: int = 3
    crash_window: float = 300.0
    stop: bool = False


def write_json(path: Path, value: object) -> None:
    """Replace ``path`` by ``value`` as JSON, on disk before this returns."""
    files.write_text(path, json.dumps(value), durable=True, mode=0o600)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in ``path``, an empty one when there is none."""
    return files.read_json(path) or {}


def read_desired(folder: Path) -> Desired:
    """Return what should run in the environment ``folder``; nothing when that cannot be read."""
    return _desired(read_json(folder / "desired.json"))


def told_to_run(folder: Path) -> Desired | None:
    """Return what should run in ``folder``: nothing when nobody said so yet, None when what was said cannot be read now."""
    try:
        raw = json.loads((folder / "desired.json").read_text())
    except FileNotFoundError:
        return Desired()
    except (OSError, ValueError):
        return None
    return _desired(raw) if isinstance(raw, dict) else None


def _desired(raw: dict[str, Any]) -> Desired:
    processes = {name: spec_from(spec) for name, spec in raw.pop("processes", {}).items()}
    return Desired(processes=processes, **raw)


def write_desired(folder: Path, desired: Desired) -> None:
    """Tell the supervisor what should run."""
    write_json(folder / "desired.json", asdict(desired))


def read_roles(folder: Path) -> Roles:
    """Return the roles of the deployments."""
    return Roles(**read_json(folder / "traffic.json"))


def write_roles(folder: Path, roles: Roles) -> None:
    """Keep the roles."""
    write_json(folder / "traffic.json", asdict(roles))


def read_status(folder: Path, running: bool) -> EnvironmentStatus:
    """Return the supervisor's last observations."""
    raw = read_json(folder / "status.json")
    processes = tuple(
        ProcessStatus(**{**process, "restarts": tuple(process["restarts"])}) for process in raw.get("processes", ())
    )
    port = read_desired(folder).proxy.get("listener")
    url = f"http://127.0.0.1:{port}" if port else ""
    return EnvironmentStatus(running, url, processes if running else (), raw.get("lease_expired"))


def spec_from(raw: dict[str, Any]) -> ProcessSpec:
    """Return the process that ``asdict`` turned into ``raw``."""
    ready = Probe(**{**raw["ready"], "answers": tuple(raw["ready"].get("answers", ()))}) if raw.get("ready") else None
    user = tuple(raw["user"]) if raw.get("user") else None
    return ProcessSpec(**{**raw, "argv": tuple(raw["argv"]), "ready": ready, "user": user})
