"""Weight shifts for bench/kubernetes.py: how long the canary answers after the decision, and what users lose by them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dawsos.model.environment import EnvironmentSettings
from dawsos.model.release import Release
from dawsos.platforms.contract import EnvironmentSpec
from support.conductor import SERVICE, Scene
from support.sender import Sent, users

# Requests that each shift up and down has to see.
_REQUESTS = 510


@dataclass
class Shifts:
    """When each shift to 0 % was ``called``, when the weight was ``raised`` again, and after how many seconds the tool saw the last
    request, its answer, and had proof."""

    called: list[float] = field(default_factory=list)
    raised: list[float] = field(default_factory=list)
    received: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    proven: list[float] = field(default_factory=list)


async def _move(scene: Scene, other: Release, count: int, hold: float) -> Shifts:
    """Move the weight ``count`` times to 50 and back, by the tool's own traffic."""
    found, platform = Shifts(), scene.platform()
    await platform.prepare(EnvironmentSpec(SERVICE, EnvironmentSettings.model_validate(scene.settings)))
    await platform.deploy("other", other)
    await platform.route("first", "other", 0)
    traffic = platform.traffic()
    try:
        for _ in range(count):
            found.raised.append(time.time())
            await traffic.set_weight(50)
            await asyncio.sleep(hold)
            called, began = time.time(), time.monotonic()
            await traffic.set_weight(0)
            followed = time.monotonic() - began
            drained = await traffic.wait_until_drained(10)
            found.called.append(called)
            found.received.append(followed + drained.received)
            if drained.answered is not None:
                found.answered.append(followed + drained.answered)
            found.proven.append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, hold - found.proven[-1]))
    finally:
        await traffic.close()
        await platform.route("first", None, 0)
    return found


def shifts(scene: Scene, releases: tuple[Release, Release], rate: float, count: int) -> dict[str, Any]:
    """Return what became of ``count`` shifts under ``rate`` requests a second; times are milliseconds after the call."""
    stable, other = releases
    scene.first(stable)
    with users(scene.gateway.address, scene.host, rate, senders=16) as sent:
        time.sleep(2)
        since = time.time()
        found = asyncio.run(_move(scene, other, count, _REQUESTS / rate / 2))
        lasted = time.time() - since
        time.sleep(2)
    answers, lost = sent.between(since), sent.bad(since)
    return {
        "shifts": count,
        "rate": len(answers) / lasted,
        "requests": len(answers),
        "lost": len(lost),
        "lost_as": [f"{answer.status} {answer.by}" for answer in lost[:5]],
        "last_answer": _spread(_last_answers(sent, other.commit, found)),
        "tool_last_request": _spread(found.received),
        "tool_last_answer": _spread(found.answered),
        "tool_proof": _spread(found.proven),
    }


def _last_answers(sent: Sent, canary: str, found: Shifts) -> list[float]:
    """Return how long after each call the canary's last answer before the weight was raised again came to its user."""
    moments = sorted(answer.at for answer in sent.answers if answer.by == canary)
    ends = [*found.raised[1:], float("inf")]
    return [
        max((at - call for at in moments if call <= at < end), default=0.0)
        for call, end in zip(found.called, ends, strict=True)
    ]


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(1e3 * one for one in seconds)
    if not ordered:
        return {}
    ninety_nine = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return {"p50": round(statistics.median(ordered), 1), "p99": round(ninety_nine, 1), "most": round(ordered[-1], 1)}
