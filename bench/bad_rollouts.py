"""One real rollout, or recording, of a release of `bench/bad_releases.py` on the embedded platform, and what users saw of it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bad_kinds import POLICY, Kind, ladder
from bad_users import Users

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.analysis.statistical.evidence import STREAMS
from dawsos.errors import ReleaseFailed
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.events import Event, Fact, RollbackRequested, RolloutSampled
from dawsos.model.fold import fold
from dawsos.model.pipeline import Service
from dawsos.model.policy import Load, RolloutPolicy
from dawsos.model.release import Release
from dawsos.model.run import RolloutRecord, Run
from dawsos.model.status import Cause
from dawsos.platforms.contract import EnvironmentSpec, PlatformHost
from dawsos.platforms.local.platform import LocalPlatform
from dawsos.ports import LoadGenerator
from dawsos.rollout.lifecycle import RolloutContext, begin, conduct

Mode = Literal["rollout", "record"]
SOURCES = Path(__file__).resolve().parent / "bad_service"
SERVICE = Service.model_validate(
    {
        "project": ".", "requirements": "requirements.txt", "command": "python -m start", "ready_within": "40s",
        "stop_grace": "1s",
    }
)  # fmt: skip
SETTINGS = EnvironmentSettings(replicas=2)
# A recording: nobody decides, so that each judge can be asked afterwards what it would have done.
NOBODY = {"judge": "thresholds", "failed_checks": 10**6, "compare": {"enabled": False}, "at_deadline": "hold"}


class Journal:
    """Implements ``ports.Recorder`` in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.state = Run()

    def record(self, fact: Fact, stage: str = "") -> Event:
        event = Event("bench", len(self.events) + 1, time.time(), fact, stage)
        self.events.append(event)
        self.state = fold([event], self.state)
        return event

    def refresh(self) -> Run:
        return self.state

    def since(self, seq: int) -> list[Event]:
        return self.events[seq:]


def build(kind: Kind, folder: Path, *, stable: bool = False) -> Release:
    """Make the release of ``kind``, or the stable one beside which it is rolled out, from its sources."""
    name = kind.stable if stable else kind.release
    slug = hashlib.sha256(f"{kind.language} {name}".encode()).hexdigest()
    path = folder / slug[:12]
    site = path / "site"
    if not site.exists():
        made = path / f"made-by-{os.getpid()}"
        made.mkdir(parents=True, exist_ok=True)
        if kind.language == "go":
            _build_go(name, made)
        else:
            for source in ("shop.py", "bad.py", "harmless.py"):
                shutil.copyfile(SOURCES / source, made / source)
            (made / "chosen.py").write_text(f"RELEASE = {name!r}\n")
            (made / "start.py").write_text("import shop\n\nshop.main()\n")
        with contextlib.suppress(OSError):  # another process was faster
            made.rename(site)
    return Release(slug, path, slug[:40], 1, "3.11", sys.executable)


def _build_go(name: str, made: Path) -> None:
    go = shutil.which("go") or "/usr/local/go/bin/go"
    binary = made / "shop-in-go"
    variables = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0"}
    flags = f"-s -w -X 'main.release={name}'"
    subprocess.run(
        [go, "build", "-p", "1", "-ldflags", flags, "-o", str(binary), str(SOURCES / "shop.go")],
        check=True,
        env=variables,
    )
    (made / "start.py").write_text(
        "import os\nfrom pathlib import Path\n\nbinary = str(Path(__file__).parent / 'shop-in-go')\nos.execv(binary, [binary])\n"
    )


@dataclass(frozen=True)
class Order:
    """One rollout to make: ``number`` tells it from others of the same release, ``seconds`` is the length of a recording."""

    kind: Kind
    mode: Mode
    number: int
    rate: float
    weight: int = 5
    seconds: float = 130.0


