"""A release goes to all users by a canary on a real cluster, and a bad one goes back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dawsos.model.release import Release
from support.cluster import Cluster, Gateway
from support.conductor import Scene
from support.sender import users

POLICY: dict[str, Any] = {
    "ladder": [{"weight": 20, "duration": "5s"}, {"weight": 100, "duration": "3s"}],
    "error_rate": "1%",
    "p95": "1s",
    "check_interval": "5s",
    "min_requests": 1,
    "tick": "1s",
}
RATE = 60.0


@pytest.mark.short
@pytest.mark.timeout(300)
def test_a_good_release_is_promoted_and_a_bad_one_is_taken_back(
    cluster: Cluster, namespace: str, gateway: Gateway, tiny: Callable[..., Release], tmp_path: Path
) -> None:
    scene = Scene(cluster, gateway, namespace, tmp_path)
    old, good, bad = tiny("old"), tiny("good"), tiny("bad", FAIL=0.6)
    scene.first(old)
    with users(gateway.address, scene.host, RATE) as sent:
        promoted = scene.ended(scene.roll_out(good, "r1", POLICY), 180)
        assert promoted["outcome"] == "promoted", promoted
        assert not sent.bad(), sent.bad()[:5]
        since = time.time()
        taken_back = scene.ended(scene.roll_out(bad, "r2", POLICY), 180)
        assert taken_back["outcome"] == "rolled_back", taken_back
        settled = time.time()
        time.sleep(2)
    # What was rejected gets nothing any more, and nobody but the canary ever failed.
    assert scene.weight() == 0
    assert sent.by(settled) == {good.commit: len(sent.between(settled))}
    assert {answer.by for answer in sent.bad(since)} == {"broken"}


@pytest.mark.timeout(300)
def test_a_release_whose_processes_end_is_out_at_the_second_end(
    cluster: Cluster, namespace: str, gateway: Gateway, tiny: Callable[..., Release], tmp_path: Path
) -> None:
    """The crash loop takes half a minute, because the kubelet waits longer and longer with each restart."""
    scene = Scene(cluster, gateway, namespace, tmp_path)
    scene.first(tiny("old"))
    patient = {**POLICY, "ladder": [{"weight": 20, "duration": "60s"}, {"weight": 100, "duration": "3s"}]}
    with users(gateway.address, scene.host, RATE):
        told = scene.ended(scene.roll_out(tiny("crash", CRASH_AFTER=20), "r1", patient), 180)
    assert told["outcome"] == "rolled_back", told
    assert re.search(r"a process of the canary ended by itself \d+ times, none of stable's did", told["reason"]), told
    assert told["decided"] - told["began"] < 25, told
