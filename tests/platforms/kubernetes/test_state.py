"""What live objects say of an environment, and what was done to it beside this tool."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.platforms.contract import Roles
from dawsos.platforms.kubernetes.names import BACKEND, MAIN, REPLICAS, WORKER
from dawsos.platforms.kubernetes.state import (
    Seen,
    crash_loops,
    done_beside,
    image_of,
    live_deployments,
    pod_state,
    restarts_of,
    roles_of,
    seconds,
    status_of,
    unguarded,
    weight_of,
)
from support.workloads import NOW, pod, route, service, serving, workload


def _at(age: float) -> str:
    return str(pod("x", "a", age=age)["metadata"]["creationTimestamp"])


def test_a_release_that_serves_is_ready_with_its_pods_and_their_addresses() -> None:
    status = status_of("production", serving(), "http://shop", NOW)
    assert (status.running, status.url, status.roles) == (True, "http://shop", Roles("a"))
    found = status.deployments["a"]
    assert (found.release, found.replicas, found.ready_replicas, found.ready) == ("d" * 64, 2, 2, True)
    assert [(one.name, one.group, one.state, one.address) for one in status.processes] == [
        ("a-1", "a", "ready", "10.0.0.7:8000"), ("a-2", "a", "ready", "10.0.0.7:8000"),
    ]  # fmt: skip


def test_nothing_there_is_an_empty_status() -> None:
    status = status_of("production", Seen(), "", NOW)
    assert (status.running, status.roles, dict(status.deployments)) == (False, Roles(), {})


def test_an_environment_that_is_scaled_to_zero_does_not_run_and_is_known() -> None:
    seen = serving()
    seen.deployments[0]["spec"]["replicas"] = 0
    status = status_of("production", Seen(seen.deployments, [], seen.services, [], seen.routes), "", NOW)
    assert (status.running, status.roles.stable, status.is_ready("a")) == (False, "a", False)
    assert status.release_of("a") == "d" * 64


def test_an_environment_with_services_and_no_release_yet_runs() -> None:
    assert status_of("staging", Seen(services=[service("stable", "none")]), "", NOW).running


def test_a_worker_that_is_not_ready_is_named() -> None:
    seen = serving()
    seen.deployments.append(workload("a", "shop@sha256:1", 1, WORKER))
    assert status_of("p", seen, "", NOW).deployments["a"].workers_not_ready == ("shop-worker-a",)
    # That of a standby has none, and lacks none.
    seen.deployments[-1]["spec"]["replicas"] = 0
    assert status_of("p", seen, "", NOW).deployments["a"].workers_not_ready == ()
    seen.deployments[-1]["spec"]["replicas"] = 1
    seen.pods.append(pod("a-w", "a", ready=True, component=WORKER))
    assert status_of("p", seen, "", NOW).deployments["a"].ready


@pytest.mark.parametrize(
    ("canary", "weight", "expected"),
    [
        ("none", None, Roles("a", None, "old")),
        ("a", 20, Roles("a", None, "old")),
        ("b", 20, Roles("a", "b", "old", 20)),
        ("b", None, Roles("a", "b", "old", 0)),
    ],
)
def test_roles_are_what_the_services_select_and_the_route_weighs(
    canary: str, weight: int | None, expected: Roles
) -> None:
    seen = Seen(services=[service("stable", "a", "old"), service("canary", canary)], routes=[route(weight)])
    assert roles_of(seen) == expected


def test_a_weight_is_a_share_of_all_weights() -> None:
    odd = route(50)
    odd["spec"]["rules"][0]["backendRefs"] = [{"name": "s", "weight": 3}, {"name": "c", "weight": 1}]
    assert weight_of([odd], "s", "c") == 25
    odd["spec"]["rules"][0]["backendRefs"] = [{"name": "s", "weight": 0}, {"name": "c", "weight": 0}]
    assert weight_of([odd], "s", "c") == 0
    assert weight_of([], "s", "c") == 0


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"waiting": {"reason": "ImagePullBackOff"}}, "ImagePullBackOff"),
        ({"waiting": {"reason": "ContainerCreating"}}, "starting"),
        (None, "starting"),
    ],
)
def test_a_pod_that_is_not_ready_says_why(state: dict[str, Any] | None, word: str) -> None:
    assert pod_state(pod("a", "a", state)) == word


def test_a_pod_that_ends_is_stopping_and_one_that_failed_has_failed() -> None:
    ends = pod("a", "a", ready=True)
    ends["metadata"]["deletionTimestamp"] = "2001-09-09T01:46:40Z"
    failed = pod("a", "a", {})
    failed["status"]["phase"] = "Failed"
    assert (pod_state(ends), pod_state(failed)) == ("stopping", "failed")


def test_restarts_count_within_the_window() -> None:
    recent = {"finishedAt": _at(10), "exitCode": 1}
    old = {"finishedAt": _at(1000), "exitCode": 1}
    assert len(restarts_of(pod("a", "a", restarts=2, last=recent), NOW)) == 2
    assert restarts_of(pod("a", "a", restarts=2, last=old), NOW) == ()
    assert crash_loops(pod("a", "a", restarts=3, last=recent), NOW)
    assert not crash_loops(pod("a", "a", restarts=2, last=recent), NOW)
    assert crash_loops(pod("a", "a", {"waiting": {"reason": "CrashLoopBackOff"}}, restarts=1), NOW)


def test_times_of_kubernetes() -> None:
    assert seconds("2001-09-09T01:46:40Z") == NOW
    assert seconds("") == 0.0


def test_the_image_is_that_of_the_container_with_the_component_s_name() -> None:
    made = workload("a", "shop@sha256:1")
    made["spec"]["template"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "s"})
    assert image_of(made, BACKEND) == "shop@sha256:1"


def test_values_say_what_is_live_with_the_variables_of_the_revision_before() -> None:
    kept = {
        "backend": {"imageName": "api"},
        "deployments": {"a": {"images": {"api": "shop@sha256:0"}, "env": {"X": "1"}, "workers": False}, "gone": {}},
    }
    found = live_deployments(serving(), kept)
    assert list(found) == ["a"]
    assert found["a"] == {
        "images": {"api": "shop@sha256:1"}, "release": "d" * 64, "commit": "c" * 40, "replicas": 2,
        "workers": False, "env": {"X": "1"},
    }  # fmt: skip


def test_what_a_plain_helm_upgrade_made_goes_on_as_it_is() -> None:
    seen = Seen([workload(MAIN, "shop:1"), workload(MAIN, "worker:1", 1, WORKER)], services=[service("stable", MAIN)])
    entry = live_deployments(seen, {})[MAIN]
    assert (entry["images"], entry["workers"]) == ({"backend": "shop:1", "worker": "worker:1"}, True)


def test_what_is_parked_keeps_its_number_and_a_standby_its_worker() -> None:
    seen = serving(standby="a")
    seen.deployments[0]["spec"]["replicas"] = 0
    seen.deployments[0]["metadata"]["annotations"][REPLICAS] = "4"
    seen.deployments.append(workload("a", "w", 1, WORKER))
    assert live_deployments(seen, {})["a"]["replicas"] == 4
    assert live_deployments(seen, {})["a"]["workers"]


def test_what_was_done_beside_the_tool_is_told() -> None:
    seen, kept = serving(), {"deployments": {"a": {"images": {"backend": "shop@sha256:1"}}}}
    assert done_beside(seen, kept, [{"revision": 1, "description": "Upgrade complete"}]) == ()
    other = {"deployments": {"a": {"images": {"backend": "shop@sha256:0"}}}}
    (told,) = done_beside(seen, other, [])
    assert told.startswith("shop-backend-a runs the image shop@sha256:1, which dawsos did not deploy")
    (told,) = done_beside(seen, kept, [{"revision": 7, "description": "Rollback to 5"}])
    assert told == "helm rollback made revision 7: Rollback to 5"
    seen.services[1]["spec"]["selector"]["dawsos.dev/deployment"] = "b"
    (told,) = done_beside(seen, kept, [])
    assert told == "the canary Service selects b, which is not there: no pod answers"


def test_a_plain_helm_upgrade_that_serves_is_told() -> None:
    seen = Seen([workload(MAIN, "shop:1")], services=[service("stable", MAIN)])
    (told,) = done_beside(seen, {}, [])
    assert "made by `helm upgrade` and not by dawsos" in told


def test_a_release_without_a_ready_guardian_is_told() -> None:
    release = workload("a", "1")
    guardian = {
        **workload("g", "1"),
        "metadata": {"name": "shop-guardian", "labels": {"app.kubernetes.io/component": "guardian"}},
        "status": {"readyReplicas": 1},
    }
    assert unguarded(Seen()) == ()
    assert unguarded(Seen(deployments=[release, guardian])) == ()
    for waiting in ([release], [release, {**guardian, "status": {}}]):
        assert "no guardian is ready" in unguarded(Seen(deployments=waiting))[0]