@dataclass
class Place:
    """An environment on this machine, with a stable release that serves."""

    folder: Path
    releases: Path
    _stable: str = ""
    _load: list[Users] = field(default_factory=list)

    def platform(self) -> LocalPlatform:
        masker = Masker()
        runner = ProcessRunner(SystemClock(), masker)
        host = PlatformHost("shop", self.folder / "shop", SystemClock(), runner, masker, SETTINGS, self.folder)
        return LocalPlatform(host)

    async def _prepared(self) -> LocalPlatform:
        platform = self.platform()
        await platform.prepare(EnvironmentSpec(SERVICE, SETTINGS))
        return platform

    async def stable(self, kind: Kind) -> Release:
        """Let the release beside which ``kind`` is rolled out serve."""
        release, platform = build(kind, self.releases, stable=True), await self._prepared()
        before = (await platform.status()).roles.stable
        name = f"stable-{release.digest[:8]}"
        if before != name:
            await platform.deploy(name, release)
            await platform.route(name, None, 0)
            if before:
                await platform.remove(before)
        return release

    async def carry_out(self, order: Order) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Make one rollout; return what came of it, and its samples as the journal has them."""
        kind = order.kind
        stable, release = await self.stable(kind), build(kind, self.releases)
        platform, journal = await self._prepared(), Journal()
        context = self._context(order, platform, journal, release, (stable.commit, release.commit))
        serving = (await platform.status()).roles.stable
        try:
            record = await begin(context, f"{order.number:04}-{release.digest[8:12]}")
        except ReleaseFailed as error:
            return {**_named(order), "outcome": "rolled_back", "where": "deploy", "reason": error.message[:200]}, []
        ending = asyncio.create_task(self._end(journal, order)) if order.mode == "record" else None
        try:
            finished = await conduct(context, record)
        finally:
            if ending is not None:
                ending.cancel()
        now = (await platform.status()).roles
        if now.stable != serving:
            await platform.route(serving, None, 0)
            await platform.remove(str(now.stable))
        found = journal.state.rollout
        assert found is not None
        users = self._load.pop() if self._load else None
        told = _told(order, found, users, journal)
        told["outcome"] = str(finished.outcome)
        samples = [
            event.fact.body() | {"wall": event.at} for event in journal.events if isinstance(event.fact, RolloutSampled)
        ]
        return told, samples

    def _context(
        self, order: Order, platform: LocalPlatform, journal: Journal, release: Release, versions: tuple[str, str]
    ) -> RolloutContext:
        asked = {**POLICY, "ladder": ladder("bad" if order.kind.bad else "harmless", order.weight), **order.kind.policy}
        if order.mode == "record":
            asked |= {
                **NOBODY,
                "ladder": [{"weight": order.weight, "duration": order.seconds * 2}, {"weight": 100, "duration": 1}],
            }
        asked["load"] = {**asked["load"], "rate": order.rate}

        def start(url: str, load: Load, _token: str) -> LoadGenerator:
            self._load.append(Users(url, load, versions, order.kind.statuses))
            return self._load[-1]

        logs = self.folder / "logs" / f"{order.kind.slug}-{order.mode}-{order.number}"
        logs.mkdir(parents=True, exist_ok=True)
        return RolloutContext(
            "canary",
            SERVICE,
            release,
            platform,
            RolloutPolicy.model_validate(asked),
            journal,
            SystemClock(),
            Masker(),
            start,
            logs,
        )

    async def _end(self, journal: Journal, order: Order) -> None:
        """End a recording when it is long enough."""
        while not any(isinstance(e.fact, RolloutSampled) and e.fact.weight for e in journal.events):
            await asyncio.sleep(0.2)
        await asyncio.sleep(order.seconds)
        journal.record(RollbackRequested("bench", "it is recorded"))

    async def close(self) -> None:
        await self.platform().down(purge=True)


def _named(order: Order) -> dict[str, Any]:
    kind = order.kind
    return {
        "release": kind.name,
        "bad": kind.bad,
        "mode": order.mode,
        "number": order.number,
        "rate": order.rate,
        "first_step": order.weight,
    }


def _told(order: Order, found: RolloutRecord, users: Users | None, journal: Journal) -> dict[str, Any]:
    judged = [sample for sample in found.samples if sample.weight]
    wrong = [one for one in users.wrong if one.deployment != found.stable_deployment] if users else []
    by_stable = len(users.wrong) - len(wrong) if users else 0
    first = next((e.at for e in journal.events if e.kind == "weight_confirmed"), None)
    # Users' times are monotonic; the journal's are of the wall.
    offset = time.time() - time.monotonic()
    seconds = sum(sample.seconds for sample in judged)
    requests = sum(s.canary.requests + s.stable.requests for s in judged)
    return {
        **_named(order),
        "where": _where(found),
        "cause": str(found.cause),
        "reason": found.reason,
        "seconds": round(seconds, 1),
        "weight": judged[-1].weight if judged else 0,
        "canary_requests": sum(s.canary.requests for s in judged),
        "canary_errors": sum(s.canary.errors for s in judged),
        "rps": round(requests / seconds, 1) if seconds else 0.0,
        "compared": found.compared.verdict if found.compared else "",
        "compared_says": found.compared.reason if found.compared else "",
        "wrong": len(wrong),
        "why": dict(Counter(one.why for one in wrong)),
        "wrong_at": [round(one.at + offset - first, 2) for one in wrong] if first else [],
        "wrong_by_stable": by_stable,
        "skipped": users.skipped if users else 0,
    }


def _where(found: RolloutRecord) -> str:
    """Return where it was found: by the comparison before traffic, in a stream of the judge, or by a rule beside it."""
    if found.cause is Cause.ANSWERS:
        return "comparison"
    if found.cause is not Cause.WORSE_THAN_STABLE:
        return str(found.cause).replace("_", " ")
    streams = [one for one in found.samples[-1].evidence if one.name in STREAMS]
    return max(streams, key=lambda one: one.log_e).name


def keep(folder: Path, told: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    """Write the samples of one rollout beside the results."""
    slug = hashlib.sha256(told["release"].encode()).hexdigest()[:10]
    path = folder / f"{slug}-{told['mode']}-{told['number']}.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as out:
        json.dump(samples, out)
    told["samples"] = path.name
