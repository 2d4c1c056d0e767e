"""A TCP proxy that can lose what is behind it: cut, refuse or swallow. Runs its own loop in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Mode = Literal["pass", "refuse", "blackhole"]


class Proxy:
    """Forwards one port to one target, as long as the mode is `pass`."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._mode: Mode = "pass"
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self.port = 0

    @property
    def mode(self) -> Mode:
        """What happens to traffic now."""
        return self._mode

    def set(self, mode: Mode) -> None:
        """`refuse` cuts open connections and new ones at once; `blackhole` keeps all open and lets nothing through."""
        asyncio.run_coroutine_threadsafe(self._set(mode), self._loop).result(5)

    async def _set(self, mode: Mode) -> None:
        self._mode = mode
        if mode == "blackhole":
            self._flowing.clear()
        else:
            self._flowing.set()
        # Coming back from a black hole also cuts: what was swallowed is lost, as after a real partition.
        for writer in list(self._writers):
            if mode != "blackhole":
                writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "refuse":
            writer.transport.abort()
            return
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            await self._flowing.wait()
            behind, upstream = await asyncio.open_connection(*self._target)
            self._writers.add(upstream)
            pumps = [asyncio.ensure_future(self._pump(*pair)) for pair in ((reader, upstream), (behind, writer))]
            _, pending = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pending:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass
        finally:
            for end in (writer, upstream):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _start(self) -> asyncio.Server:
        self._flowing.set()
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server


@contextmanager
def proxied(target: tuple[str, int]) -> Iterator[Proxy]:
    """A running proxy in front of `target`."""
    proxy = Proxy(target)
    loop = proxy._loop
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(proxy._start(), loop).result(5)
    try:
        yield proxy
    finally:

        async def stop() -> None:
            server.close()
            await proxy._set("refuse")
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
