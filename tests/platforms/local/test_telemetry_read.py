"""What a rollout reads from Envoy: a sample of what happened since the last one, and when the canary got its last request."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import pytest

from dawsos.model.policy import CrashLoop
from dawsos.model.rollout import Counts, Drained, Sample
from dawsos.platforms.contract import Roles
from dawsos.platforms.local.state import Desired, SupervisedProcess, write_desired, write_json, write_roles
from dawsos.platforms.local.telemetry import EnvoyTelemetry
from dawsos.platforms.local.traffic import EnvoyTraffic
from support.envoy import EnvoyPage
from support.pages import Pages, serving

T = TypeVar("T")


class Proxy:
    """What the controller has of one proxy: the traffic that it moves and the telemetry that the judge sees."""

    def __init__(self, folder: Path, failures: tuple[str, ...], crash_loop: CrashLoop) -> None:
        self.traffic = EnvoyTraffic(folder)
        self.telemetry = EnvoyTelemetry(folder, failures, crash_loop)

    def answered_by(self, admin: Pages, pages: Pages) -> None:
        self.traffic._admin._client = self.telemetry._admin._client = admin
        self.telemetry._pages = pages

    blind = ""

    async def sample(self, at: float, weight: int) -> Sample:
        return await self.telemetry.sample(at, weight)

    async def wait_until_drained(self, deadline: float) -> Drained:
        return await self.traffic.wait_until_drained(deadline)

    async def close(self) -> None:
        await self.traffic.close()
        await self.telemetry.close()


Question = Callable[[Proxy], Awaitable[T]]


class World:
    """An environment whose canary is ``d.1`` and whose stable is ``d0``, behind a scripted Envoy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.envoy = EnvoyPage()
        self.crash_loop = CrashLoop()
        self.failures: tuple[str, ...] = ()
        self.desired(1)
        self.roles("d0", "d.1")

    def desired(self, admin: int) -> None:
        write_desired(self.folder, Desired(proxy={"admin": admin}, deployments={"d.1": {"ports": [8001, 8002]}}))

    def roles(self, stable: str | None, canary: str | None) -> None:
        write_roles(self.folder, Roles(stable, canary, None, 5))

    def ask(self, question: Question[T], metrics: Callable[[str], str] = lambda _path: "") -> T:
        """Return what ``question`` makes of the traffic, with the scripted pages for answers."""

        async def asked() -> T:
            traffic = Proxy(self.folder, self.failures, self.crash_loop)
            traffic.answered_by(Pages(self.envoy.page), Pages(lambda path, _params: metrics(path)))
            return await question(traffic)

        return asyncio.run(asked())

    def samples(self, *steps: Callable[[], object]) -> list[Sample]:
        """Return a first sample, and one after each of ``steps``."""

        async def question(traffic: Proxy) -> list[Sample]:
            found = [await traffic.sample(0.0, 5)]
            for at, step in enumerate(steps, start=1):
                step()
                found.append(await traffic.sample(float(at), 5))
            return found

        return self.ask(question)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_sample_is_what_happened_since_the_one_before(world: World) -> None:
    world.envoy.count("d0", upstream_rq_total=1000, upstream_rq_5xx=50)
    world.envoy.count("d.1", upstream_rq_total=70, upstream_rq_5xx=7)
    world.envoy.latency = {"d.1": {"1200": 60, "+Inf": 70}, "d0": {"+Inf": 1000}}

    def traffic() -> None:
        world.envoy.count("d0", upstream_rq_total=90, upstream_rq_5xx=1)
        world.envoy.count("d.1", upstream_rq_total=10, retry_upstream_rq_5xx=2)
        world.envoy.latency = {"d.1": {"1200": 67, "+Inf": 80}, "d0": {"+Inf": 1090}}

    started = time.monotonic()
    first, second = world.samples(traffic)
    assert (first.complete, first.canary, first.stable) == (False, Counts(), Counts())
    assert (second.complete, second.at, second.weight) == (True, 1.0, 5)
    assert second.canary == Counts(10, 2, ((1.2, 7), (math.inf, 10)), under_way=0)
    assert second.stable == Counts(90, 1, ((math.inf, 90),), under_way=0)
    assert 0 < second.seconds < time.monotonic() - started


