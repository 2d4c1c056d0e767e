"""Whether pods are ready, still coming, or will never be, and whose fault that is."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.adapters.kubernetes import Object
from dawsos.platforms.kubernetes.waiting import ending, judge, refused
from support.workloads import NOW, pod


def _judged(*pods: Object, wanted: int = 1, within: float = 20.0) -> tuple[str, str]:
    verdict = judge(list(pods), wanted, NOW, within)
    return verdict.state, verdict.fault if verdict.state == "failed" else ""


def test_enough_ready_pods_are_ready_whatever_the_others_do() -> None:
    assert _judged(pod("a", "a", ready=True), pod("b", "a", {"waiting": {"reason": "CrashLoopBackOff"}})) == (
        "ready",
        "",
    )
    assert _judged(pod("a", "a", ready=True), wanted=2) == ("waiting", "")


def test_a_pod_that_is_going_does_not_count() -> None:
    going = pod("a", "a", ready=True)
    going["metadata"]["deletionTimestamp"] = "2001-09-09T01:46:40Z"
    assert _judged(going) == ("waiting", "")


@pytest.mark.parametrize(
    ("reason", "age", "expected"),
    [
        ("ErrImageNeverPull", 1, ("failed", "cluster")),
        ("InvalidImageName", 1, ("failed", "cluster")),
        ("ErrImagePull", 1, ("waiting", "")),
        ("ImagePullBackOff", 31, ("failed", "cluster")),
        ("CreateContainerConfigError", 5, ("waiting", "")),
        ("CreateContainerConfigError", 16, ("failed", "cluster")),
        ("RunContainerError", 1, ("failed", "release")),
        ("CrashLoopBackOff", 1, ("failed", "release")),
        ("ContainerCreating", 299, ("waiting", "")),
        ("ContainerCreating", 301, ("failed", "cluster")),
    ],
)
def test_a_pod_that_waits_is_judged_by_its_reason_and_how_long(reason: str, age: float, expected: Any) -> None:
    assert _judged(pod("a", "a", {"waiting": {"reason": reason, "message": "why"}}, age=age)) == expected


def test_a_crash_names_the_exit_code_and_whose_log_tells_more() -> None:
    waits = {"waiting": {"reason": "CrashLoopBackOff"}}
    verdict = judge([pod("a-1", "a", waits, restarts=2, last={"exitCode": 3, "reason": "Error"})], 1, NOW, 20)
    assert verdict.reason == "a-1 crashes: exit code 3 after 2 restarts"
    assert (verdict.pod, verdict.container, verdict.previous) == ("a-1", "backend", True)
    ended = judge([pod("a-1", "a", {"terminated": {"exitCode": 1}}, restarts=2)], 1, NOW, 20)
    assert not ended.previous


def test_a_pod_that_runs_has_its_time_from_the_start_of_its_container() -> None:
    assert _judged(pod("a", "a", age=19), within=20) == ("waiting", "")
    late = pod("a", "a", age=21)
    late["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"path": "/ready"}}
    verdict = judge([late], 1, NOW, 20)
    assert (verdict.state, verdict.fault) == ("failed", "release")
    assert verdict.reason == "a runs and is not ready after 20 s: its readiness page /ready does not answer 200"


def test_a_pod_without_a_node_is_given_time_for_one() -> None:
    lonely = pod("a", "a", {}, age=10)
    lonely["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no memory"}]
    verdict = judge([lonely], 1, NOW, 20)
    assert (verdict.state, verdict.reason) == ("waiting", "a finds no node: 0/1 nodes: no memory")
    lonely["metadata"]["creationTimestamp"] = "2001-09-09T01:40:00Z"
    assert _judged(lonely) == ("failed", "cluster")


def test_no_pod_at_all_says_how_many_there_are() -> None:
    assert judge([], 2, NOW, 20).reason == "0 of 2 pods are there"


def test_the_end_of_a_container_in_words() -> None:
    assert ending({"reason": "OOMKilled", "exitCode": 137}) == "killed because it took more memory than its limit"
    assert ending({"reason": "StartError", "exitCode": 128}) == "exit code 128 (StartError)"
    assert ending({}) == "exit code ?"


@pytest.mark.parametrize(
    ("kind", "status", "since", "expected"),
    [
        ("ReplicaFailure", "True", "2001-09-09T01:46:35Z", "waiting"),
        ("ReplicaFailure", "True", "2001-09-09T01:46:10Z", "failed"),
        ("ReplicaFailure", "False", "2001-09-09T01:46:10Z", None),
        ("Available", "True", "2001-09-09T01:46:10Z", None),
    ],
)
def test_pods_that_are_refused_for_a_while_have_failed(
    kind: str, status: str, since: str, expected: str | None
) -> None:
    told = {"type": kind, "status": status, "message": "denied", "lastTransitionTime": since}
    found = refused({"metadata": {"name": "shop"}, "status": {"conditions": [told]}}, NOW)
    assert (found and found.state) == expected
