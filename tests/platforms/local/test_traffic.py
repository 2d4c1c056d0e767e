"""What a rollout asks of Envoy before it says that traffic is back: when the canary got its last request, and answered it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from dawsos.model.rollout import Drained
from platforms.local.test_telemetry_read import Proxy, Question, World
from support.envoy import EnvoyPage


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def drained(deadline: float) -> Question[tuple[Drained, float]]:
    """Ask when the canary was drained, and how long the answer took."""

    async def question(traffic: Proxy) -> tuple[Drained, float]:
        started = time.monotonic()
        return await traffic.wait_until_drained(deadline), time.monotonic() - started

    return question


class Busy(EnvoyPage):
    """The canary gets a request every 20 ms for ``sent`` seconds; each is answered ``answers`` seconds later, or given up
    then by whoever sent it."""

    def __init__(self, sent: float, answers: float, *, given_up: bool = False) -> None:
        super().__init__()
        self.sent, self.answers, self.given_up = sent, answers, given_up
        self.started = time.monotonic()

    def page(self, path: str, params: Mapping[str, str]) -> str:
        passed = time.monotonic() - self.started
        total = int(min(passed, self.sent) / 0.02)
        done = int(min(max(passed - self.answers, 0.0), self.sent) / 0.02)
        completed = 0 if self.given_up else done
        values = {"upstream_rq_total": total, "upstream_rq_completed": completed, "upstream_rq_active": total - done}
        return "".join(f"cluster.d.1.{name}: {value}\n" for name, value in values.items())


def test_without_a_canary_there_is_nothing_to_wait_for(world: World) -> None:
    world.roles("d0", None)
    world.envoy.away = True
    found, took = world.ask(drained(5.0))
    assert found == Drained(0.0, 0.0)
    assert took < 1


def test_a_canary_whose_counters_stand_still_is_drained_at_once_but_watched_for_a_while(world: World) -> None:
    world.envoy.count("d.1", upstream_rq_total=100, upstream_rq_completed=100)
    found, took = world.ask(drained(5.0))
    assert found.answered == found.received
    assert found.received <= took - 0.15


def test_the_last_request_is_told_apart_from_the_last_answer(world: World) -> None:
    world.envoy = busy = Busy(sent=0.3, answers=0.4)
    asked = time.monotonic() - busy.started
    found, took = world.ask(drained(5.0))
    assert found.answered is not None
    # A request is seen at the next reading after it was sent: never earlier.
    assert 0.28 - asked <= found.received < found.answered
    assert 0.68 - asked <= found.answered <= took - 0.15


def test_requests_that_are_answered_between_two_readings_are_seen_as_answered(world: World) -> None:
    world.envoy = Busy(sent=0.3, answers=0.0)
    found, _ = world.ask(drained(5.0))
    assert found.answered == found.received


def test_requests_that_were_given_up_are_in_flight_until_then(world: World) -> None:
    world.envoy = busy = Busy(sent=0.1, answers=0.4, given_up=True)
    asked = time.monotonic() - busy.started
    found, _ = world.ask(drained(5.0))
    assert found.answered is not None
    assert found.received < found.answered
    assert 0.48 - asked <= found.answered


def test_a_request_in_flight_is_waited_for_until_the_deadline(world: World) -> None:
    world.envoy.count("d.1", upstream_rq_total=5, upstream_rq_completed=4, upstream_rq_active=1)
    found, took = world.ask(drained(0.4))
    assert found.answered is None
    assert took >= 0.4
    assert found.received < took


def test_requests_that_go_on_to_the_deadline_are_not_drained(world: World) -> None:
    world.envoy = Busy(sent=60.0, answers=0.0)
    found, took = world.ask(drained(0.4))
    assert found.answered is None
    assert 0 < found.received <= took


def test_a_proxy_that_does_not_answer_at_first_proves_nothing_by_that(world: World) -> None:
    """Two readings are needed to see that a counter stands still."""
    began = time.monotonic()

    class AwayAtFirst(EnvoyPage):
        def page(self, path: str, params: Mapping[str, str]) -> str:
            self.away = time.monotonic() - began < 0.4
            return super().page(path, params)

    world.envoy = AwayAtFirst()
    world.envoy.count("d.1", upstream_rq_total=5, upstream_rq_completed=5)
    asked = time.monotonic() - began
    found, took = world.ask(drained(5.0))
    assert found.received >= 0.4 - asked
    assert found.received == found.answered
    assert took >= found.received + 0.15


def test_a_proxy_that_never_answers_proves_nothing(world: World) -> None:
    world.envoy.away = True
    found, took = world.ask(drained(0.3))
    assert found.answered is None
    assert 0.3 <= found.received <= took