def test_a_sample_lasts_from_the_one_before(world: World) -> None:
    started = time.monotonic()
    found = world.samples(*[lambda: time.sleep(0.03)] * 3)
    assert sum(sample.seconds for sample in found) <= time.monotonic() - started
    assert all(sample.seconds >= 0.03 for sample in found[1:])


def test_what_the_aggregate_and_its_member_count_is_added(world: World) -> None:
    def traffic() -> None:
        world.envoy.count("d.1", upstream_rq_total=20, upstream_rq_rx_reset=1)
        world.envoy.count("to-d.1", upstream_rq_5xx=4)
        world.envoy.latency = {"d.1": {"+Inf": 5}, "to-d.1": {"500": 12, "+Inf": 15}}

    _, sample = world.samples(traffic)
    assert sample.canary == Counts(20, 5, ((0.5, 12), (math.inf, 20)), under_way=0)
    assert sample.stable == Counts(under_way=0)


def test_a_cluster_whose_name_only_looks_alike_is_not_counted(world: World) -> None:
    def traffic() -> None:
        world.envoy.count("d-1", upstream_rq_total=9)
        world.envoy.count("d.1", upstream_rq_total=2)
        world.envoy.count("d.1.more", upstream_rq_total=9)

    assert world.samples(traffic)[1].canary.requests == 2


def test_nothing_is_counted_over_a_time_in_which_envoy_was_away(world: World) -> None:
    def away() -> None:
        world.envoy.away = True

    def back() -> None:
        world.envoy.away = False
        world.envoy.count("d.1", upstream_rq_total=30)

    def more() -> None:
        world.envoy.count("d.1", upstream_rq_total=4)

    samples = world.samples(lambda: None, away, back, more)
    assert [sample.complete for sample in samples] == [False, True, False, False, True]
    assert [sample.canary.requests for sample in samples] == [0, 0, 0, 0, 4]


@pytest.mark.parametrize("cluster", ["d.1", "d0"])
def test_a_proxy_that_was_restarted_is_no_reading_to_compare_with(cluster: str, world: World) -> None:
    world.envoy.count("d.1", upstream_rq_total=50)
    world.envoy.count("d0", upstream_rq_total=50)

    def restarted() -> None:
        world.envoy.counters[cluster]["upstream_rq_total"] = 3

    def more() -> None:
        world.envoy.count("d.1", upstream_rq_total=4)

    samples = world.samples(restarted, more)
    assert [sample.complete for sample in samples] == [False, False, True]
    assert [sample.canary.requests for sample in samples] == [0, 0, 4]


def test_how_many_are_in_flight_may_fall_between_two_samples(world: World) -> None:
    world.envoy.count("d.1", upstream_rq_total=5, upstream_rq_active=5)
    assert world.samples(lambda: world.envoy.count("d.1", upstream_rq_active=-5))[1].complete


@pytest.mark.parametrize(
    ("stable", "canary", "requests"), [(None, "d.1", (3, 0)), ("d0", None, (0, 8)), ("d0", "d.1", (3, 8))]
)
def test_a_role_that_nobody_has_has_no_requests(
    stable: str | None, canary: str | None, requests: tuple[int, int], world: World
) -> None:
    world.roles(stable, canary)

    def traffic() -> None:
        world.envoy.count("d.1", upstream_rq_total=3)
        world.envoy.count("d0", upstream_rq_total=8)

    _, sample = world.samples(traffic)
    assert sample.complete
    assert (sample.canary.requests, sample.stable.requests) == requests


def test_a_canary_that_began_between_two_samples_is_counted_from_its_beginning(world: World) -> None:
    world.roles("d0", None)

    def begins() -> None:
        world.roles("d0", "d.1")
        world.envoy.count("d.1", upstream_rq_total=6)

    _, sample = world.samples(begins)
    assert (sample.complete, sample.canary.requests) == (True, 6)


