"""Real releases of a small service behind a real Envoy: what their code does wrong is found before any user meets it."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.load_process import LoadProcess
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.events import AnswersCompared
from dawsos.model.policy import RolloutPolicy
from dawsos.model.release import Release
from dawsos.model.service import Service
from dawsos.model.status import Cause
from dawsos.platforms.contract import EnvironmentSpec, PlatformHost
from dawsos.platforms.local.platform import LocalPlatform
from dawsos.rollout.lifecycle import RolloutContext, begin, conduct
from fakes import MemoryRecorder
from support.sender import users

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Every answer has a time and an id, and its list is in another order each time: noise that stable itself shows.
SERVER = """
import http.server, json, os, random, sys, time, uuid

FAULT = {fault!r}
NAME = os.environ["GIT_SHA"]


def items():
    found = [dict(id=number, name="item", price=10.5 * number, stock=3) for number in range(1, 5)]
    random.shuffle(found)
    body = dict(version=NAME, items=found, total=4, at=time.time(), request_id=str(uuid.uuid4()))
    if FAULT == "missing":
        for one in found:
            del one["price"]
    if FAULT == "type":
        for one in found:
            one["price"] = str(one["price"])
    if FAULT == "null":
        body["total"] = None
    if FAULT == "emptied":
        body["items"] = []
    if FAULT == "error in 200":
        body = dict(version=NAME, status="all is well", error="the database is down")
    if FAULT == "new field":
        body["currency"] = "EUR"
    if FAULT == "value":
        body["total"] = 5
    if FAULT == "keys":
        body = dict(reversed(body.items()))
    return body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/ready"):
            return self.say(200, "text/plain", "ready")
        if FAULT == "closed":
            self.close_connection = True
            return None
        if FAULT == "slower":
            time.sleep(0.02)
        if FAULT == "404":
            return self.say(404, "application/json", json.dumps(dict(detail="not found")))
        if FAULT == "500":
            return self.say(500, "application/json", json.dumps(dict(detail="no")))
        if FAULT == "redirect":
            return self.say(302, "text/plain", "elsewhere", Location="/login")
        if FAULT == "empty":
            return self.say(200, "application/json", "")
        if FAULT == "cut":
            return self.say(200, "application/json", json.dumps(items())[:-20])
        if FAULT == "error page":
            return self.say(200, "text/html", "<html><body><h1>Something went wrong</h1></body></html>")
        text = json.dumps(items())
        if FAULT == "larger":
            text = text.replace(", ", ",    ")
        return self.say(200, "application/json", text)

    def say(self, status, media, text, **headers):
        body = text.encode()
        self.send_response(status)
        if FAULT == "header order":
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", media)
        else:
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
SERVICE = Service.model_validate(
    {
        "project": ".", "requirements": "requirements.txt", "command": "python -m tiny_shop", "ready": "/ready",
        "ready_within": "60s", "stop_grace": "1s", "health": "/ready", "healthy": "any", "version": "none",
    }
)  # fmt: skip
SETTINGS = EnvironmentSettings(replicas=2)
POLICY = {
    "ladder": [{"weight": 50, "duration": "1s"}, {"weight": 100, "duration": "1s"}],
    "judge": "thresholds", "baseline": "0s", "tick": "500ms", "check_interval": "500ms", "failed_checks": 5,
    "no_data_deadline": "60s", "lease": "60s", "error_rate": "5%", "p95": "5s",
    "load": {"rate": 20, "requests": [{"path": "/v1/items"}]},
}  # fmt: skip
BAD = {
    "404": "status 404, in stable 200",
    "500": "status 500, in stable 200",
    "redirect": "status 302, in stable 200",
    "closed": "disconnected, and stable answers 200",
    "empty": "the body is empty, in stable JSON",
    "cut": "the body is JSON that cannot be read, in stable JSON",
    "error page": "the body is a text, in stable JSON",
    "error in 200": "at is missing",
    "missing": "items[].price is missing",
    "type": "items[].price is text, in stable number",
    "null": "total is null, in stable number",
    "emptied": "items is an empty list",
}
HARMLESS = {
    "same": [], "keys": [], "header order": [], "slower": [], "larger": [], "new field": [("new", "currency")],
    "value": [("value", "total")],
}  # fmt: skip


