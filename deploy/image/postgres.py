"""The entry point of localhost/dawsos-postgres: makes the data folder once, then becomes the server.

Environment: PGDATA; POSTGRES_PASSWORD of the superuser; POSTGRES_OWNER_PASSWORD and POSTGRES_APP_PASSWORD of the two roles that
DawsOS knows.  Arguments are the server's.  initdb would need a shell: the image brings what it made, and its first start copies that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SERVER = "/usr/lib/postgresql/15/bin/postgres"
TEMPLATE = Path("/usr/share/postgresql/data")
ROLES = ("POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "POSTGRES_APP_PASSWORD")
# They become parts of a URL and of a statement.
PASSWORD = re.compile(r"[A-Za-z0-9_.~-]{8,}")
ACCESS = "local all all scram-sha-256\nhost all all all scram-sha-256\n"


class EnvironmentVariableError(Exception):
    """A variable is missing or unusable; the message names it, never its value."""


def passwords() -> list[str]:
    """The passwords in the order of ROLES."""
    found = []
    for name in ROLES:
        value = os.environ.get(name, "")
        if not PASSWORD.fullmatch(value):
            raise EnvironmentVariableError(f"{name} must be 8 or more letters, digits, '_', '.', '~' or '-'")
        found.append(value)
    return found


def prepare(data: Path) -> None:
    """Make the data folder with its roles and the database; whole or not at all."""
    superuser, owner, app = passwords()
    new = data.with_name(data.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(TEMPLATE, new)
    for folder in (new, *(path for path in new.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    (new / "pg_hba.conf").write_text(ACCESS)
    statements = (
        f"ALTER ROLE postgres PASSWORD '{superuser}'",
        f"CREATE ROLE dawsos_owner LOGIN PASSWORD '{owner}'",
        f"CREATE ROLE dawsos_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD '{app}'",
        "CREATE DATABASE dawsos OWNER dawsos_owner",
    )
    # Single-user mode needs no running server, no client and no network.
    single = [SERVER, "--single", "-D", str(new), "-c", "log_statement=none", "-c", "log_min_error_statement=panic", "postgres"]
    done = subprocess.run(single, input="\n".join(statements) + "\n", capture_output=True, text=True, check=False)
    if done.returncode or "ERROR" in done.stderr:
        raise OSError(f"the roles cannot be made:\n{done.stderr}")
    new.rename(data)


def main() -> None:
    """Become the server."""
    data = Path(os.environ.get("PGDATA") or "/data/postgres")
    arguments = sys.argv[1:]
    if arguments[:1] == ["postgres"]:
        del arguments[0]
    if not (data / "PG_VERSION").exists():
        try:
            prepare(data)
        except EnvironmentVariableError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except OSError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
    listen = ("-c", "listen_addresses=*", "-c", "unix_socket_directories=/var/run/postgresql")
    os.execv(SERVER, [SERVER, "-D", str(data), *listen, *arguments])


if __name__ == "__main__":
    main()