def restarted(*processes: tuple[str, str, list[float]]) -> dict[str, object]:
    return {
        "processes": [
            asdict(SupervisedProcess(name, group, 1, "ready", restarts=tuple(times)))
            for name, group, times in processes
        ]
    }


def test_restarts_of_the_canary_count_since_the_rollout_began_and_a_loop_is_one_process(world: World) -> None:
    before = time.time() - 60
    status = world.folder / "status.json"

    def restarts(one: int, two: int) -> Callable[[], None]:
        def write() -> None:
            now = time.time()
            replicas = ("d.1.0", "d.1", [before, *[now] * one]), ("d.1.1", "d.1", [now] * two)
            write_json(status, restarted(*replicas, ("d0.0", "d0", [now] * 5)))

        return write

    samples = world.samples(restarts(0, 0), restarts(2, 2), restarts(3, 0))
    assert [(sample.restarts, sample.crash_looping) for sample in samples] == [
        (0, False), (0, False), (4, False), (3, True),
    ]  # fmt: skip


def test_a_restart_leaves_the_window_again(world: World) -> None:
    world.crash_loop = CrashLoop(restarts=1, window=0.2)

    async def question(traffic: Proxy) -> None:
        restart = time.time()
        write_json(world.folder / "status.json", restarted(("d.1.0", "d.1", [restart])))
        assert (await traffic.sample(0.0, 5)).crash_looping or time.time() - restart >= 0.2
        while (await traffic.sample(0.0, 5)).crash_looping:
            assert time.time() - restart < 5, "the restart is still counted after its window"
            await asyncio.sleep(0.01)
        assert time.time() - restart >= 0.2

    world.ask(question)


def test_a_failure_counter_is_the_largest_of_the_replicas_and_not_their_sum(world: World) -> None:
    world.failures = ("failures_total", "absent_total")
    values = iter([3, 2, 3, 4])
    asked: list[str] = []

    def metrics(path: str) -> str:
        asked.append(path)
        return f"failures_total {next(values)}\n"

    async def question(traffic: Proxy) -> list[Sample]:
        return [await traffic.sample(0.0, 5), await traffic.sample(1.0, 5)]

    first, second = world.ask(question, metrics)
    assert first.counters == {"failures_total": 0.0, "absent_total": 0.0}
    assert second.counters == {"failures_total": 1.0, "absent_total": 0.0}
    assert asked == ["http://127.0.0.1:8001/metrics", "http://127.0.0.1:8002/metrics"] * 2


@pytest.mark.e2e  # opens sockets on loopback
def test_the_same_is_read_over_a_real_connection(world: World) -> None:
    async def talk() -> tuple[list[Sample], Drained]:
        async with serving(world.envoy.answer) as (url, _):
            world.desired(int(url.rpartition(":")[2]))
            traffic = Proxy(world.folder, (), world.crash_loop)
            try:
                world.envoy.count("d.1", upstream_rq_total=5, upstream_rq_completed=5)
                found = [await traffic.sample(0.0, 5)]
                world.envoy.count("d.1", upstream_rq_total=2, upstream_rq_completed=2, upstream_rq_5xx=1)
                world.envoy.latency = {"d.1": {"+Inf": 2}}
                found.append(await traffic.sample(1.0, 5))
                world.envoy.away = True
                found.append(await traffic.sample(2.0, 5))
                world.envoy.away = False
                return found, await traffic.wait_until_drained(5.0)
            finally:
                await traffic.close()

    samples, silent = asyncio.run(talk())
    assert [sample.complete for sample in samples] == [False, True, False]
    assert samples[1].canary == Counts(2, 1, ((math.inf, 2),), under_way=0)
    assert silent.answered is not None


TRIES = """envoy_tries_ended{{deployment="d.1",target="to-d.1",flags="-",code="200"}} {good}
envoy_tries_ended{{deployment="d.1",target="to-d.1",flags="UC",code="0"}} {closed}
envoy_tries_ended{{deployment="d0",target="d0",flags="-",code="200"}} 900
envoy_cluster_upstream_rq_active{{envoy_cluster_name="d.1"}} 2
"""


