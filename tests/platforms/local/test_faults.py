"""The faults of a drill on a real Envoy: each meets the canary only, and is gone when it is taken back."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dawsos.adapters.http import HttpClient, HttpError
from dawsos.model.policy import CrashLoop
from dawsos.model.rollout import Counts
from dawsos.platforms.faults import WireFault
from dawsos.platforms.local.environment import Deployment, LocalEnvironment
from dawsos.platforms.local.faults import LocalFaults
from dawsos.platforms.local.state import read_desired
from dawsos.platforms.local.telemetry import EnvoyTelemetry
from dawsos.platforms.readings import added
from support import ways

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

FEW = 60


class Stand:
    """Stable and a canary that has all traffic; both are good."""

    def __init__(self, folder: Path) -> None:
        self.environment = LocalEnvironment(folder, "faults")
        self.faults = LocalFaults(self.environment)

    async def up(self) -> None:
        await self.environment.ensure_supervisor()
        await self.environment.ensure_proxy()
        for name in ("d0", "d1"):
            await self.deploy(name)
        self.environment.renew_lease(3600)
        await self.environment.route(stable="d0", canary="d1", weight=100)

    async def deploy(self, name: str) -> None:
        argv = (sys.executable, "-P", ways.__file__)
        await self.environment.deploy(Deployment(name, "r", argv, "/", {"GOOD": "1"}, replicas=1))

    async def send(self, method: str = "GET", path: str = "/page") -> Counter[object]:
        """Return how often each answer came: its status with the length of the body, or why there was none."""
        client = HttpClient(f"http://127.0.0.1:{read_desired(self.environment.folder).proxy['listener']}", timeout=2.0)
        found: Counter[object] = Counter()
        try:
            for _ in range(FEW):
                try:
                    answer = await client.request(method, path)
                    found[answer.status, len(answer.body)] += 1
                except HttpError as error:
                    found[error.kind] += 1
        finally:
            await client.close()
        return found

    async def under(self, fault: WireFault, method: str = "GET", path: str = "/page") -> tuple[Counter[object], Counts]:
        """Return what a client saw and what the sensor counted of the canary while ``fault`` was there."""
        telemetry = EnvoyTelemetry(self.environment.folder, (), CrashLoop())
        try:
            await self.faults.set_fault(fault)
            await telemetry.sample(0.0, 100)
            seen = await self.send(method, path)
            samples: list[Counts] = []
            # Histograms are half a second late.
            while not _whole(added(samples)):
                samples.append((await telemetry.sample(0.0, 100)).canary)
                await asyncio.sleep(0.1)
        finally:
            await telemetry.close()
            await self.faults.clear()
        return seen, added(samples)


def _whole(counts: Counts) -> bool:
    return counts.requests >= FEW and counts.latency[-1][1] >= FEW


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    made = Stand(tmp_path_factory.mktemp("faults") / "environment")
    try:
        asyncio.run(made.up())
        yield made
    finally:
        asyncio.run(made.environment.down(purge=True))


def test_a_status_is_answered(stand: Stand) -> None:
    seen, canary = asyncio.run(stand.under(WireFault(status=404)))
    assert seen == {(404, 18): FEW}
    assert (canary.codes["404"], canary.errors) == (FEW, 0)


def test_an_empty_answer_has_no_body(stand: Stand) -> None:
    seen, canary = asyncio.run(stand.under(WireFault(status=200, empty=True)))
    assert seen == {(200, 0): FEW}
    assert dict(canary.sizes)[1.0] == FEW


def test_connections_are_closed_without_an_answer_for_their_share(stand: Stand) -> None:
    """Half of them, in turn, and what may be repeated is answered by stable."""
    seen, canary = asyncio.run(stand.under(WireFault(closed=True, share=0.5)))
    assert seen == {(200, 2): FEW}
    assert canary.errors == FEW // 2
    assert sum(canary.faults.values()) == FEW // 2


def test_a_fault_ends_when_it_is_taken_back(stand: Stand) -> None:
    asyncio.run(stand.under(WireFault(closed=True)))
    assert asyncio.run(stand.send("POST")) == {(200, 2): FEW}


def test_memory_grows_of_the_deployment_that_is_named_and_of_no_later_one(stand: Stand) -> None:
    async def scene() -> tuple[str, str]:
        await stand.faults.grow("d2")
        await stand.deploy("d2")
        await stand.faults.clear()
        await stand.deploy("d3")
        specs = read_desired(stand.environment.folder).processes
        for name in ("d2", "d3"):
            await stand.environment.remove(name)
        return " ".join(specs["d2.0"].argv), " ".join(specs["d3.0"].argv)

    growing, usual = asyncio.run(scene())
    assert ("growing.py" in growing, "growing.py" in usual) == (True, False)
