"""The system's time: monotonic, in seconds, asleep in the running loop."""

from __future__ import annotations

import asyncio
import time

from dawsos.adapters.clock import SystemClock


def test_it_is_the_system_s_time() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 60
    before = clock.monotonic()
    assert before <= clock.monotonic() <= time.monotonic()


def test_who_sleeps_lets_others_work() -> None:
    done: list[str] = []

    async def one(name: str, seconds: float) -> None:
        await SystemClock().sleep(seconds)
        done.append(name)

    async def both() -> None:
        await asyncio.gather(one("late", 0.02), one("soon", 0.0))

    asyncio.run(both())
    assert done == ["soon", "late"]