def test_an_envoy_that_counts_each_try_tells_how_it_ended(world: World) -> None:
    world.envoy.tries = TRIES.format(good=70, closed=1)

    def traffic() -> None:
        world.envoy.tries = TRIES.format(good=90, closed=6)

    first, second = world.samples(traffic)
    assert (first.complete, second.complete) == (False, True)
    assert (second.canary.requests, second.canary.errors, second.canary.faults["closed"]) == (25, 5, 5)
    assert (second.canary.codes["2xx"], second.canary.under_way) == (20, 2)
    assert (second.stable.requests, second.stable.codes["4xx"]) == (0, 0)


LATE = """envoy_tries_ended{{deployment="d.1",target="to-d.1",flags="-",code="200"}} {good}
envoy_tries_ended{{deployment="d.1",target="to-d.1",flags="-",code="0"}} {silent}
envoy_tries_timeout{{deployment="d.1",target="to-d.1"}} {late}
envoy_cluster_upstream_rq_active{{envoy_cluster_name="d.1"}} 3
"""


@pytest.mark.parametrize(
    ("pages", "requests"),
    [
        # The page had the timeout before the try; then the try, with others and without; then clients that went away.
        ([(0, 0, 1), (5, 1, 1)], [1, 5]),
        ([(0, 0, 1), (0, 1, 1)], [1, 0]),
        ([(0, 0, 1), (0, 1, 1), (0, 2, 1)], [1, 0, 1]),
        ([(0, 0, 2), (0, 1, 3)], [2, 1]),
        # Both at once, and a client that went away.
        ([(5, 1, 1), (5, 2, 1)], [6, 1]),
    ],
)
def test_a_request_whose_time_was_up_is_counted_once(
    world: World, pages: list[tuple[int, int, int]], requests: list[int]
) -> None:
    world.envoy.tries = LATE.format(good=0, silent=0, late=0)

    def page(good: int, silent: int, late: int) -> Callable[[], None]:
        def show() -> None:
            world.envoy.tries = LATE.format(good=good, silent=silent, late=late)

        return show

    _, *samples = world.samples(*(page(*each) for each in pages))
    assert [sample.canary.requests for sample in samples] == requests
    assert sum(sample.canary.errors for sample in samples) == pages[-1][2]


def test_an_envoy_of_an_older_version_does_not_tell_and_that_is_not_a_zero(world: World) -> None:
    sample = world.samples(lambda: world.envoy.count("d.1", upstream_rq_total=10))[1]
    assert (sample.complete, sample.canary.requests) == (True, 10)
    assert (sample.canary.codes, sample.canary.faults, sample.canary.waiting, sample.canary.sizes) == ({}, {}, (), ())


def test_an_envoy_that_was_replaced_by_one_that_counts_tries_proves_nothing_for_a_moment(world: World) -> None:
    world.envoy.count("d.1", upstream_rq_total=10)

    def replaced() -> None:
        world.envoy.counters.clear()
        world.envoy.tries = TRIES.format(good=1, closed=0)

    def more() -> None:
        world.envoy.tries = TRIES.format(good=5, closed=0)

    complete = [sample.complete for sample in world.samples(lambda: None, replaced, more, more, more)]
    assert complete[:3] == [False, True, False]
    assert complete[-1]


def test_a_process_that_died_is_told_in_the_sample_in_which_it_did(world: World) -> None:
    def processes(*died: float) -> None:
        found = [
            SupervisedProcess(f"{name}.0", name, os.getpid(), "ready", times)
            for name, times in (("d.1", died), ("d0", ()))
        ]
        write_json(world.folder / "status.json", {"processes": [asdict(each) for each in found]}, durable=False)

    processes()
    now = time.time()
    samples = world.samples(lambda: processes(now), lambda: None)
    assert [(sample.deaths, sample.stable_deaths) for sample in samples] == [(None, None), (1, 0), (0, 0)]
    assert samples[1].canary_resources is not None
    assert samples[1].canary_resources.memory > 1e7
    assert samples[1].canary_resources.replicas == 1
