"""A tiny HTTP server that ends an exchange in the way that the path names: ``/closed`` closes the connection without an answer.

Run as a program it serves ``HOST``:``PORT`` and answers ``/health/ready``.  ``/deaf`` is its last answer: it takes no connection
any more.  With ``GOOD`` set it answers every path with 200.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
# What is sent before the connection ends.
_BROKEN = {
    "closed": b"",
    "closed-after-headers": _HEAD,
    "short": _HEAD + b"abc",
    "short-chunks": _CHUNKED + b"3\r\nabc\r\n",
    "reset": b"",
    "reset-after-headers": _HEAD + b"abc",
    "no-http": b"this is no HTTP\r\n\r\n",
    "bad-chunk": _CHUNKED + b"zz\r\nabc\r\n",
}
BREAKS = tuple(_BROKEN)


def answer(status: int, body: bytes = b"") -> bytes:
    """Return a whole answer."""
    length = b"" if status in (204, 304) else b"content-length: %d\r\n" % len(body)
    return b"HTTP/1.1 %d X\r\n%s\r\n" % (status, length) + body


class Server:
    """Serves until it is deaf; ``good`` ones answer 200 whatever the path says."""

    def __init__(self, *, good: bool) -> None:
        self._good = good
        self._deafen: Callable[[], None] = lambda: None

    async def serve(self, host: str, port: int) -> None:
        """Take connections for ever."""
        server = await asyncio.start_server(self._talk, host, port, backlog=1024)
        self._deafen = server.close
        await asyncio.Event().wait()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                way = head.split(b" ", 2)[1].decode().strip("/")
                if not await self._one(way, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, way: str, writer: asyncio.StreamWriter) -> bool:
        """Answer one request in its way; return whether the connection goes on."""
        if self._good or way == "health/ready":
            writer.write(answer(200, b"ok"))
        elif way.isdigit():
            writer.write(answer(int(way), b"x" * 10))
        elif way.startswith("size-"):
            writer.write(answer(200, b"x" * int(way.removeprefix("size-"))))
        elif way == "hang":
            await asyncio.sleep(3600)
        elif way == "deaf":
            self._deafen()
            writer.write(answer(200))
        else:
            writer.write(_BROKEN[way])
            await writer.drain()
            if way.startswith("reset"):
                await _reset(writer)
            return way in ("no-http", "bad-chunk")
        await writer.drain()
        return True


async def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a reset, after what was sent before has left."""
    await asyncio.sleep(0.01)
    taken: socket.socket = writer.get_extra_info("socket")
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


if __name__ == "__main__":
    asyncio.run(Server(good="GOOD" in os.environ).serve(os.environ["HOST"], int(os.environ["PORT"])))
