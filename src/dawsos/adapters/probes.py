"""Asks one readiness probe, once."""

from __future__ import annotations

import contextlib
import http.client
import socket

from dawsos.model.process import Probe


def is_ready(probe: Probe, timeout: float = 1.0) -> bool:
    """Return whether the server behind ``probe`` answers as it should within ``timeout`` seconds."""
    try:
        return _tcp(probe, timeout) if probe.kind == "tcp" else _http(probe, timeout)
    except (OSError, http.client.HTTPException):
        return False


def _tcp(probe: Probe, timeout: float) -> bool:
    with socket.create_connection(("127.0.0.1", probe.port), timeout=timeout) as connection:
        if not probe.answers:
            return True
        connection.sendall(bytes.fromhex(probe.ask))
        expected = [bytes.fromhex(answer) for answer in probe.answers]
        received = b""
        while len(received) < max(map(len, expected)):
            part = connection.recv(64)
            if not part:
                break
            received += part
        return received.startswith(tuple(expected))


def _http(probe: Probe, timeout: float) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request("GET", probe.path)
        return connection.getresponse().status == 200