@dataclass
class Shop:
    """An environment on this machine that serves the good release as ``stable``."""

    folder: Path
    made: dict[str, Release] = field(default_factory=dict)

    def platform(self) -> LocalPlatform:
        masker = Masker()
        runner = ProcessRunner(SystemClock(), masker)
        host = PlatformHost("shop", self.folder / "shop", SystemClock(), runner, masker, SETTINGS, self.folder)
        return LocalPlatform(host)

    def release(self, fault: str) -> Release:
        path = self.folder / "releases" / fault.replace(" ", "-")
        (path / "site").mkdir(parents=True, exist_ok=True)
        (path / "site" / "tiny_shop.py").write_text(SERVER.format(fault=fault))
        digest = hashlib.sha256(fault.encode()).hexdigest()
        return Release(digest, path, digest[:40], 1, "3.11", sys.executable)

    async def begin(self) -> LocalPlatform:
        platform = self.platform()
        await platform.prepare(EnvironmentSpec(SERVICE, SETTINGS))
        return platform

    async def roll_out(self, fault: str, **compare: Any) -> tuple[str, MemoryRecorder]:
        """Roll out the release with ``fault`` beside stable; stable serves again afterwards, whatever came of it."""
        platform, release = await self.begin(), self.release(fault)
        clock, masker, recorder = SystemClock(), Masker(), MemoryRecorder(SystemClock())  # type: ignore[arg-type]
        logs = self.folder / "logs" / fault.replace(" ", "-")
        logs.mkdir(parents=True, exist_ok=True)
        policy = RolloutPolicy.model_validate({**POLICY, "compare": compare})
        context = RolloutContext(
            "canary", SERVICE, release, platform, policy, recorder, clock, masker, LoadProcess, logs
        )
        finished = await conduct(context, await begin(context, f"2026-{release.digest[:6]}"))
        roles = (await platform.status()).roles
        if roles.stable != "stable":
            await platform.route("stable", None, 0)
            await platform.remove(str(roles.stable))
        return finished.outcome, recorder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("shop"))

    async def start() -> None:
        platform = await made.begin()
        await platform.deploy("stable", made.release("none"))
        await platform.route("stable", None, 0)

    try:
        asyncio.run(start())
        yield made
    finally:
        asyncio.run(made.platform().down(purge=True))


def compared(recorder: MemoryRecorder) -> AnswersCompared:
    (found,) = [event.fact for event in recorder.events if isinstance(event.fact, AnswersCompared)]
    return found


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_release_is_found_before_any_user_meets_it(shop: Shop, fault: str) -> None:
    stable, canary = shop.release("none").commit, shop.release(fault).commit
    url = asyncio.run(shop.platform().status()).url
    with users(url, "shop.example", 40, path="/v1/items") as sent:
        outcome, recorder = asyncio.run(shop.roll_out(fault))
    found = compared(recorder)
    assert (outcome, found.verdict) == ("rolled_back", "fail")
    assert found.reason == f"GET /v1/items: {BAD[fault]}"
    assert recorder.state.rollout is not None
    assert recorder.state.rollout.cause is Cause.ANSWERS
    # Not one user met it: it had no weight, and everybody got stable's answer.
    assert "weight_intended" not in recorder.kinds
    assert sent.answers
    assert not sent.bad()
    assert all(f'"version": "{stable}"' in one.by and canary not in one.by for one in sent.answers)


@pytest.mark.parametrize("change", HARMLESS)
def test_a_harmless_release_is_promoted(shop: Shop, change: str) -> None:
    outcome, recorder = asyncio.run(shop.roll_out(change))
    found = compared(recorder)
    assert (outcome, found.verdict) == ("promoted", "pass")
    told = [(one.kind, one.where) for page in found.pages for one in page.differences if one.kind != "time"]
    assert told == HARMLESS[change]
    # What stable itself varies was learned from it.
    assert {"at", "request_id"} <= set(found.pages[0].noise)


def test_a_difference_that_the_commit_means_is_promoted(shop: Shop) -> None:
    allow = [{"path": "/v1/items", "at": "items[].price", "why": "prices are asked for elsewhere now"}]
    outcome, recorder = asyncio.run(shop.roll_out("missing", allow=allow))
    (one,) = [one for page in compared(recorder).pages for one in page.differences]
    assert (outcome, one.verdict, one.allowed) == ("promoted", "allowed", "prices are asked for elsewhere now")
