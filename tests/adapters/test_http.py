"""A running service asked over a real socket: what it says is taken as it is, what it does never raises."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from dawsos.adapters.http import get
from dawsos.adapters.loopback import free_ports

pytestmark = pytest.mark.e2e  # opens sockets on loopback

PAGES = {
    "/json": (200, "application/json", b'{"status": "healthy"}'),
    "/broken": (200, "application/json", b"{"),
    "/text": (503, "text/plain", b"down"),
}


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code, kind, body = PAGES.get(self.path, (200, "text/plain", self.headers.get("Authorization", "").encode()))
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("X-Pack-Stale", "true")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_answer_is_taken_as_it_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy of the caller's is not asked for what is on this machine.
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_ports(1)[0]}")
    answer = asyncio.run(get(f"{url}/json"))
    assert (answer["status_code"], answer["body"], answer["error"]) == (200, {"status": "healthy"}, "")
    assert (answer["url"], answer["headers"]["x-pack-stale"]) == (f"{url}/json", "true")
    assert 0 < answer["seconds"] < 10
    assert asyncio.run(get(f"{url}/broken"))["body"] == "{"
    down = asyncio.run(get(f"{url}/text"))
    assert (down["status_code"], down["body"]) == (503, "down")


def test_a_token_goes_with_the_question_and_none_goes_without(url: str) -> None:
    assert asyncio.run(get(f"{url}/who", token="key"))["body"] == "Bearer key"
    assert asyncio.run(get(f"{url}/who"))["body"] == ""


def test_nobody_there_is_an_answer_too() -> None:
    answer = asyncio.run(get(f"http://127.0.0.1:{free_ports(1)[0]}/health"))
    assert (answer["status_code"], answer["body"], answer["headers"]) == (None, None, {})
    assert answer["error"].startswith("ConnectError: ")
