"""What the pods of a canary tell: restarts, crash loops, lack of memory, pods that were lost."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.model.policy import CrashLoop
from dawsos.platforms.kubernetes.pods import PodHistory, containers_of, in_back_off, is_disrupted

Object = dict[str, Any]


def pod(
    uid: str,
    restarts: int = 0,
    *,
    reason: str = "",
    waiting: str = "",
    phase: str = "Running",
    disrupted: bool = False,
    leaving: bool = False,
) -> Object:
    status: Object = {"name": "backend", "restartCount": restarts, "state": {"running": {}}}
    if reason:
        status["lastState"] = {"terminated": {"reason": reason}}
    if waiting:
        status["state"] = {"waiting": {"reason": waiting}}
    conditions = [{"type": "DisruptionTarget", "status": "True"}] if disrupted else []
    return {
        "metadata": {"uid": uid, "name": uid, **({"deletionTimestamp": "now"} if leaving else {})},
        "status": {"phase": phase, "containerStatuses": [status], "conditions": conditions},
    }


class Story:
    """A canary with two pods at time 0."""

    def __init__(self) -> None:
        self.time = 0.0
        self.history = PodHistory(CrashLoop(restarts=3, window=60.0), lambda: self.time)
        self.history.begin([pod("a", 7), pod("b")])

    def at(self, time: float, event: str, found: Object) -> None:
        self.time = time
        self.history.observe(event, found)

    @property
    def seen(self) -> tuple[int, bool]:
        return self.history.restarts, self.history.crash_looping


@pytest.fixture
def story() -> Story:
    return Story()


def test_restarts_before_the_rollout_are_not_its_own(story: Story) -> None:
    story.at(1, "MODIFIED", pod("a", 7))
    assert story.seen == (0, False)


def test_restarts_of_all_pods_are_counted_and_too_many_are_a_loop(story: Story) -> None:
    story.at(1, "MODIFIED", pod("a", 8, reason="Error"))
    story.at(2, "MODIFIED", pod("b", 1, reason="Error"))
    assert story.seen == (2, False)
    story.at(3, "MODIFIED", pod("a", 9, reason="Error"))
    assert story.seen == (3, True)


def test_restarts_that_a_watch_told_at_once_are_all_counted(story: Story) -> None:
    story.at(5, "MODIFIED", pod("b", 4))
    assert story.seen == (4, True)


def test_restarts_are_forgotten_after_the_window(story: Story) -> None:
    story.at(1, "MODIFIED", pod("a", 10))
    story.time = 62.0
    assert story.seen == (0, False)


def test_the_same_state_again_is_no_restart(story: Story) -> None:
    for time in (1, 2, 3):
        story.at(time, "MODIFIED", pod("a", 8, reason="Error"))
    assert story.seen == (1, False)


def test_a_pod_that_the_kubelet_waits_with_is_a_crash_loop(story: Story) -> None:
    story.at(1, "MODIFIED", pod("a", 8, reason="Error"))
    story.at(2, "MODIFIED", pod("a", 8, reason="Error", waiting="CrashLoopBackOff"))
    assert story.seen == (1, True)


def test_a_process_that_was_killed_for_its_memory_is_a_restart_and_told(story: Story) -> None:
    story.at(1, "MODIFIED", pod("a", 8, reason="OOMKilled"))
    story.at(2, "MODIFIED", pod("a", 8, reason="OOMKilled"))
    assert story.seen == (1, False)
    assert story.history.out_of_memory == 1


def test_a_pod_that_was_deleted_and_replaced_is_a_restart(story: Story) -> None:
    story.at(1, "DELETED", pod("a", 7))
    assert story.seen == (0, False)
    story.at(2, "ADDED", pod("c"))
    assert story.seen == (1, False)


def test_a_pod_that_leaves_slowly_is_replaced_before_it_is_gone(story: Story) -> None:
    story.at(1, "MODIFIED", pod("a", 7, leaving=True))
    story.at(1.1, "ADDED", pod("c"))
    story.at(2, "MODIFIED", pod("a", 7, leaving=True))
    assert story.seen == (1, False)
    story.at(30, "DELETED", pod("a", 7, leaving=True))
    story.at(31, "ADDED", pod("d"))
    assert story.seen == (1, False)


def test_a_pod_that_comes_later_is_one_more_that_is_wanted(story: Story) -> None:
    story.at(1, "MODIFIED", pod("a", 7, leaving=True))
    story.at(9, "DELETED", pod("a", 7, leaving=True))
    story.at(10, "ADDED", pod("c"))
    assert story.seen == (0, False)


def test_its_restarts_stay_counted_when_a_pod_is_replaced(story: Story) -> None:
    story.at(1, "MODIFIED", pod("a", 9))
    story.at(2, "DELETED", pod("a", 9))
    story.at(3, "ADDED", pod("c"))
    assert story.seen == (3, True)


def test_fewer_and_more_wanted_replicas_are_no_restart(story: Story) -> None:
    story.at(1, "ADDED", pod("c"))
    story.at(2, "DELETED", pod("c"))
    assert story.seen == (0, False)


def test_what_the_cluster_takes_away_for_its_own_reasons_is_no_restart(story: Story) -> None:
    for uid in ("a", "b"):
        story.at(1, "DELETED", pod(uid, disrupted=True))
        story.at(2, "ADDED", pod(uid * 2))
    assert story.seen == (0, False)


def test_a_pod_that_failed_counts_once(story: Story) -> None:
    story.at(1, "MODIFIED", pod("a", 7, phase="Failed"))
    story.at(2, "MODIFIED", pod("a", 7, phase="Failed"))
    story.at(3, "DELETED", pod("a", 7, phase="Failed"))
    story.at(4, "ADDED", pod("c"))
    assert story.seen == (1, False)


def test_what_a_pod_says_is_read_from_its_status() -> None:
    assert list(containers_of(pod("a", 3, reason="OOMKilled"))) == [("backend", 3, True)]
    assert list(containers_of({"metadata": {}})) == []
    assert in_back_off(pod("a", waiting="CrashLoopBackOff"))
    assert not in_back_off(pod("a", waiting="ContainerCreating"))
    assert is_disrupted(pod("a", disrupted=True))
    assert not is_disrupted(pod("a"))
