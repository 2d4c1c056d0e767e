"""Serves pages on the loopback address, for programs on this machine, and answers within a cluster: the HTTP server of the tool.

Whoever may open a connection to this machine may read the pages, so two things are refused: every other address, and a request whose
``Host`` is not this machine, which a browser sends for a web page that had its own name lead here (DNS rebinding).

aiohttp is imported when a server starts, as in ``http``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawsos.errors import BadInput, DawsosError, InfrastructureError

if TYPE_CHECKING:
    from aiohttp import web

_LOOPBACK = "127.0.0.1"
_LOCAL_NAMES = frozenset({_LOOPBACK, "localhost"})
# Seconds that open requests get when the server ends.
_END_WITHIN = 2.0
# The longest question, in bytes: a review has an object of the cluster twice.
_LONGEST = 8 << 20
# Seconds after which a certificate is read again, which may have been renewed.
_RENEWED = 60.0


@dataclass(frozen=True)
class Page:
    """The answer to a request; ``kind`` is its Content-Type."""

    text: str
    kind: str = "text/plain; charset=utf-8"
    status: int = 200


Answer = Callable[[bytes], Awaitable[Page]]


@dataclass(frozen=True)
class Endpoint:
    """Where a service of a cluster listens; with ``certificate`` and ``key`` (PEM files, read again when renewed) it speaks TLS."""

    host: str = "0.0.0.0"  # noqa: S104 - a pod has one address, and nobody knows it beforehand
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None


async def serve_answers(answers: Mapping[str, Answer], where: Endpoint, ready: Callable[[int], None]) -> None:
    """Answer the requests of other programs at ``where`` until TERM: each of ``answers`` (by path) gets the body of a request.

    ``ready`` gets the port.  An answer that raises is one with status 500.  Raises BadInput for a certificate that cannot be used,
    InfrastructureError when the port is taken.
    """
    from aiohttp import web  # see the module's docstring

    async def asked(request: web.Request) -> web.Response:
        make = answers.get(request.path)
        page = Page("there is no such page\n", status=404) if make is None else await make(await request.read())
        return web.Response(body=page.text.encode(), status=page.status, headers={"Content-Type": page.kind})

    app = web.Application(client_max_size=_LONGEST)
    app.router.add_route("*", "/{path:.*}", asked)
    context = _tls(where)
    renewing = asyncio.create_task(_renewed(context, where)) if context is not None else None
    try:
        await _serve(
            app, lambda runner: web.TCPSite(runner, where.host, where.port, ssl_context=context), where.port, ready
        )
    finally:
        if renewing is not None:
            renewing.cancel()


def _tls(where: Endpoint) -> ssl.SSLContext | None:
    if where.certificate is None or where.key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(where.certificate, where.key)
    except (OSError, ssl.SSLError) as error:
        raise BadInput(
            f"cannot use the certificate {where.certificate}: {error}", fix="give one in PEM, and its key"
        ) from error
    return context


async def _renewed(context: ssl.SSLContext, where: Endpoint) -> None:
    while where.certificate is not None:
        await asyncio.sleep(_RENEWED)
        # One that is half written is read the next time; until then the old one holds.
        with suppress(OSError, ssl.SSLError):
            context.load_cert_chain(where.certificate, where.key)


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
    await _serve(app, lambda runner: web.TCPSite(runner, _LOOPBACK, port), port, ready)


async def _serve(
    app: web.Application, site: Callable[[web.AppRunner], web.TCPSite], port: int, ready: Callable[[int], None]
) -> None:
    """Serve ``app`` until Ctrl-C or TERM."""
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_END_WITHIN)
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    await runner.setup()
    try:
        await _listen(site(runner), port)
        ready(int(runner.addresses[0][1]))
        await ended.wait()
    finally:
        await runner.cleanup()


async def _listen(site: Any, port: int) -> None:
    try:
        await site.start()
    except OSError as error:
        raise InfrastructureError(
            f"cannot listen on port {port}: {os.strerror(error.errno or 0)}",
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
