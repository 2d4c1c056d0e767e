"""Runs a release's own commands as Jobs, in pods like those of one of its deployments.

A Job that the tool cannot remove, because it was killed, ends by its deadline and is removed by Kubernetes an hour later.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dawsos.adapters.kubernetes import ApiError, Cluster, Object, Unreachable
from dawsos.model.process import NOT_FOUND, CommandOutcome
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT, INSTANCE, Paths
from dawsos.ports import Clock, Redactor

# As long as a command of a release may run, and as long as its pod may take to begin, in seconds.
BUDGET, BEGIN_WITHIN = 300.0, 120.0
_KEPT, _POLL, _PATIENCE = 3600, 0.25, 30.0
# What of a container's or pod's fields belongs to a server and not to a command.
_SERVER_FIELDS = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "args")
_WILL_NOT_START = frozenset(
    (
        "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
        "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
    )
)  # fmt: skip

Template = Callable[[], Awaitable[Object]]


@dataclass(frozen=True)
class Ended:
    """How the container of a command ended: its exit code, None when there is none, and Kubernetes' word for the reason."""

    code: int | None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class JobCommands:
    """Implements ``contract.ReleaseCommands``.

    ``template`` returns the pod template (``{"metadata": ..., "spec": ...}``) of the deployment whose variables the commands
    have, and ``env`` are variables besides.
    """

    cluster: Cluster
    namespace: str
    release: str
    template: Template
    env: Mapping[str, str]
    clock: Clock
    redactor: Redactor

    async def run(self, command: str, log: Path, env: Mapping[str, str]) -> CommandOutcome:
        """Run ``command`` in a pod of its own; what it prints is in ``log`` as it comes, masked."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", newline="") as file:
            masked = self.redactor.stream()

            def keep(line: str) -> None:
                file.write(masked.feed(line + "\n"))
                file.flush()

            try:
                return await self._run(command, env, keep)
            finally:
                file.write(masked.end())

    async def capture(self, command: str, log: Path, env: Mapping[str, str]) -> tuple[CommandOutcome, str]:
        """Run ``command`` and return what it printed, standard error as well: Kubernetes keeps one log for both.

        ``log`` gets it only when the command failed, because it is no secret then.
        """
        lines: list[str] = []
        outcome = await self._run(command, env, lines.append)
        text = "".join(f"{line}\n" for line in lines)
        if outcome.classification != "ok":
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as file:
                file.write(self.redactor.clean(text))
        return outcome, text

    async def _run(self, command: str, env: Mapping[str, str], keep: Callable[[str], None]) -> CommandOutcome:
        started = self.clock.monotonic()
        paths, job = Paths(self.namespace), f"{self.release[:40]}-command-{secrets.token_hex(4)}"
        body = job_of(job, self.release, await self.template(), shlex.split(command), {**self.env, **env})
        try:
            # Within: a call that is cancelled, or gets no answer, may have made the Job all the same.
            await self.cluster.create(paths.of("jobs"), body)
            ended = await self._follow(job, started, keep)
        except (ApiError, Unreachable) as error:
            return CommandOutcome("infrastructure", None, self.clock.monotonic() - started, error.message)
        finally:
            await asyncio.shield(self._remove(paths.of("jobs", job)))
        return outcome_of(ended, self.clock.monotonic() - started)

    async def _remove(self, path: str) -> None:
        with contextlib.suppress(ApiError, Unreachable):
            await self.cluster.delete(path)

    async def _follow(self, job: str, started: float, keep: Callable[[str], None]) -> Ended:
        """Wait for the end of the Job's pod; give each line of its log to ``keep``, once."""
        lines, begun, away = 0, False, 0.0
        while True:
            try:
                pod = await self._pod(job)
                begun = begun or (pod is not None and has_begun(pod))
                if pod is not None and begun:
                    lines = await self._log(pod, keep, lines)
                    pod = await self._pod(job) or pod
                ended = end_of(pod) if pod is not None else None
                if ended is not None:
                    # What Kubernetes ended by the Job's deadline may have ended in order, with exit code 0.
                    late = self.clock.monotonic() - started >= BUDGET + BEGIN_WITHIN
                    return Ended(ended.code, "DeadlineExceeded") if late else ended
                away = 0.0
            except Unreachable:
                # An API server that is away for a moment does not end a command that runs.
                away = away or self.clock.monotonic()
                if self.clock.monotonic() - away > _PATIENCE:
                    raise
            waited = self.clock.monotonic() - started
            if begun and waited > BUDGET + BEGIN_WITHIN:
                return Ended(None, "DeadlineExceeded")
            if not begun and waited > BEGIN_WITHIN:
                return Ended(None, "NotStarted", waiting_for(pod))
            await self.clock.sleep(_POLL)

    async def _pod(self, job: str) -> Object | None:
        pods = await self.cluster.list(Paths(self.namespace).of("pods"), {"batch.kubernetes.io/job-name": job})
        return pods[0] if pods else None

    async def _log(self, pod: Object, keep: Callable[[str], None], known: int) -> int:
        """Follow the log until it ends; return how many lines were kept.  After a broken connection it is read anew."""
        path = Paths(self.namespace).of("pods", pod["metadata"]["name"], "log")
        number = 0
        try:
            async with aclosing(self.cluster.lines(path, {"follow": "true", "container": "command"})) as lines:
                async for line in lines:
                    number += 1
                    if number > known:
                        keep(line)
        except Unreachable:
            return max(number, known)
        except ApiError as error:
            if error.status not in (400, 404):  # the container has not begun, or is gone
                raise
        return max(number, known)


