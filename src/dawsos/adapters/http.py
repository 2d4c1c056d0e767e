"""The one HTTP client: to the services, proxies and admin pages of this machine, the servers that observe them, and registries.

aiohttp is imported when the first request is made, so that a verb that makes none does not pay for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import ssl

    import aiohttp

# As long as a client keeps a connection that is not used.
_IDLE = 5.0
# Bytes of the path of a Unix socket (sun_path of Linux is 108 with its end, that of macOS 104).
_LONGEST = 103
_CHARSET = re.compile(r"charset=\"?([^\s;\"]+)", re.IGNORECASE)


class HttpError(Exception):
    """No usable answer.  ``kind`` is ``cannot connect``, ``disconnected``, ``incomplete answer``, ``timeout``, ``too large``,
    ``invalid answer``, ``invalid address`` or ``status N``; the message has the detail as well.  ``headers`` are those of an
    answer that broke off after them, in lower case."""

    def __init__(self, kind: str, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.headers: Mapping[str, str] = headers or {}


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body in the encoding that its header names, UTF-8 when it names none; what does not fit is replaced."""
        named = _CHARSET.search(self.headers.get("content-type", ""))
        try:
            return self.body.decode(named[1] if named else "utf-8", errors="replace")
        except LookupError:
            return self.body.decode(errors="replace")


class HttpClient:
    """Requests to one server.  Sends each request once, follows no redirect, keeps no cookie and asks no proxy of the caller's.

    ``timeout`` is of a whole request, in seconds; ``connections`` is how many may be open at once.  A body of more than
    ``largest`` bytes is not read to its end.  ``tls`` says whose certificates are believed, by default those of this machine.
    With ``unix`` every connection goes to this socket, whatever host the address names.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        timeout: float,
        connections: int = 100,
        largest: int | None = None,
        tls: ssl.SSLContext | None = None,
        unix: Path | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._connections = connections
        self._largest = largest
        self._tls = tls
        self._unix = unix
        self._folder = -1
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> aiohttp.ClientSession:
        """Return the session, made on the first call; needs a running event loop."""
        if self._session is None:
            import aiohttp  # costs a tenth of a second, which only those who send a request should pay

            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
            # A request whose connection was closed under it is one that was lost; to send it once more would hide that.
            self._session._retry_connection = False
        return self._session

    def _connector(self) -> aiohttp.BaseConnector:
        import aiohttp

        if self._unix is not None:
            return aiohttp.UnixConnector(self._address(self._unix), limit=self._connections, keepalive_timeout=_IDLE)
        tls = True if self._tls is None else self._tls
        return aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE, ssl=tls)

    def _address(self, path: Path) -> str:
        """Return a path to the socket that is short enough for a socket's address; its folder stays open until ``close``."""
        if len(os.fsencode(path)) <= _LONGEST:
            return str(path)
        with contextlib.suppress(OSError):
            self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            return f"/proc/self/fd/{self._folder}/{path.name}"
        return str(path)

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        folder, self._folder = self._folder, -1
        if session is not None:
            await session.close()
        if folder >= 0:
            os.close(folder)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | Path | None = None,
    ) -> Response:
        """Send ``body``, of a file piece by piece, and return the answer, whatever its status; raises HttpError when there is none.

        Raises OSError when the file cannot be opened.
        """
        session, url = self.open(), self._base_url + path
        with ExitStack() as files:
            sent: bytes | BinaryIO | None = files.enter_context(body.open("rb")) if isinstance(body, Path) else body
            return await self._send(session.request(
                method, url, params=params, headers=headers, data=sent, allow_redirects=False
            ))  # fmt: skip

    async def _send(self, request: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Response:
        named: dict[str, str] = {}
        try:
            async with request as answer:
                named = {name.lower(): ", ".join(answer.headers.getall(name)) for name in answer.headers}
                return Response(answer.status, named, await self._read(answer))
        except HttpError:
            raise
        except Exception as error:
            kind = _kind(error)
            if not kind:
                raise
            raise HttpError(kind, str(error), named) from error

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        if self._largest is None:
            return await answer.read()
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > self._largest:
                raise HttpError("too large", f"more than {self._largest} bytes")
        return bytes(body)

    async def page(self, path: str, params: Mapping[str, str] | None = None) -> str:
        """Return the text of a page; raises HttpError, also for any status but 2xx."""
        answer = await self.request("GET", path, params=params)
        if not 200 <= answer.status < 300:
            raise HttpError(f"status {answer.status}")
        return answer.text


def _kind(error: Exception) -> str:
    """Return the kind of an error of a request, or an empty text for an error that is a defect of this tool."""
    import aiohttp

    kinds: tuple[tuple[type[Exception], str], ...] = (
        (TimeoutError, "timeout"),
        (aiohttp.ClientConnectorError, "cannot connect"),
        (aiohttp.ClientPayloadError, "incomplete answer"),
        (aiohttp.ClientConnectionError, "disconnected"),
        (OSError, "disconnected"),
        (aiohttp.InvalidURL, "invalid address"),
        (aiohttp.ClientError, "invalid answer"),
    )
    return next((kind for one, kind in kinds if isinstance(error, one)), "")


async def get(url: str, *, token: str = "", timeout: float = 10.0) -> dict[str, Any]:
    """Return {url, status_code, body, seconds, headers, error}; never raises for what the service does.

    ``body`` is the parsed document when the service calls it JSON and it is, else text; None without an answer.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    started = time.monotonic()
    answer: dict[str, Any] = {"url": url, "status_code": None, "body": None, "headers": {}, "error": ""}
    client = HttpClient(timeout=timeout)
    try:
        response = await client.request("GET", url, headers=headers)
        answer |= {"status_code": response.status, "headers": dict(response.headers), "body": _body(response)}
    except HttpError as error:
        answer["error"] = str(error)
    finally:
        await client.close()
    answer["seconds"] = time.monotonic() - started
    return answer


def _body(response: Response) -> Any:
    if "json" in response.headers.get("content-type", ""):
        try:
            return json.loads(response.text)
        except ValueError:
            return response.text
    return response.text
