"""Faults for drills: on the canary only, and gone when they are taken back."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.platform.scenes import serving, with_canary
from contracts.platform.subjects import POLICY, SPEC, Subject
from dawsos.platforms.contract import FaultInjector, Platform
from dawsos.platforms.faults import WireFault


def _faults(platform: Platform) -> FaultInjector:
    found = platform.faults()
    if found is None:
        pytest.skip("this platform injects no faults")
    return found


def test_errors_are_seen_on_the_canary_only_and_end_with_the_fault(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, _ = await with_canary(subject, 50)
        faults, telemetry = _faults(platform), platform.telemetry(POLICY)
        await faults.set_fault(WireFault(status=500, share=0.5))
        await subject.ask(10)
        await telemetry.sample(0.0, 50)
        await subject.ask(100)
        sample = await telemetry.sample(1.0, 50)
        await faults.clear()
        await faults.clear()
        await subject.ask(60)
        healed = await telemetry.sample(2.0, 50)
        await telemetry.close()
        assert sample.canary.errors > 0
        assert sample.stable.errors == 0
        assert (healed.canary.errors, healed.stable.errors) == (0, 0)

    play(scene)


def test_a_fault_that_a_killed_drill_left_does_not_meet_the_next_canary(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, _ = await with_canary(subject, 50)
        await _faults(platform).set_fault(WireFault(status=500, share=0.5))
        # Its controller is gone; another one begins with another canary.
        again = subject.platform()
        await again.prepare(subject.spec)
        await again.route("stable", None, 0)
        await again.deploy("next", subject.release("newer"))
        await again.renew_lease(600)
        await again.route("stable", "next", 50)
        assert (await subject.ask(100))["error"] == 0

    play(scene)


def test_a_fault_is_met_only_below_its_path(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, _ = await with_canary(subject, 50)
        await _faults(platform).set_fault(WireFault(status=500, share=0.5, path="/elsewhere"))
        assert (await subject.ask(100))["error"] == 0

    play(scene)


def test_a_canary_that_was_promoted_has_no_fault_any_more(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, new = await with_canary(subject, 100)
        await _faults(platform).set_fault(WireFault(status=500, share=0.5))
        await platform.promote()
        assert await subject.ask(100) == {new.commit: 100}

    play(scene)


def test_without_a_canary_there_is_nothing_to_inject_a_fault_on(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, old = await serving(subject)
        faults = _faults(platform)
        await faults.set_fault(WireFault(status=500, share=0.5))
        await faults.crash("nobody")
        assert await subject.ask(100) == {old.commit: 100}

    play(scene)


def test_a_crash_is_counted_and_the_platform_starts_the_replica_again(play: Any) -> None:
    async def scene(subject: Subject) -> None:
        platform, _, _ = await with_canary(subject, 50)
        faults, telemetry = _faults(platform), platform.telemetry(POLICY)
        await subject.ask(10)
        assert (await telemetry.sample(0.0, 50)).restarts == 0
        await faults.crash("canary")
        for _ in range(200):
            found = (await platform.status()).deployments["canary"]
            if found.ready and found.restarts == SPEC.settings.replicas:
                break
            await subject.wait(0.05)
        seen = await telemetry.sample(1.0, 50)
        await telemetry.close()
        assert found.ready
        assert (found.restarts, seen.restarts) == (SPEC.settings.replicas, SPEC.settings.replicas)
        assert not seen.crash_looping

    play(scene)