def job_of(name: str, release: str, template: Object, argv: list[str], env: Mapping[str, str]) -> Object:
    """Return the Job that runs ``argv`` once in a pod of ``template``, with its image, variables, volumes and security.

    ``{python}`` is the image's ``python``.  The pod has none of the labels by which Services and Deployments find theirs.
    """
    spec = deepcopy(template["spec"])
    container = next((one for one in spec["containers"] if one["name"] == BACKEND), spec["containers"][0])
    for key in _SERVER_FIELDS:
        container.pop(key, None)
    container["name"] = "command"
    container["command"] = ["python" if word == "{python}" else word for word in argv]
    known = [one for one in container.get("env", []) if one["name"] not in env]
    container["env"] = [*known, *({"name": key, "value": value} for key, value in env.items())]
    # A value may refer to what comes before it, and what the caller gives is taken as it is.
    container["env"] = [
        {**one, "value": one["value"].replace("$(", "$$(")} if one["name"] in env else one for one in container["env"]
    ]
    spec["containers"], spec["restartPolicy"] = [container], "Never"
    spec.pop("initContainers", None)
    labels = _labels(template, release)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(BUDGET + BEGIN_WITHIN),
            "ttlSecondsAfterFinished": _KEPT,
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _labels(template: Object, release: str) -> dict[str, str]:
    labels = {
        key: value
        for key, value in (template.get("metadata", {}).get("labels") or {}).items()
        if key not in (DEPLOYMENT, "pod-template-hash")
    }
    return {**labels, INSTANCE: release, COMPONENT: "job"}


def has_begun(pod: Object) -> bool:
    """Return whether the container of a command runs or has run."""
    return any(kind in _state(pod) for kind in ("running", "terminated"))


def end_of(pod: Object) -> Ended | None:
    """Return how a pod of a command ended, None while it may still begin or go on."""
    state, status = _state(pod), pod.get("status", {})
    over = state.get("terminated")
    if over is not None:
        return Ended(over.get("exitCode"), over.get("reason", ""), over.get("message", ""))
    waiting = state.get("waiting", {})
    if waiting.get("reason") in _WILL_NOT_START:
        return Ended(None, waiting["reason"], waiting.get("message", ""))
    if status.get("phase") == "Failed":
        return Ended(None, status.get("reason", "Failed"), status.get("message", ""))
    return None


def waiting_for(pod: Object | None) -> str:
    """Return why a pod has not begun, in Kubernetes' words."""
    if pod is None:
        return "no pod was made for it: a quota or an admission policy may refuse it"
    waiting = _state(pod).get("waiting", {})
    if waiting.get("reason"):
        return f"{waiting['reason']}: {waiting.get('message', '')}".strip(": ")
    unmet = [one for one in pod.get("status", {}).get("conditions", []) if one.get("status") == "False"]
    return "; ".join(str(one["message"]) for one in unmet if one.get("message")) or "its pod is pending"


def _state(pod: Object) -> Object:
    found: Object = next(iter(pod.get("status", {}).get("containerStatuses") or [{}])).get("state", {})
    return found


def outcome_of(ended: Ended, seconds: float) -> CommandOutcome:
    """Return the outcome of a command as every platform tells it: what the command did, or what hindered it."""
    kind: Literal["ok", "failed", "infrastructure", "timeout"]
    code = ended.code
    if ended.reason == "DeadlineExceeded":
        return CommandOutcome("timeout", code, seconds, f"stopped after its budget of {BUDGET:g} s")
    if code == 0:
        return CommandOutcome("ok", 0, seconds)
    if code is None:
        return CommandOutcome("infrastructure", None, seconds, f"{ended.reason}: {ended.message}".strip(": "))
    if ended.reason in ("ContainerCannotRun", "StartError"):
        missing = "executable file not found" in ended.message or "no such file" in ended.message
        kind, code = ("failed", NOT_FOUND) if missing else ("infrastructure", code)
        return CommandOutcome(kind, code, seconds, "command not found" if missing else ended.message)
    if ended.reason == "OOMKilled":
        return CommandOutcome("infrastructure", code, seconds, "killed: it needed more memory than its limit")
    return CommandOutcome("failed", code, seconds, f"exit code {code}")
