"""A small registry in this process for the tests of those who push: the requests of the OCI distribution API that a push needs.

``tests/kubernetes/test_images.py`` pushes to real ones.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

TOKEN = "short-lived-token"


@dataclass
class SmallRegistry:
    """``wants`` is what it wants to see: nothing, a name with a password (``basic``), or a token that is given for one (``bearer``).

    The first ``busy`` requests get status 503; what is asked for ``refuses`` (a part of a path) gets 403, with what was sent.
    """

    wants: str = ""
    user: str = "ada"
    password: str = "correct horse"
    refresh: str = "refresh-token"
    busy: int = 0
    refuses: str = ""
    says_digest: str = ""
    forgets: bool = False
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[SmallRegistry]:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.append(f"{request.method} {request.path}")
        self.seen.append(request.headers.get("Authorization", ""))
        if request.path == "/token":
            return self._token(request, body)
        if self.busy:
            self.busy -= 1
            return web.Response(status=503)
        refused = self._unauthorized(request)
        if refused is not None:
            return refused
        if self.refuses and self.refuses in request.path:
            told = f"you sent {request.headers.get('Authorization')}"
            return web.json_response({"errors": [{"code": "DENIED", "message": told}]}, status=403)
        return self._keep(request, body) if request.method in ("POST", "PUT") else self._look(request)

    def _unauthorized(self, request: web.Request) -> web.Response | None:
        sent = request.headers.get("Authorization", "")
        basic = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if self.wants == "basic" and sent != basic:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="test"'})
        if self.wants == "bearer" and sent != f"Bearer {TOKEN}":
            challenge = f'Bearer realm="{self.url}/token",service="test",scope="repository:x:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return None

    def _token(self, request: web.Request, body: bytes) -> web.Response:
        basic = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        good = request.headers.get("Authorization") == basic or f"refresh_token={self.refresh}".encode() in body
        return web.json_response({"token": TOKEN} if good else {}, status=200 if good else 401)

    def _look(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("/")[2]
        if "/blobs/" in request.path:
            return web.Response(status=200 if name in self.blobs else 404)
        if name not in self.manifests or self.forgets:
            return web.Response(status=404)
        return web.Response(headers={"Docker-Content-Digest": self.says_digest or name})

    def _keep(self, request: web.Request, body: bytes) -> web.Response:
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": f"{request.path}session?state=1"})
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if "/blobs/" in request.path:
            if request.query["digest"] != digest:
                return web.json_response({"errors": [{"code": "DIGEST_INVALID"}]}, status=400)
            self.blobs[digest] = body
            return web.Response(status=201)
        kept = (request.headers["Content-Type"], body)
        self.manifests[request.path.rpartition("/")[2]] = self.manifests[digest] = kept
        return web.Response(status=201)
