"""A release's commands as Jobs: what is made of the pod template, and how each end of a pod is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.kubernetes import ApiError, Cluster, Object, Unreachable
from dawsos.adapters.redactor import Masker
from dawsos.model.process import NOT_FOUND
from dawsos.platforms.kubernetes.commands import (
    BEGIN_WITHIN,
    Ended,
    JobCommands,
    end_of,
    has_begun,
    job_of,
    outcome_of,
    waiting_for,
)
from fakes import VirtualClock

TEMPLATE: Object = {
    "metadata": {
        "labels": {
            "app.kubernetes.io/name": "shop", "app.kubernetes.io/component": "backend", "dawsos.dev/deployment": "a",
            "pod-template-hash": "1",
        },
    },
    "spec": {
        "serviceAccountName": "shop",
        "initContainers": [{"name": "wait"}],
        "containers": [
            {"name": "sidecar", "image": "s"},
            {
                "name": "backend", "image": "shop@sha256:1", "args": ["serve"], "ports": [{"containerPort": 1}],
                "readinessProbe": {}, "lifecycle": {}, "securityContext": {"readOnlyRootFilesystem": True},
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}],
                "envFrom": [{"secretRef": {"name": "shop-env"}}],
            },
        ],
    },
}  # fmt: skip


def pod(state: Mapping[str, Any] | None = None, **status: Any) -> Object:
    statuses = [] if state is None else [{"name": "command", "state": state}]
    return {"metadata": {"name": "pod-1"}, "status": {"containerStatuses": statuses, **status}}


RUNNING, DONE = pod({"running": {}}), pod({"terminated": {"exitCode": 0, "reason": "Completed"}})


def test_a_job_has_the_image_the_variables_and_the_security_of_the_deployment() -> None:
    job = job_of("j", "shop-prod", TEMPLATE, ["{python}", "-m", "x"], {"A": "$(B)", "C": "3"})
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert (container["name"], container["image"]) == ("command", "shop@sha256:1")
    assert container["command"] == ["python", "-m", "x"]
    assert not {"args", "ports", "readinessProbe", "lifecycle"} & container.keys()
    assert container["securityContext"] == {"readOnlyRootFilesystem": True}
    # What the caller gives is taken as it is, what the chart wrote may refer to what comes before.
    assert {one["name"]: one["value"] for one in container["env"]} == {"A": "$$(B)", "B": "$(A)2", "C": "3"}
    assert container["envFrom"] == [{"secretRef": {"name": "shop-env"}}]
    assert "initContainers" not in spec
    assert (spec["restartPolicy"], job["spec"]["backoffLimit"]) == ("Never", 0)
    # The template that was given is not changed: the next command has it as well.
    assert TEMPLATE["spec"]["containers"][1]["args"] == ["serve"]


def test_no_service_finds_the_pod_of_a_command() -> None:
    labels = job_of("j", "shop-prod", TEMPLATE, ["x"], {})["spec"]["template"]["metadata"]["labels"]
    assert labels == {
        "app.kubernetes.io/name": "shop", "app.kubernetes.io/component": "job", "app.kubernetes.io/instance": "shop-prod",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "begun", "ended"),
    [
        (pod(), False, None),
        (pod({"waiting": {"reason": "ContainerCreating"}}), False, None),
        (RUNNING, True, None),
        (DONE, True, Ended(0, "Completed")),
        (pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}), True, Ended(137, "OOMKilled")),
        (
            pod({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
            False,
            Ended(None, "ImagePullBackOff", "no such image"),
        ),
        (pod(phase="Failed", reason="Evicted", message="disk"), False, Ended(None, "Evicted", "disk")),
    ],
)
def test_a_pod_says_whether_it_has_begun_and_how_it_ended(seen: Object, begun: bool, ended: Ended | None) -> None:
    assert (has_begun(seen), end_of(seen)) == (begun, ended)


@pytest.mark.parametrize(
    ("ended", "kind", "code", "says"),
    [
        (Ended(0, "Completed"), "ok", 0, ""),
        (Ended(3, "Error"), "failed", 3, "exit code 3"),
        (Ended(137, "OOMKilled"), "infrastructure", 137, "memory"),
        (Ended(None, "DeadlineExceeded"), "timeout", None, "300 s"),
        (Ended(None, "Evicted", "disk"), "infrastructure", None, "Evicted: disk"),
        (Ended(128, "StartError", 'exec: "no": executable file not found in $PATH'), "failed", NOT_FOUND, "not found"),
        (Ended(128, "StartError", "cgroups"), "infrastructure", 128, "cgroups"),
    ],
)
def test_each_end_has_an_outcome(ended: Ended, kind: str, code: int | None, says: str) -> None:
    outcome = outcome_of(ended, 1.5)
    assert (outcome.classification, outcome.exit_code, outcome.seconds) == (kind, code, 1.5)
    assert says in outcome.message


def test_why_a_pod_does_not_begin_is_said_in_kubernetes_words() -> None:
    unmet = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu"}]
    assert waiting_for(pod(conditions=unmet)) == "0/1 nodes are available: 1 Insufficient cpu"
    assert waiting_for(pod({"waiting": {"reason": "ContainerCreating"}})) == "ContainerCreating"
    assert "quota" in waiting_for(None)


class Scripted(Cluster):
    """A cluster whose pod and whose log are, question by question, what a test says; an error among them is raised."""

    def __init__(self, pods: list[Any], logs: list[list[Any]]) -> None:
        super().__init__("scripted")
        self._pods, self._logs = pods, logs
        self.made: list[Object] = []
        self.deleted: list[str] = []

    async def create(self, path: str, body: Object) -> Object:
        self.made.append(body)
        return body

    async def list(self, path: str, labels: Mapping[str, str] | None = None) -> Any:
        found = self._pods.pop(0) if len(self._pods) > 1 else self._pods[0]
        if isinstance(found, Exception):
            raise found
        return [found] if found else []

    async def lines(
        self, path: str, params: Mapping[str, str] | None = None, *, quiet: float | None = None
    ) -> AsyncGenerator[str]:
        for line in self._logs.pop(0) if self._logs else []:
            if isinstance(line, Exception):
                raise line
            yield line

    async def delete(self, path: str, *, propagation: str = "Background") -> bool:
        self.deleted.append(path)
        return True


async def template() -> Object:
    return TEMPLATE


@pytest.fixture
def play(tmp_path: Path) -> Callable[[list[Any], list[list[Any]]], tuple[Any, str, Scripted]]:
    """Return what runs a command on a scripted cluster: its outcome, its log, and the cluster."""

    def playing(pods: list[Any], logs: list[list[Any]]) -> tuple[Any, str, Scripted]:
        cluster, masker, log = Scripted(pods, logs), Masker(), tmp_path / "logs" / "x.log"
        masker.add(["hunter22-secret"])
        commands = JobCommands(cluster, "n", "shop", template, {"GIT_SHA": "1"}, VirtualClock(), masker)
        outcome = asyncio.run(commands.run("python -m x", log, {"EXTRA": "more"}))
        return outcome, log.read_text(), cluster

    return playing


def test_a_command_is_followed_to_its_end_masked_and_removed(play: Any) -> None:
    outcome, log, cluster = play([None, pod(), RUNNING, DONE], [["first", "key hunter22-secret"]])
    assert outcome.classification == "ok"
    assert log == "first\nkey ***\n"
    env = {one["name"]: one["value"] for one in cluster.made[0]["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (env["GIT_SHA"], env["EXTRA"]) == ("1", "more")
    assert cluster.deleted == [f"/apis/batch/v1/namespaces/n/jobs/{cluster.made[0]['metadata']['name']}"]


def test_a_log_that_breaks_off_is_read_again_and_no_line_is_kept_twice(play: Any) -> None:
    away = Unreachable("away")
    outcome, log, _ = play([RUNNING, RUNNING, away, RUNNING, DONE], [["a", "b", away], ["a", "b", "c"]])
    assert (outcome.classification, log) == ("ok", "a\nb\nc\n")


def test_an_api_server_that_stays_away_is_the_cluster_s_fault(play: Any) -> None:
    outcome, _, cluster = play([RUNNING, Unreachable("gone")], [])
    assert (outcome.classification, outcome.message) == ("infrastructure", "gone")
    assert cluster.deleted


def test_a_command_that_kubernetes_ended_at_its_deadline_did_not_pass(tmp_path: Path) -> None:
    class Long(list[Any]):
        """A pod that is running for longer than the budget."""

        def pop(self, _index: Any = 0) -> Any:
            return DONE if clock.elapsed > BEGIN_WITHIN + 300 else RUNNING

        def __len__(self) -> int:
            return 2

    clock = VirtualClock()
    commands = JobCommands(Scripted(Long(), []), "n", "shop", template, {}, clock, Masker())
    outcome = asyncio.run(commands.run("x", tmp_path / "log", {}))
    assert (outcome.classification, outcome.exit_code) == ("timeout", 0)


def test_a_pod_that_never_begins_is_told_with_the_reason(play: Any) -> None:
    outcome, _, _ = play([pod({"waiting": {"reason": "ContainerCreating"}})], [])
    assert (outcome.classification, outcome.message) == ("infrastructure", "NotStarted: ContainerCreating")
    assert outcome.seconds >= BEGIN_WITHIN


def test_a_cluster_that_refuses_the_job_says_why(play: Any, tmp_path: Path) -> None:
    class Refusing(Scripted):
        async def create(self, path: str, body: Object) -> Object:
            raise ApiError(403, "Forbidden", "exceeded quota", where="POST jobs")

    commands = JobCommands(Refusing([None], []), "n", "shop", template, {}, VirtualClock(), Masker())
    outcome = asyncio.run(commands.run("x", tmp_path / "log", {}))
    assert outcome.classification == "infrastructure"
    assert "exceeded quota" in outcome.message


def test_what_is_captured_is_in_no_log_unless_the_command_failed(tmp_path: Path) -> None:
    log = tmp_path / "token.log"

    def capture(end: Object) -> tuple[str, str]:
        cluster = Scripted([RUNNING, end], [["token-1"]])
        commands = JobCommands(cluster, "n", "shop", template, {}, VirtualClock(), Masker())
        outcome, text = asyncio.run(commands.capture("x", log, {}))
        return outcome.classification, text

    assert capture(DONE) == ("ok", "token-1\n")
    assert not log.exists()
    assert capture(pod({"terminated": {"exitCode": 1}})) == ("failed", "token-1\n")
    assert log.read_text() == "token-1\n"
