"""Readiness over a real socket: a port that is open is not yet a server that answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dawsos.adapters.probes import is_ready
from dawsos.model.process import Probe

pytestmark = pytest.mark.e2e  # opens sockets on loopback


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection with ``answer`` on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(5)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def says(*pieces: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(1024)
        for piece in pieces:
            connection.sendall(piece)

    return answer


@pytest.mark.parametrize(
    ("pieces", "ready"),
    [((b"-NOAUTH x",), True), ((b"-NO", b"AUTH"), True), ((b"-LOADING",), False), ((b"-NO",), False), ((), False)],
    ids=["at once", "in pieces", "another answer", "half an answer", "silence"],
)
def test_a_server_is_ready_when_it_answers_as_it_should(pieces: tuple[bytes, ...], ready: bool) -> None:
    with server(says(*pieces)) as port:
        assert is_ready(Probe("tcp", port, ask=b"PING".hex(), answers=(b"-NOAUTH".hex(),))) is ready


@pytest.mark.parametrize(("status", "ready"), [(b"200 OK", True), (b"503 No", False), (b"garbage", False)])
def test_a_page_is_ready_with_200_only(status: bytes, ready: bool) -> None:
    with server(says(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")) as port:
        assert is_ready(Probe("http", port, path="/health")) is ready


def test_nobody_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert not is_ready(Probe("tcp", port))
    assert not is_ready(Probe("http", port))
