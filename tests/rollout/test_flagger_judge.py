"""The judge beside Flagger, with a Flagger in virtual time: a bad canary is cut at once, and nothing raises the weight again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dawsos.adapters.pages import Page
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.rollout import Sample
from dawsos.model.status import Cause
from dawsos.platforms.kubernetes.flagger import VERDICT, FlaggerCanary
from dawsos.rollout.flagger_judge import STALE, JudgeService
from fakes import counts, sample
from support.flagger_world import DEPLOYMENTS, NAME, NAMESPACE, ROUTES, FlaggerWorld

POLICY = RolloutPolicy(
    ladder=tuple(LadderStep(weight=weight, duration=8) for weight in (5, 25, 50, 100)),
    check_interval=10, error_rate=0.01, p95=1.2, no_data_deadline=60, min_requests=10, baseline=5,
)  # fmt: skip
Traffic = Callable[[float, int], Sample]


class Telemetry:
    """What ``traffic(at, weight)`` says."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic

    blind = ""

    async def sample(self, at: float, weight: int) -> Sample:
        return self.traffic(at, weight)

    async def close(self) -> None: ...


def healthy(at: float, weight: int) -> Sample:
    return Sample(at, 1.0, weight, counts(2 * weight), counts(200 - 2 * weight))


def down(at: float, weight: int) -> Sample:
    return Sample(at, 1.0, weight, counts(2 * weight, errors=2 * weight), counts(200 - 2 * weight))


def service(world: FlaggerWorld, traffic: Traffic) -> JudgeService:
    canary = FlaggerCanary(world.cluster, NAMESPACE, NAME)
    return JudgeService(canary, Telemetry(traffic), POLICY, world.clock, lambda _line: None)


def looking(world: FlaggerWorld, judge: JudgeService) -> Callable[[float], Awaitable[None]]:
    """Return what lets ``judge`` look once a second, and more often once it has a verdict."""
    due = [0.0]

    async def look(now: float) -> None:
        if now >= due[0]:
            await judge.look()
            due[0] = now + (0.1 if judge.judge.verdict else 1.0)

    return look


def ship(world: FlaggerWorld, version: str = "new") -> None:
    template = world.objects[DEPLOYMENTS]["spec"]["template"]
    template["spec"]["containers"][0]["image"] = f"repo/shop@sha256:{version}"


def run(world: FlaggerWorld, judge: JudgeService | None, seconds: float) -> None:
    if judge is not None:
        world.answer, world.beside = judge.answer, looking(world, judge)
    asyncio.run(world.clock.sleep(seconds))


def shipped(traffic: Traffic) -> tuple[FlaggerWorld, JudgeService]:
    world = FlaggerWorld()
    world.initialise()
    ship(world)
    return world, service(world, traffic)


def test_a_healthy_canary_takes_every_step_and_is_promoted() -> None:
    world, judge = shipped(healthy)
    run(world, judge, 150)
    assert [weight for _, weight in world.weights] == [0, 5, 25, 50, 100, 0]
    assert world.status["phase"] == "Succeeded"


def test_a_step_lasts_its_time_however_often_flagger_asks() -> None:
    world, judge = shipped(healthy)
    world.interval = 3.0
    run(world, judge, 100)
    times = {weight: at for at, weight in world.weights[:5]}
    assert times[25] - times[5] >= 8
    assert times[100] - times[50] >= 8


def test_a_bad_canary_is_cut_within_a_second_of_proof_and_flagger_ends_in_failed() -> None:
    world, judge = shipped(down)
    run(world, judge, 60)
    weights = [weight for _, weight in world.weights]
    assert weights == [0, 5, 0]
    (_, began), (cut, _) = world.weights[1:]
    assert (began, cut - world.weights[1][0] <= 4) == (5, True)
    assert world.status["phase"] == "Failed"
    noted = json.loads(world.objects[ROUTES]["metadata"]["annotations"][VERDICT])
    assert noted["cause"] == Cause.WORSE_THAN_STABLE
    assert noted["reason"]


def test_without_the_answers_flagger_begins_again_after_a_bare_cut() -> None:
    # What the webhooks are for: the same cut, and nobody who refuses.
    world, judge = shipped(down)

    async def cut_once(now: float) -> None:
        if now > 22 and world.weight == 5 and len(world.weights) == 2:
            await FlaggerCanary(world.cluster, NAMESPACE, NAME).cut()

    world.beside = cut_once
    run(world, None, 40)
    assert [weight for _, weight in world.weights][:4] == [0, 5, 0, 5]
    assert judge.judge.verdict is None


