"""Processes that ended by themselves: each end once, as soon as it is told, and none that somebody else made."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.platforms.kubernetes.ends import Ends

Object = dict[str, Any]
RUNS: Object = {"running": {}}
ENDED: Object = {"terminated": {"exitCode": 1}}
BACK_OFF: Object = {"waiting": {"reason": "CrashLoopBackOff"}}


def pod(uid: str, restarts: int, state: Object, *, last: Object | None = None, **more: Any) -> Object:
    container = {"name": "backend", "restartCount": restarts, "state": state, "lastState": last or {}}
    status = {"containerStatuses": [container], "conditions": more.pop("conditions", [])}
    return {"metadata": {"uid": uid, **more}, "status": status}


@pytest.fixture
def ends() -> Ends:
    made = Ends()
    made.begin([pod("a", 0, RUNS), pod("b", 4, RUNS, last=ENDED)])
    return made


def told(ends: Ends, *pods: Object, event: str = "MODIFIED") -> int:
    for each in pods:
        ends.observe(event, each)
    return ends.take()


def test_what_ended_before_does_not_count(ends: Ends) -> None:
    assert told(ends, pod("b", 4, RUNS, last=ENDED), pod("a", 0, RUNS)) == 0


def test_an_end_is_told_before_the_restart_and_only_once(ends: Ends) -> None:
    assert told(ends, pod("a", 0, ENDED)) == 1
    assert told(ends, pod("a", 0, ENDED), pod("a", 1, RUNS, last=ENDED)) == 0


def test_the_second_end_is_told_while_the_kubelet_waits_with_the_restart(ends: Ends) -> None:
    assert told(ends, pod("a", 1, RUNS, last=ENDED)) == 1
    assert told(ends, pod("a", 1, BACK_OFF, last=ENDED)) == 1
    assert told(ends, pod("a", 2, RUNS, last=ENDED)) == 0


def test_ends_that_a_watch_told_at_once_are_all_counted(ends: Ends) -> None:
    assert told(ends, pod("a", 2, ENDED, last=ENDED)) == 3


def test_a_pod_that_starts_has_no_end(ends: Ends) -> None:
    assert told(ends, pod("c", 0, {"waiting": {"reason": "ContainerCreating"}}), pod("c", 0, RUNS), event="ADDED") == 0


@pytest.mark.parametrize(
    "spared",
    [
        pod("a", 0, ENDED, deletionTimestamp="now"),
        pod("a", 0, ENDED, conditions=[{"type": "DisruptionTarget", "status": "True"}]),
    ],
    ids=["leaves", "is evicted"],
)
def test_a_process_whose_pod_is_taken_away_does_not_end_by_itself(ends: Ends, spared: Object) -> None:
    assert told(ends, spared) == 0
    assert told(ends, spared, event="DELETED") == 0


def test_the_process_of_a_pod_that_is_gone_is_no_end(ends: Ends) -> None:
    assert told(ends, pod("a", 0, ENDED), event="DELETED") == 0
