"""A rollout that Flagger drives, in virtual time: both ends, a kill at any moment, a request, a Flagger that never begins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dawsos.errors import BadInput, InfrastructureError, ReleaseFailed
from dawsos.model.events import DriverTold, RollbackRequested
from dawsos.model.policy import LadderStep, RolloutPolicy
from dawsos.model.status import Cause, RolloutOutcome
from dawsos.platforms.kubernetes.flagger import CanaryState, FlaggerCanary, Verdict
from dawsos.platforms.kubernetes.flagger_target import FlaggerTarget, NewTemplate
from dawsos.rollout.controller import Finished
from dawsos.rollout.flagger import FlaggerConductor, Plan, stage_of
from fakes import MemoryRecorder
from support.flagger_world import CANARIES, DEPLOYMENTS, NAME, NAMESPACE, FlaggerWorld

Prepare = Callable[[], Awaitable[None]]
POLICY = RolloutPolicy(
    ladder=tuple(LadderStep(weight=weight, duration=8) for weight in (5, 25, 50, 100)),
    check_interval=10, error_rate=0.01, p95=1.2, no_data_deadline=60, min_requests=10,
)  # fmt: skip
CANARY = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": NAME, "namespace": NAMESPACE}}


async def nothing() -> None:
    """The release has no commands."""


def conductor(
    world: FlaggerWorld, recorder: MemoryRecorder, deployment: str = "d1", prepare: Prepare = nothing, **changes: Any
) -> FlaggerConductor:
    new = NewTemplate(deployment, f"release-{deployment}", "abc", {"backend": f"repo/shop@sha256:{deployment}"})
    plan = Plan("production", "http://shop.test", new, POLICY, [CANARY], world.interval, world.threshold, **changes)
    canary = FlaggerCanary(world.cluster, NAMESPACE, NAME)
    target = FlaggerTarget(world.cluster, NAMESPACE, NAME)
    return FlaggerConductor("canary", plan, canary, target, recorder, world.clock, prepare)


def conduct(world: FlaggerWorld, recorder: MemoryRecorder, deployment: str = "d1", **changes: Any) -> Finished:
    return asyncio.run(conductor(world, recorder, deployment, **changes).conduct(recorder.state.rollout))


def initialised(**changes: Any) -> tuple[FlaggerWorld, MemoryRecorder]:
    world = FlaggerWorld(**changes)
    world.initialise()
    return world, MemoryRecorder(world.clock)


def image(world: FlaggerWorld) -> str:
    return str(world.objects[DEPLOYMENTS]["spec"]["template"]["spec"]["containers"][0]["image"])


def when(moment: Callable[[FlaggerWorld], bool], act: Callable[[], None]) -> Callable[[FlaggerWorld], None]:
    """Let ``act`` happen once, at ``moment``."""

    def install(world: FlaggerWorld) -> None:
        done: list[float] = []

        async def look(now: float) -> None:
            if not done and CANARIES in world.objects and moment(world):
                done.append(now)
                act()

        world.beside = look

    return install


def asking(recorder: MemoryRecorder, reason: str) -> Callable[[], None]:
    def ask() -> None:
        recorder.record(RollbackRequested("Ada", reason))

    return ask


def test_a_good_release_is_promoted_with_its_image_by_digest_and_every_weight_is_told() -> None:
    world, recorder = initialised()
    finished = conduct(world, recorder)
    assert (finished.outcome, world.status["phase"]) == (RolloutOutcome.PROMOTED, "Succeeded")
    rollout = recorder.state.rollout
    assert rollout is not None
    assert [weight for _, weight in rollout.weights] == [5, 25, 50, 100]
    assert (rollout.cause, rollout.outcome) == (Cause.HEALTHY, RolloutOutcome.PROMOTED)
    assert image(world) == "repo/shop@sha256:d1"
    assert any("Advance shop canary weight 25" in told.message for _, told in rollout.told)


def test_a_bad_release_is_rolled_back_for_flaggers_reason() -> None:
    world, recorder = initialised()
    world.healthy = False
    finished = conduct(world, recorder)
    assert (finished.outcome, recorder.state.rollout and recorder.state.rollout.cause) == (
        RolloutOutcome.ROLLED_BACK, Cause.ERROR_RATE,
    )  # fmt: skip
    assert "success-rate 50.00 < 99" in finished.reason


def test_the_judges_verdict_is_the_reason_where_there_is_one_about_this_run() -> None:
    world, recorder = initialised()

    async def judged(_now: float) -> None:
        if world.status["phase"] == "Progressing" and world.weight:
            canary = FlaggerCanary(world.cluster, NAMESPACE, NAME)
            state = await canary.state()
            assert state is not None
            await canary.cut(
                Verdict(state.run, "7 of 7 requests failed", Cause.WORSE_THAN_STABLE, "evidence", 400.0, 100.0)
            )
            world.healthy, world.status["failedChecks"] = False, world.threshold

    world.beside = judged
    finished = conduct(world, recorder)
    rollout = recorder.state.rollout
    assert finished.reason == "7 of 7 requests failed"
    assert rollout is not None
    assert (rollout.cause, rollout.metric, rollout.limit) == (Cause.WORSE_THAN_STABLE, "evidence", 100.0)


def test_the_first_release_is_promoted_at_once_and_it_is_said_that_nothing_was_checked() -> None:
    world = FlaggerWorld()
    recorder = MemoryRecorder(world.clock)
    finished = conduct(world, recorder)
    assert finished.outcome is RolloutOutcome.PROMOTED
    assert "nothing of it was checked" in finished.reason
    assert recorder.state.rollout is not None
    assert recorder.state.rollout.stable_deployment == ""
    assert recorder.state.rollout.cause is Cause.UNKNOWN


def test_the_end_of_the_release_before_is_not_taken_for_this_one() -> None:
    # After a failed run Flagger notes the new hash while the phase is still that of the run before.
    world, recorder = initialised()
    world.healthy = False
    conduct(world, recorder)
    world.healthy = True
    assert conduct(world, MemoryRecorder(world.clock), "d2").outcome is RolloutOutcome.PROMOTED
    assert conduct(world, MemoryRecorder(world.clock), "d3").outcome is RolloutOutcome.PROMOTED


BEFORE = CanaryState(phase="Failed", applied="a", since="t1")


@pytest.mark.parametrize(
    ("now", "stage"),
    [
        (None, "unseen"),
        (CanaryState(phase="Failed", applied="a", since="t1"), "unseen"),
        (CanaryState(phase="Failed", applied="b", since="t1"), "unseen"),
        (CanaryState(phase="Progressing", applied="b", since="t2"), "running"),
        (CanaryState(phase="Waiting", applied="b", since="t2"), "running"),
        (CanaryState(phase="Promoting", applied="b", since="t2"), "promoting"),
        (CanaryState(phase="Succeeded", applied="b", since="t3"), "promoted"),
        (CanaryState(phase="Failed", applied="b", since="t3"), "failed"),
        (CanaryState(phase="Initialized", applied="b", since="t3"), "unseen"),
        (CanaryState(phase="Terminating", applied="b", since="t3"), "unseen"),
    ],
)
def test_a_phase_belongs_to_this_revision_only_when_hash_and_time_are_new(now: CanaryState | None, stage: str) -> None:
    assert stage_of(BEFORE, now) == stage


class Killed(BaseException):
    """The tool is gone."""


@pytest.mark.parametrize("after", [0.0, 1.0, 9.0, 11.0, 15.0, 25.0, 33.0])
@pytest.mark.parametrize("healthy", [True, False])
def test_a_tool_that_was_killed_finds_the_end_that_the_cluster_has(after: float, healthy: bool) -> None:
    world, recorder = initialised()
    world.healthy = healthy
    asyncio.run(_killed_after(world, recorder, after))
    asyncio.run(world.clock.sleep(after))  # Flagger goes on
    finished = conduct(world, recorder)
    assert finished.outcome is (RolloutOutcome.PROMOTED if healthy else RolloutOutcome.ROLLED_BACK)
    assert recorder.kinds.count("rollout_started") == 1
    assert recorder.kinds.count("rollout_finished") == 1


async def _killed_after(world: FlaggerWorld, recorder: MemoryRecorder, after: float) -> None:
    end = world.clock.elapsed + after

    async def kill(now: float) -> None:
        if now >= end:
            world.beside = None
            raise Killed

    world.beside = kill
    with pytest.raises(Killed):
        await conductor(world, recorder).conduct(None)


def test_a_tool_that_was_killed_before_its_change_makes_it() -> None:
    world, recorder = initialised()
    broken = conductor(world, recorder)

    async def killed(*_: object) -> None:
        raise Killed

    broken.target.change = killed  # type: ignore[method-assign, assignment]
    with pytest.raises(Killed):
        asyncio.run(broken.conduct(None))
    assert image(world) == "repo/shop@sha256:old"
    assert conduct(world, recorder).outcome is RolloutOutcome.PROMOTED


def test_an_ended_rollout_is_not_conducted_again() -> None:
    world, recorder = initialised()
    conduct(world, recorder)
    before = len(recorder.events)
    assert conduct(world, recorder).outcome is RolloutOutcome.PROMOTED
    assert len(recorder.events) == before


def test_a_person_may_end_it_and_the_route_is_cut_at_once() -> None:
    world, recorder = initialised()
    when(lambda world: world.weight == 25, asking(recorder, "totals are wrong"))(world)
    finished = conduct(world, recorder)
    assert (finished.outcome, "Ada: totals are wrong" in finished.reason) == (RolloutOutcome.ROLLED_BACK, True)
    assert finished.seconds is not None
    at = next(at for at, weight in world.weights if weight == 25)
    cut = next(at for at, weight in reversed(world.weights) if weight == 0)
    assert cut - at <= 1.5
    assert world.status["phase"] == "Failed"
    assert [weight for _, weight in world.weights] == [0, 5, 25, 0]


def test_a_request_before_flagger_has_begun_gives_the_deployment_back_what_it_had() -> None:
    world, recorder = initialised()
    world.alive = False
    recorder.record(RollbackRequested("Ada", "no"))
    finished = conduct(world, recorder)
    assert finished.outcome is RolloutOutcome.ROLLED_BACK
    assert image(world) == "repo/shop@sha256:old"
    world.alive = True
    asyncio.run(world.clock.sleep(60))
    assert world.status["phase"] == "Initialized"


def test_a_flagger_that_is_gone_after_the_request_finds_its_threshold_reached() -> None:
    world, recorder = initialised()

    def ask() -> None:
        recorder.record(RollbackRequested("Ada", "no"))
        world.alive = False

    when(lambda world: world.weight == 25, ask)(world)
    assert conduct(world, recorder).outcome is RolloutOutcome.ROLLED_BACK
    assert (world.weight, world.status["phase"]) == (0, "Progressing")
    world.alive = True
    asyncio.run(world.clock.sleep(15))
    assert (world.weight, world.status["phase"]) == (0, "Failed")


def test_a_request_while_flagger_promotes_is_too_late() -> None:
    world, recorder = initialised()
    when(
        lambda world: world.status["phase"] == "Promoting",
        asking(recorder, "no"),
    )(world)
    assert conduct(world, recorder).outcome is RolloutOutcome.PROMOTED


def test_a_flagger_that_never_begins_is_an_error_with_its_words_and_leaves_everything_as_it_was() -> None:
    world, recorder = initialised()
    world.alive = False
    world.say("GatewayRefs must be specified when using Gateway API as a provider.")
    with pytest.raises(
        InfrastructureError, match="has not begun with the Canary shop-ns/shop within 150 s: GatewayRefs must"
    ):
        conduct(world, recorder)
    assert image(world) == "repo/shop@sha256:old"


def test_a_cluster_without_flagger_is_told_before_anything_is_changed() -> None:
    world = FlaggerWorld()
    del world.objects["/apis/flagger.app/v1beta1"]
    with pytest.raises(InfrastructureError, match="does not know Flagger's Canary"):
        conduct(world, MemoryRecorder(world.clock))
    assert image(world) == "repo/shop@sha256:old"


def test_a_run_of_somebody_else_is_not_disturbed() -> None:
    world, recorder = initialised()
    world.phase("Progressing")
    with pytest.raises(InfrastructureError, match="at work on the Canary shop-ns/shop already: Progressing"):
        conduct(world, recorder)
    assert image(world) == "repo/shop@sha256:old"


def test_without_its_deployment_it_is_bad_input() -> None:
    world, recorder = initialised()
    del world.objects[DEPLOYMENTS]
    with pytest.raises(BadInput, match="no Deployment shop in the namespace shop-ns"):
        conduct(world, recorder)


def test_a_weight_that_stands_still_is_rolled_back_at_its_deadline() -> None:
    world, recorder = initialised()
    world.hook = lambda _path: False  # type: ignore[method-assign, assignment]
    finished = conduct(world, recorder)
    assert (finished.outcome, recorder.state.rollout and recorder.state.rollout.cause) == (
        RolloutOutcome.ROLLED_BACK, Cause.NO_VERDICT,
    )  # fmt: skip
    assert "held the canary at 0 % for 100 s" in finished.reason
    assert world.status["phase"] == "Failed"


@pytest.mark.parametrize("what", ["image", "configs"])
def test_another_revision_meanwhile_ends_it_and_is_left_alone(what: str) -> None:
    world, recorder = initialised()

    def change() -> None:
        if what == "image":
            template = world.objects[DEPLOYMENTS]["spec"]["template"]
            template["metadata"]["annotations"]["dawsos.dev/deployment"] = "somebody"
        else:
            world.status["trackedConfigs"] = {"configmap/shop": "2"}

    when(lambda world: world.weight == 25, change)(world)
    finished = conduct(world, recorder)
    assert finished.outcome is RolloutOutcome.ROLLED_BACK
    assert recorder.state.rollout is not None
    assert recorder.state.rollout.cause is Cause.SUPERSEDED


def test_flaggers_words_are_recorded_once() -> None:
    world, recorder = initialised()
    conduct(world, recorder)
    said = [event.fact.message for event in recorder.events if isinstance(event.fact, DriverTold)]
    assert len(said) == len(set(said)) > 3


def test_a_judge_may_hold_a_weight_for_the_time_of_its_step() -> None:
    world, recorder = initialised()
    plan = conductor(world, recorder, judged=True).plan
    assert (plan.step_limit, conductor(world, recorder).plan.step_limit) == (98.0, 100.0)


@pytest.mark.parametrize("away", [30.0, 400.0])
def test_an_api_server_that_is_away_for_a_while_ends_nothing(away: float) -> None:
    world, recorder = initialised()
    gone: list[float] = []

    async def outage(now: float) -> None:
        if not gone and world.weight == 25:
            gone.append(now)
        world.reachable = not gone or now - gone[0] > away

    world.beside = outage
    if away < 300:
        assert conduct(world, recorder).outcome is RolloutOutcome.PROMOTED
        return
    with pytest.raises(InfrastructureError):
        conduct(world, recorder)
    asyncio.run(world.clock.sleep(away))
    assert conduct(world, recorder).outcome is RolloutOutcome.PROMOTED


def test_a_person_s_rollback_is_carried_out_once_the_api_server_is_back() -> None:
    world, recorder = initialised()

    def ask() -> None:
        recorder.record(RollbackRequested("Ada", "no"))

    gone: list[float] = []

    async def outage(now: float) -> None:
        if not gone and world.weight == 25:
            gone.append(now)
            ask()
        world.reachable = not gone or now - gone[0] > 8

    world.beside = outage
    assert conduct(world, recorder).outcome is RolloutOutcome.ROLLED_BACK
    assert (world.weight, world.status["phase"]) == (0, "Failed")


def test_the_commands_of_the_release_have_run_before_flagger_sees_it() -> None:
    world, recorder = initialised()
    seen: list[tuple[str, str]] = []

    async def prepare() -> None:
        seen.append((image(world), world.status["phase"]))
        await world.clock.sleep(60)
        seen.append((image(world), world.status["phase"]))

    finished = conduct(world, recorder, prepare=prepare)
    assert seen == [("repo/shop@sha256:old", "Initialized")] * 2
    assert finished.outcome is RolloutOutcome.PROMOTED


def test_a_command_that_fails_leaves_the_cluster_and_the_journal_as_they_were() -> None:
    world, recorder = initialised()

    async def prepare() -> None:
        raise ReleaseFailed("`python -m migrate` failed")

    with pytest.raises(ReleaseFailed, match="migrate"):
        conduct(world, recorder, prepare=prepare)
    assert (image(world), recorder.state.rollout) == ("repo/shop@sha256:old", None)


def test_a_run_that_began_while_the_commands_ran_is_not_disturbed() -> None:
    world, recorder = initialised()

    async def prepare() -> None:
        world.objects[DEPLOYMENTS]["spec"]["template"]["spec"]["containers"][0]["image"] = "repo/shop@sha256:theirs"
        await world.clock.sleep(15)

    with pytest.raises(InfrastructureError, match="at work on the Canary"):
        conduct(world, recorder, prepare=prepare)
    assert (image(world), recorder.state.rollout) == ("repo/shop@sha256:theirs", None)


def test_commands_do_not_run_while_flagger_is_at_work_nor_again_after_a_kill() -> None:
    world, recorder = initialised()
    ran: list[str] = []

    async def prepare() -> None:
        ran.append(image(world))

    async def killed() -> None:
        task = asyncio.create_task(conductor(world, recorder, prepare=prepare).conduct(None))
        while not world.weight:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(killed())
    with pytest.raises(InfrastructureError, match="at work on the Canary"):
        asyncio.run(conductor(world, MemoryRecorder(world.clock), "d2", prepare=prepare).conduct(None))
    assert conduct(world, recorder, prepare=prepare).outcome is RolloutOutcome.PROMOTED
    assert ran == ["repo/shop@sha256:old"]
