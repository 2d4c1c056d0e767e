"""Serves pages on the loopback address, for programs on this machine: the one HTTP server of the tool.

Whoever may open a connection here may read the pages, so two things are refused: every other address, and a request whose
``Host`` is not this machine, which a browser sends for a web page that had its own name lead here (DNS rebinding).

aiohttp is imported when a server starts, as in ``http``.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dawsos.errors import DawsosError, InfrastructureError

if TYPE_CHECKING:
    from aiohttp import web

_LOOPBACK = "127.0.0.1"
_LOCAL_NAMES = frozenset({_LOOPBACK, "localhost"})
# Seconds that open requests get when the server ends.
_END_WITHIN = 2.0


@dataclass(frozen=True)
class Page:
    """The answer to a request; ``kind`` is its Content-Type."""

    text: str
    kind: str = "text/plain; charset=utf-8"
    status: int = 200


async def serve_pages(pages: Mapping[str, Callable[[], Page]], port: int, ready: Callable[[int], None]) -> None:
    """Serve ``pages`` (path -> what makes it, asked for each request) until Ctrl-C or TERM.

    ``port`` 0 takes a free one; ``ready`` gets the port that is listened on.  A page that raises a DawsosError is answered with
    status 503 and its message.  Raises InfrastructureError when the port is taken.
    """
    from aiohttp import web  # see the module's docstring

    async def answer(request: web.Request) -> web.Response:
        page = _answer(request, pages)
        return web.Response(text=page.text, status=page.status, headers={"Content-Type": page.kind})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_END_WITHIN)
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    await runner.setup()
    try:
        await _listen(web.TCPSite(runner, _LOOPBACK, port), port)
        ready(int(runner.addresses[0][1]))
        await ended.wait()
    finally:
        await runner.cleanup()


async def _listen(site: Any, port: int) -> None:
    try:
        await site.start()
    except OSError as error:
        raise InfrastructureError(
            f"cannot listen on {_LOOPBACK}:{port}: {os.strerror(error.errno or 0)}",
            fix="take another port, or 0 for a free one",
        ) from error


def _answer(request: web.Request, pages: Mapping[str, Callable[[], Page]]) -> Page:
    host = request.headers.get("Host", "")
    if host.partition(":")[0].lower() not in _LOCAL_NAMES:
        return Page(f"this server answers requests to {_LOOPBACK} only, and not to {host!r}\n", status=421)
    if request.method not in ("GET", "HEAD"):
        return Page("only GET\n", status=405)
    make = pages.get(request.path)
    if make is None:
        return Page(f"there is no such page; those that are: {' '.join(pages)}\n", status=404)
    try:
        return make()
    except DawsosError as error:
        return Page(f"{error}\n", status=503)
