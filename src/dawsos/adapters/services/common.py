"""The common parts of the embedded services: ports that are kept, passwords, folders that another user can reach."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from dawsos.adapters.digests import sha256
from dawsos.adapters.files import create_bytes, read_json, write_json, write_text
from dawsos.adapters.loopback import free_ports, is_free
from dawsos.errors import InfrastructureError

NOBODY = (65534, 65534)
# The services of one stage lie in a temporary folder of this name; a run that was killed leaves it to the next one's sweep.
EPHEMERAL_PREFIX = "dawsos-services-"


def package_folder(package: str) -> Path:
    """Return the folder of an installed package without importing it; raises InfrastructureError."""
    from importlib.util import find_spec  # only a service needs it, and every run would pay for it

    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InfrastructureError(
            f"the package {package} is not installed", fix="start dawsos by its launcher, which installs it"
        )
    return Path(spec.submodule_search_locations[0])


def package_version(package: str) -> str:
    """Return the version of an installed package."""
    from importlib.metadata import version  # only a service needs it, and every run would pay for it

    return version(package)


def remembered(folder: Path, name: str, make: object = None) -> str:
    """Return the value kept in ``folder/name`` with mode 0600; made once."""
    path = folder / name
    if not path.exists():
        value = make() if callable(make) else secrets.token_urlsafe(24)
        create_bytes(path, str(value).encode(), durable=True, mode=0o600)
    return path.read_text()


def port_of(folder: Path, running: bool) -> int:
    """Return the service's port, the same as before when it is free or ours.  Raises InfrastructureError when its file cannot be
    read.
    """
    path = folder / "port"
    if path.exists():
        try:
            port = int(path.read_text())
        except (OSError, ValueError) as error:
            raise InfrastructureError(
                f"{path} cannot be read",
                fix="write the port of the service into it, or delete the environment with its data: dawsos down --purge",
            ) from error
        if running or is_free(port):
            return port
    (port,) = free_ports(1)
    # Part of the addresses that releases keep: it must be the same after a power cut.
    write_text(path, str(port), durable=True)
    return port


def reachable_by_others(path: Path) -> bool:
    """Return whether any user may walk down to ``path``."""
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents) if parent.exists())


def service_user() -> tuple[int, int] | None:
    """Return the uid and gid that a service runs as, None for our own: a database refuses to be root."""
    return NOBODY if os.geteuid() == 0 else None


def must_lie_outside(user: tuple[int, int] | None, *paths: Path) -> bool:
    """Return whether ``user`` cannot reach all of ``paths``, so that a service needs ``outside_folder``."""
    return user is not None and not all(map(reachable_by_others, paths))


def outside_folder(folder: Path) -> Path:
    """Return a folder for data that another user must reach, named after ``folder`` and noted beside the services."""
    digest = sha256(str(folder.resolve()).encode())[:16]
    outside = Path("/var/tmp") / f"dawsos-{digest}"  # noqa: S108 - private below, and it must be reachable
    outside.mkdir(mode=0o711, exist_ok=True)
    if outside.stat().st_uid != os.geteuid():
        raise InfrastructureError(
            f"{outside} belongs to somebody else", fix="remove it, or set DAWSOS_HOME to another folder"
        )
    note = folder.parent / "outside.json"
    known = (read_json(note) or {}).get("folders", [])
    if str(outside) not in known:
        write_json(note, {"folders": [*known, str(outside)]})
    return outside


def remove_outside(services: Path) -> None:
    """Remove what lies outside the folder ``services`` because another user had to reach it."""
    for path in (read_json(services / "outside.json") or {}).get("folders", ()):
        shutil.rmtree(path, ignore_errors=True)


def copy_once(source: Path, target: Path) -> Path:
    """Copy a folder of programs to where another user can run them."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".new")
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(source, temporary, symlinks=True)
        temporary.rename(target)
    return target
