"""Ports that are chosen free and stay ours."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dawsos.adapters import loopback


def test_they_differ_and_lie_where_no_outgoing_connection_takes_them() -> None:
    ports = loopback.free_ports(20)
    assert len(set(ports)) == 20
    below = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(10_000 <= port < below for port in ports)
    assert all(loopback.is_free(port) for port in ports)


@pytest.mark.parametrize("content", ["", "nonsense", "1024\t60999\n"])
def test_where_the_range_is_unknown_or_leaves_no_room_the_kernel_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "range").write_text(content)
    monkeypatch.setattr(loopback, "_EPHEMERAL", tmp_path / "range")
    assert all(port > 1023 for port in loopback.free_ports(3))


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not loopback.is_free(server.getsockname()[1])
