"""The files of an environment: what should run, what runs, which deployment has which role.

Each file is one JSON object that is replaced whole.  Its ``version`` is raised only when a reader of the version before would
misunderstand it.  Readers ignore unknown keys, take a file without a version for version 1, and treat a file of a later version
or another shape as unreadable.  No process is stopped because of such a file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from itertools import repeat
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from dawsos.adapters import files
from dawsos.errors import InfrastructureError
from dawsos.model.process import ProcessSpec
from dawsos.platforms.contract import ProcessStatus, Roles

VERSION = 1
# Keys of a deployment as they were called before files had versions.
_FORMER_KEYS = {"parks": "suspendable", "parked": "suspended"}
T = TypeVar("T")
# How to go on without a file that nothing else has the content of.
LOST = "put it back from a copy, or delete the environment with its data: dawsos down --purge"


@dataclass(frozen=True)
class SupervisedProcess(ProcessStatus):
    """One process as the supervisor sees it; ``digest`` is of the spec that it was started from."""

    # By name only: a field that people are shown as well may come before it.
    digest: str = field(default="", kw_only=True)

    def status(self) -> ProcessStatus:
        """Return what people see of it, without the digest."""
        return ProcessStatus(**{shown.name: getattr(self, shown.name) for shown in fields(ProcessStatus)})


@dataclass(frozen=True)
class SupervisorStatus:
    """What the supervisor of an environment sees; ``running`` is False when no supervisor lives."""

    running: bool = False
    url: str = ""
    processes: tuple[SupervisedProcess, ...] = ()
    lease_expired: float | None = None


@dataclass(frozen=True)
class StatusFile:
    """``status.json``: what the supervisor with the process id ``pid`` sees; version 0 is of before files had versions."""

    version: int = 0
    pid: int = 0
    processes: tuple[SupervisedProcess, ...] = ()
    lease_expired: float | None = None


@dataclass
class Desired:
    """What should run: processes, deployments, ports of the proxy, crash-loop limits.

    A deployment is {release, ports, named_ports, suspendable, suspended}: ``suspendable`` names the processes that a standby
    does not run, ``suspended`` maps those that are not run now to their specs.
    """

    processes: dict[str, ProcessSpec] = field(default_factory=dict)
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    proxy: dict[str, int] = field(default_factory=dict)
    crash_restarts: int = 3
    crash_window: float = 300.0
    stop: bool = False


def write_json(path: Path, value: Mapping[str, Any], *, durable: bool = True) -> None:
    """Replace ``path`` by ``value`` and the version, readable by its owner only; see ``files.write_bytes``."""
    _write(path, {"version": VERSION, **value}, durable)


def _write(path: Path, value: Mapping[str, Any], durable: bool = True) -> None:
    files.write_text(path, json.dumps(value), durable=durable, mode=0o600)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in ``path``, an empty one when there is none."""
    return files.read_json(path) or {}


def must_read_json(path: Path, fix: str) -> dict[str, Any]:
    """Return the object in ``path``, an empty one when there is no file.

    Raises InfrastructureError with ``fix`` when there is one that cannot be read: whoever took it for an empty one would write
    other values over those that are in use.
    """
    value = files.read_json(path)
    if not value and path.exists():
        raise InfrastructureError(f"{path} cannot be read", fix=fix)
    return value or {}


def find_desired(folder: Path) -> Desired | None:
    """Return what should run in ``folder``: an empty value when nothing was written yet, None when it cannot be read."""
    desired = _find(folder / "desired.json", Desired)
    if desired is None:
        return None
    for deployment in desired.deployments.values():
        for former, name in _FORMER_KEYS.items():
            if former in deployment:
                deployment[name] = deployment.pop(former)
        suspended = deployment.get("suspended", {})
        if not isinstance(suspended, dict) or None in [decode(ProcessSpec, raw) for raw in suspended.values()]:
            return None
    return desired


def read_desired(folder: Path) -> Desired:
    """Return what should run in ``folder``; raises InfrastructureError when that cannot be read."""
    desired = find_desired(folder)
    if desired is None:
        raise _unreadable(folder / "desired.json")
    return desired


def write_desired(folder: Path, desired: Desired) -> None:
    """Tell the supervisor what should run."""
    _write(folder / "desired.json", _stamped(folder, asdict(desired)))


