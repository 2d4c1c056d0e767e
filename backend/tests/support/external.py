"""Real servers outside the service: a webhook receiver, the stand-ins; and the worker as a process."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from app.core.signing import signature
from tests.support.servers import BACKEND, free_port


@dataclass
class Receiver:
    """A webhook receiver. `answers` is what it says to the next requests, 200 when there is none left."""

    url: str = ""
    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def bodies(self) -> list[dict[str, Any]]:
        """What it took, as JSON."""
        return [json.loads(body) for _, body in self.messages]

    def genuine(self, secret: str) -> bool:
        """Whether every message is signed with the secret, over its own id, time and body."""
        return _genuine(self.messages, secret)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of the loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.answers.pop(0) if receiver.answers else 200
            if status == 200:
                receiver.messages.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silence."""

    class Server(ThreadingHTTPServer):
        # The library's five would drop connections of a burst, and a dropped one is tried again a second later.
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@dataclass(frozen=True)
class StandIns:
    """The process of the stand-ins: the address of its pages, and the environment that points the service to it."""

    url: str
    env: dict[str, str]

    def mails(self, to: str) -> list[str]:
        """The messages one mailbox got."""
        return [mail["message"] for mail in httpx.get(f"{self.url}/mail").json() if mail["to"] == to]

    def fault(self, provider: str, mode: str) -> None:
        """Break a provider, or mend it."""
        httpx.post(f"{self.url}/faults", json={"provider": provider, "mode": mode}).raise_for_status()

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        """What the collector has of one trace."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/traces/{trace_id}").json()
        return found

    def hooked(self, name: str) -> list[tuple[dict[str, str], bytes]]:
        """What a webhook receiver of the stand-ins has taken: headers and body."""
        taken = httpx.get(f"{self.url}/hooks/{name}").raise_for_status().json()
        return [(message["headers"], base64.b64decode(message["body"])) for message in taken]


@dataclass(frozen=True)
class Hook:
    """A webhook receiver of the stand-ins: `url` is its address as the service sees it, wherever that runs."""

    stand_ins: StandIns
    name: str
    url: str

    @property
    def messages(self) -> list[tuple[dict[str, str], bytes]]:
        """What it took: headers and body."""
        return self.stand_ins.hooked(self.name)

    def bodies(self) -> list[dict[str, Any]]:
        """What it took, as JSON."""
        return [json.loads(body) for _, body in self.messages]

    def genuine(self, secret: str) -> bool:
        """Whether every message is signed with the secret, over its own id, time and body."""
        return _genuine(self.messages, secret)


def _genuine(messages: list[tuple[dict[str, str], bytes]], secret: str) -> bool:
    return all(
        head["webhook-signature"] == signature(secret, head["webhook-id"], int(head["webhook-timestamp"]), body)
        for head, body in messages
    )


@contextmanager
def child(env: dict[str, str], module: str, healthy: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module` until the block ends; it must answer on `healthy` first, and end when told."""
    process = subprocess.Popen([sys.executable, "-m", module], env=env, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: process.poll() is not None or answers(healthy), f"{module} does not answer")
        assert process.poll() is None, f"{module} ended with {process.returncode}"
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def answers(url: str) -> bool:
    """Whether the page is there."""
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def wait_for(condition: Callable[[], object], what: str | Callable[[], str], within: float = 30.0) -> None:
    """Until the condition holds; an AssertionError with `what` after the deadline."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.05)


@contextmanager
def stand_ins(env: dict[str, str]) -> Iterator[StandIns]:
    """The stand-ins on free ports. They get no other import path than their own: they must not need the service."""
    pages, mail = free_port(), free_port()
    url = f"http://127.0.0.1:{pages}"
    told = {
        "PROVIDERS_URL": url,
        "SMTP_URL": f"smtp://127.0.0.1:{mail}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "WEBHOOK_NETWORKS": "127.0.0.0/8",
        "ALERT_INTERVAL": "1",
    }
    with ExitStack() as stack:
        own = {"STANDIN_PORT": str(pages), "MAIL_PORT": str(mail), "PYTHONPATH": str(BACKEND / "standins")}
        stack.enter_context(child({**env, **own}, "standins", f"{url}/health"))
        wait_for(lambda: listens(mail), "the mail server does not listen")
        yield StandIns(url, told)


def listens(port: int) -> bool:
    """Whether somebody accepts connections."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def worker(env: dict[str, str]) -> Iterator[str]:
    """`python -m app.worker`; the address of its pages."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with child({**env, "WORKER_PORT": str(port)}, "app.worker", f"{url}/health/ready"):
        yield url
