"""Free ports on the loopback address, for servers that are restarted on the same port."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from pathlib import Path

_LOOPBACK = "127.0.0.1"
_LOWEST = 10_000
# Where Linux says from which ports it serves outgoing connections.
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> tuple[int, ...]:
    """Return ``count`` different ports that nobody listens on now.

    They lie below the range that the kernel takes for outgoing connections where that range is known: a server that is
    restarted on its port would otherwise find, now and then, that a client's connection has taken it meanwhile.
    """
    with ExitStack() as held:
        return tuple(_bind(held.enter_context(socket.socket())) for _ in range(count))


def is_free(port: int) -> bool:
    """Return whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def _bind(probe: socket.socket) -> int:
    below = _below_ephemeral()
    # Randomness from the system: two processes that start in the same moment must not try the same ports in turn.
    chance = random.SystemRandom()
    for _ in range(100 if below > _LOWEST else 0):
        try:
            probe.bind((_LOOPBACK, chance.randrange(_LOWEST, below)))
        except OSError:
            continue
        return int(probe.getsockname()[1])
    probe.bind((_LOOPBACK, 0))
    return int(probe.getsockname()[1])


def _below_ephemeral() -> int:
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