def test_a_weight_that_flagger_was_about_to_raise_is_cut_again() -> None:
    world, judge = shipped(down)
    raised: list[float] = []

    async def raise_once(now: float) -> None:
        await look(now)
        if judge.judge.verdict and not raised and world.status["phase"] == "Progressing":
            raised.append(now)
            world.route(25)

    look = looking(world, judge)
    world.answer, world.beside = judge.answer, raise_once
    asyncio.run(world.clock.sleep(60))
    (at,) = raised
    back = next(when for when, weight in world.weights if when > at and weight == 0)
    assert back - at <= 0.21
    assert world.status["phase"] == "Failed"


def test_a_judge_that_is_started_anew_knows_the_verdict_and_refuses_before_it_has_looked() -> None:
    world, judge = shipped(down)
    run(world, judge, 24)
    assert world.weight == 0
    assert world.status["phase"] == "Progressing"
    world.beside = None
    again = service(world, healthy)
    asked = json.dumps({"name": NAME, "namespace": NAMESPACE}).encode()
    assert again.answer("/confirm-traffic-increase", asked).status == 403
    assert again.answer("/rollback", asked).status == 403
    asyncio.run(again.look())
    assert again.answer("/rollback", asked).status == 200
    assert again.answer("/confirm-traffic-increase", asked).status == 403
    run(world, again, 20)
    assert world.status["phase"] == "Failed"
    assert [weight for _, weight in world.weights] == [0, 5, 0]


def test_while_no_judge_answers_the_weight_holds() -> None:
    world, judge = shipped(healthy)
    run(world, judge, 25)
    assert world.weight == 5
    world.beside = None
    world.answer = lambda _path, _body: Page("away", status=500)
    asyncio.run(world.clock.sleep(100))
    assert world.weight == 5


def test_a_judge_that_cannot_see_the_cluster_refuses_and_does_not_end() -> None:
    world, judge = shipped(healthy)
    run(world, judge, 22)
    world.reachable = False
    asyncio.run(world.clock.sleep(STALE + 2))
    asked = json.dumps({"name": NAME, "namespace": NAMESPACE}).encode()
    answer = judge.answer("/confirm-traffic-increase", asked)
    assert (answer.status, "has not seen" in answer.text) == (403, True)
    world.reachable = True
    asyncio.run(world.clock.sleep(120))
    assert world.status["phase"] == "Succeeded"


def test_the_verdict_is_about_one_run_and_not_about_the_next_release_or_the_same_one_again() -> None:
    world, judge = shipped(down)
    run(world, judge, 60)
    judge = service(world, healthy)
    ship(world, "better")
    run(world, judge, 150)
    assert world.status["phase"] == "Succeeded"
    ship(world)  # the rejected template once more: Flagger tries it again
    again = service(world, healthy)
    run(world, again, 150)
    assert again.judge.verdict is None
    assert world.status["phase"] == "Succeeded"


def test_what_flagger_promotes_already_is_not_cut() -> None:
    world, judge = shipped(healthy)
    run(world, judge, 10)
    while world.status["phase"] != "Promoting":
        asyncio.run(world.clock.sleep(1))
    judge._telemetry = Telemetry(down)
    asyncio.run(world.clock.sleep(9))
    assert (world.status["phase"], world.weight) == ("Promoting", 100)


def test_a_step_without_data_ends_at_its_deadline() -> None:
    def blind(at: float, weight: int) -> Sample:
        return healthy(at, weight) if weight == 0 else sample(at, weight, complete=False)

    world, judge = shipped(blind)
    run(world, judge, 110)
    assert world.status["phase"] == "Failed"
    assert [weight for _, weight in world.weights] == [0, 5, 0]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/healthz", b"", 200),
        ("/status", b"", 200),
        ("/rollback", b"", 403),
        ("/rollback", b"no json", 403),
        ("/rollback", b'{"name": "other", "namespace": "shop-ns"}', 403),
        ("/rollback", b"[]", 403),
    ],
)
def test_other_requests(path: str, body: bytes, status: int) -> None:
    _, judge = shipped(healthy)
    assert asyncio.run(judge.answers[path](body)).status == status  # type: ignore[arg-type]


def test_a_sample_over_two_weights_is_not_judged() -> None:
    world, judge = shipped(down)
    seen: list[Any] = []
    judge.judge.see = lambda look, now, at=0.0: seen.append(look)  # type: ignore[method-assign]
    asyncio.run(judge.look())
    world.route(5)
    asyncio.run(judge.look())
    asyncio.run(judge.look())
    assert [look.sample.complete for look in seen] == [True, False, True]