def find_roles(folder: Path) -> Roles | None:
    """Return the roles of the deployments, None when they cannot be read."""
    return _find(folder / "traffic.json", Roles)


def read_roles(folder: Path) -> Roles:
    """Return the roles of the deployments; raises InfrastructureError when they cannot be read."""
    roles = find_roles(folder)
    if roles is None:
        raise _unreadable(folder / "traffic.json")
    return roles


def write_roles(folder: Path, roles: Roles) -> None:
    """Write the roles."""
    _write(folder / "traffic.json", _stamped(folder, asdict(roles)))


def read_status_file(folder: Path) -> StatusFile:
    """Return what a supervisor last wrote, nothing when that cannot be read."""
    return decode(StatusFile, files.read_json(folder / "status.json")) or StatusFile()


def read_status(folder: Path, running: bool) -> SupervisorStatus:
    """Return the supervisor's last observations."""
    seen, desired = read_status_file(folder), find_desired(folder)
    port = desired.proxy.get("listener") if desired else None
    url = f"http://127.0.0.1:{port}" if port else ""
    return SupervisorStatus(running, url, seen.processes if running else (), seen.lease_expired)


def has_former_supervisor(folder: Path) -> bool:
    """Return whether the supervisor that wrote ``status.json`` is of before files had versions.

    It would end at a key that it does not know, and again each time that it is started.
    """
    seen = read_status_file(folder)
    return seen.pid > 0 and seen.version == 0


def spec_from(raw: object) -> ProcessSpec:
    """Return the process that ``asdict`` turned into ``raw``; raises ValueError when it is none."""
    spec = decode(ProcessSpec, raw)
    if spec is None:
        raise ValueError(f"no process: {raw!r}")
    return spec


def _stamped(folder: Path, value: dict[str, Any]) -> dict[str, Any]:
    return value if has_former_supervisor(folder) else {"version": VERSION, **value}


def _unreadable(path: Path) -> InfrastructureError:
    return InfrastructureError(
        f"{path} cannot be read",
        fix="check the disk, the rights and the limit of open files; if a newer dawsos wrote it, use that one",
    )


def _find(path: Path, kind: type[T]) -> T | None:
    """Return what ``path`` holds, the default of ``kind`` when there is no such file, None when it cannot be read."""
    try:
        path.stat()
    except FileNotFoundError:
        return kind()
    except OSError:
        return None
    raw = files.read_json(path)
    version = raw.get("version", VERSION) if raw else VERSION
    return decode(kind, raw) if isinstance(version, int) and version <= VERSION else None


def decode(kind: type[T], raw: object) -> T | None:
    """Return the dataclass ``kind`` that the JSON value ``raw`` holds, None when it holds none.

    Keys that ``kind`` does not have are ignored, also those of dataclasses within it; missing ones take their defaults.
    """
    try:
        return _record(kind, raw)
    except (TypeError, ValueError):
        return None


def _record(kind: type[T], raw: object) -> T:
    if not isinstance(raw, dict):
        raise TypeError(f"{raw!r} is no {kind.__name__}")
    return kind(**{name: _value(hint, raw[name]) for name, hint in _hints(cast("Any", kind)).items() if name in raw})


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, raw: Any) -> Any:
    """Return ``raw`` as a value of the type ``hint``; raises TypeError or ValueError when it is none."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, raw)
    if origin is UnionType:
        # Only ``X | None`` is used here.
        return None if raw is None else _value(arguments[0], raw)
    if origin is tuple and isinstance(raw, list):
        each = repeat(arguments[0], len(raw)) if arguments[-1] is ... else arguments
        return tuple(_value(part, item) for part, item in zip(each, raw, strict=True))
    if origin is dict and isinstance(raw, dict):
        return {key: _value(arguments[1], item) for key, item in raw.items()}
    if not _is_plain(hint, origin, raw):
        raise TypeError(f"{raw!r} is no {hint}")
    return raw


def _is_plain(hint: Any, origin: Any, raw: Any) -> bool:
    if origin is Literal:
        return raw in get_args(hint)
    if hint is float:
        # As it stands: the digest of a spec tells 5 from 5.0.
        return type(raw) in (int, float) and math.isfinite(raw)
    return hint is Any or type(raw) is hint
