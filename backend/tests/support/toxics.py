"""A TCP fault proxy with the HTTP API of toxiproxy, as far as these suites use it. Started by `serving_toxics`.

The suites only speak the API: TOXIPROXY_URL names a real toxiproxy server instead, and nothing else changes. Known
toxics are `latency`, `timeout`, `reset_peer`, `bandwidth` and `limit_data`; a disabled proxy listens to nobody and cuts
whom it had.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.servers import free_port

KINDS = frozenset({"latency", "timeout", "reset_peer", "bandwidth", "limit_data"})
RST_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass
class Toxic:
    """One fault of one direction: `downstream` is from the server to the client."""

    name: str
    kind: str
    stream: str
    attributes: dict[str, float]
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "name": self.name,
            "type": self.kind,
            "stream": self.stream,
            "toxicity": 1.0,
            "attributes": self.attributes,
        }


class CutError(Exception):
    """The connection ends here; `reset` says how."""

    def __init__(self, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


class ToxicProxy:
    """One listener in front of one server."""

    def __init__(self, name: str, listen: str, upstream: str) -> None:
        self.name, self.listen, self.upstream = name, listen, upstream
        self.toxics: dict[str, Toxic] = {}
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    def json(self) -> dict[str, Any]:
        """As the API shows it."""
        toxics = [toxic.json() for toxic in self.toxics.values()]
        shown = {"name": self.name, "listen": self.listen, "upstream": self.upstream}
        return {**shown, "enabled": self._server is not None, "toxics": toxics}

    async def enable(self, wanted: bool) -> None:
        """Listen, or cut all connections and listen no more."""
        if wanted and self._server is None:
            host, _, port = self.listen.rpartition(":")
            self._server = await asyncio.start_server(self._accept, host, int(port))
            self.listen = f"{host}:{self._server.sockets[0].getsockname()[1]}"
        elif not wanted and self._server is not None:
            self._server.close()
            self._server = None
            for link in list(self._links):
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)

    def remove(self, name: str) -> bool:
        """Take a fault away; False when it is not there."""
        toxic = self.toxics.pop(name, None)
        if toxic is not None:
            toxic.gone.set()
        return toxic is not None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        reset = False
        upstream: asyncio.StreamWriter | None = None
        try:
            host, _, port = self.upstream.rpartition(":")
            behind, upstream = await asyncio.open_connection(host, int(port))
            pumps = [
                asyncio.ensure_future(self._pump(reader, upstream, "upstream")),
                asyncio.ensure_future(self._pump(behind, writer, "downstream")),
            ]
            try:
                done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                reset = any(isinstance(p.exception(), CutError) and p.exception().reset for p in done)  # type: ignore[union-attr]
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._links.discard(task)
            for end in (writer, upstream):
                if end is not None:
                    if reset and (raw := end.get_extra_info("socket")) is not None:
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
                    end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: str) -> None:
        passed = 0
        while data := await reader.read(65536):
            for toxic in [toxic for toxic in self.toxics.values() if toxic.stream == stream]:
                data = await _suffer(toxic, data, passed)
            passed += len(data)
            writer.write(data)
            await writer.drain()


async def _suffer(toxic: Toxic, data: bytes, passed: int) -> bytes:
    """What the toxic does to a piece of data; raises CutError where the connection ends."""
    given = toxic.attributes
    if toxic.kind == "latency":
        jitter = given.get("jitter", 0)
        await asyncio.sleep(max(0.0, given.get("latency", 0) + random.uniform(-jitter, jitter)) / 1000)  # noqa: S311
    elif toxic.kind == "bandwidth":
        await asyncio.sleep(len(data) / max(1.0, given.get("rate", 1) * 1024))
    elif toxic.kind in {"timeout", "reset_peer"}:
        with suppress(TimeoutError):
            forever = toxic.kind == "timeout" and not given.get("timeout")
            async with asyncio.timeout(None if forever else given.get("timeout", 0) / 1000):
                await toxic.gone.wait()
        raise CutError(reset=toxic.kind == "reset_peer")
    elif passed + len(data) > given.get("bytes", 0):
        raise CutError
    return data


class Api:
    """The pages of the HTTP API."""

    def __init__(self) -> None:
        self._proxies: dict[str, ToxicProxy] = {}

    def _of(self, request: Request) -> ToxicProxy | None:
        return self._proxies.get(request.path_params["name"])

    async def proxies(self, request: Request) -> Response:
        """List, or create."""
        if request.method == "GET":
            return JSONResponse({name: proxy.json() for name, proxy in self._proxies.items()})
        wanted = await request.json()
        if wanted["name"] in self._proxies:
            return JSONResponse({"error": "proxy already exists"}, 409)
        made = ToxicProxy(wanted["name"], wanted["listen"], wanted["upstream"])
        await made.enable(wanted.get("enabled", True))
        self._proxies[made.name] = made
        return JSONResponse(made.json(), 201)

    async def proxy(self, request: Request) -> Response:
        """Show, change or delete one."""
        found = self._of(request)
        if found is None:
            return JSONResponse({"error": "proxy not found"}, 404)
        if request.method == "DELETE":
            await found.enable(False)
            del self._proxies[found.name]
            return Response(status_code=204)
        if request.method in {"POST", "PATCH"}:
            await found.enable((await request.json()).get("enabled", True))
        return JSONResponse(found.json())

    async def toxics(self, request: Request) -> Response:
        """Add one to a proxy."""
        found, wanted = self._of(request), await request.json()
        if found is None:
            return JSONResponse({"error": "proxy not found"}, 404)
        if wanted.get("type") not in KINDS:
            return JSONResponse({"error": "invalid toxic type"}, 400)
        stream = wanted.get("stream", "downstream")
        name = wanted.get("name") or f"{wanted['type']}_{stream}"
        found.toxics[name] = Toxic(name, wanted["type"], stream, wanted.get("attributes", {}))
        return JSONResponse(found.toxics[name].json())

    async def toxic(self, request: Request) -> Response:
        """Remove one."""
        found = self._of(request)
        if found is None or not found.remove(request.path_params["toxic"]):
            return JSONResponse({"error": "toxic not found"}, 404)
        return Response(status_code=204)

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/version", lambda _: JSONResponse({"version": "dawsos"})),
                Route("/proxies", self.proxies, methods=["GET", "POST"]),
                Route("/proxies/{name}", self.proxy, methods=["GET", "POST", "PATCH", "DELETE"]),
                Route("/proxies/{name}/toxics", self.toxics, methods=["POST"]),
                Route("/proxies/{name}/toxics/{toxic}", self.toxic, methods=["DELETE"]),
            ]
        )


@contextmanager
def serving_toxics() -> Iterator[str]:
    """The API on a free port of the loopback, in a thread of its own; its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(Api().app(), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the fault proxy does not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(5)
