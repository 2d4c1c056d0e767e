"""Hands the rollout of a run over to a Job in the environment's namespace, and follows it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from dawsos import __version__
from dawsos.adapters.kubernetes import ApiError, Cluster, Object, Objects, Unreachable
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.cluster import Gateway, InCluster
from dawsos.platforms.contract import Handed, JobState, PlatformHost
from dawsos.platforms.kubernetes.commands import JobCommands
from dawsos.platforms.kubernetes.gateways.registry import GATEWAYS
from dawsos.platforms.kubernetes.job_objects import (
    CONDUCT,
    LARGEST,
    MODULE,
    conducting_job,
    labels_of,
    pod_template,
    source_parts,
)
from dawsos.platforms.kubernetes.names import Paths
from dawsos.platforms.kubernetes.preflight import gateway_namespace, refused
from dawsos.platforms.kubernetes.target import Target

# Seconds: between two looks; how long a pod may take to begin; how long the API server may be away; how long a pod may take to end.
_PAUSE, _BEGIN, _AWAY, _END = 0.5, 120.0, 30.0, 90.0
_WILL_NOT_START = (
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
)
# So many lines of what a Job says are shown when it fails.
_LINES = 5
_EXAMPLE = "docs/kubernetes.md#in-the-cluster has the commands"


@dataclass(frozen=True)
class ClusterJobs:
    """Implements ``jobs.RolloutJobs``.

    ``passed`` are the variables that the environment takes from whoever ships: its Secret has them.  ``tokens`` are those with which
    its observability is asked: the Job's own Secret must have them.
    """

    cluster: Cluster
    target: Target
    settings: InCluster
    gateway: Gateway
    passed: tuple[str, ...]
    tokens: tuple[str, ...]
    host: PlatformHost

    @classmethod
    def of(cls, host: PlatformHost) -> ClusterJobs:
        """Return the jobs of an environment; raises BadInput when its settings name no image for them."""
        settings = host.settings
        if settings.in_cluster is None:
            raise BadInput(
                f"pipeline.yaml: environments.{host.name}.in_cluster does not say which image conducts a rollout",
                fix="in_cluster: {image: REPOSITORY@DIGEST of the tool's image}; " + _EXAMPLE,
            )
        target = Target.of(host.name, settings, host.root)
        tokens = tuple(settings.observability.tokens)
        return cls(
            Cluster(target.context), target, settings.in_cluster, settings.gateway, settings.pass_env, tokens, host
        )

    @property
    def _paths(self) -> Paths:
        return Paths(self.target.namespace)

    # Beforehand.

    async def check(self) -> str:
        account = self.settings.service_account
        where = f"{self.target.namespace}/{account}"
        try:
            if await self.cluster.find(self._paths.of("serviceaccounts", account)) is None:
                raise BadInput(
                    f"there is no ServiceAccount {where} for the Job of --in-cluster",
                    fix="kubectl apply -f deploy/kubernetes/rbac.yaml makes it with the rights that it needs",
                )
            told = await self._tried()
        except (ApiError, Unreachable) as error:
            raise BadInput(f"a Job of --in-cluster cannot be tried: {error.message}", fix=error.fix) from error
        if told.get("version") != __version__:
            raise BadInput(
                f"the image {self.settings.image} has version {told.get('version')} of this tool, which is {__version__} here",
                fix="make the image of this version (deploy/image), or ship with that one",
            )
        if told.get("told"):
            raise refused([str(one) for one in told["told"]], self.target)
        return str(told.get("public", ""))

    async def _tried(self) -> dict[str, Any]:
        """Return what a pod with the Job's image, rights and variables finds out about itself."""

        async def template() -> Object:
            return pod_template(self.target, self.settings, ())

        place = self.target.namespace if GATEWAYS[self.gateway.kind].of_the_release else gateway_namespace(self.gateway)
        words = [*MODULE, "check", "--namespace", self.target.namespace]
        words += ["--gateway", place] if place else []
        words += [word for name in self.tokens for word in ("--variable", name)]
        commands = JobCommands(
            self.cluster, self.target.namespace, self.target.release, template, {}, self.host.clock, self.host.redactor
        )
        log = self.host.folder / "in-cluster.log"
        outcome, text = await commands.capture(" ".join(words), log, {})
        try:
            return dict(json.loads(text.strip().splitlines()[-1]))
        except (ValueError, IndexError, TypeError):
            said = "".join(f"\n    {self.host.redactor.clean(line)}" for line in text.strip().splitlines()[-_LINES:])
            raise BadInput(
                f"a Job with the image {self.settings.image} and the Secret {self.settings.secret} cannot conduct a rollout: "
                f"{outcome.message or 'it said nothing'}{said}",
                fix=f"the image must be one of this tool, and {self.target.namespace} must have the Secret; {_EXAMPLE}",
            ) from None

    # The Job.

    async def start(self, handed: Handed) -> JobState:
        if len(handed.pack) > LARGEST:
            raise InfrastructureError(
                f"the files of the commit are {len(handed.pack) / 1e6:.0f} MB when they are packed, and a cluster's store takes at "
                f"most {LARGEST / 1e6:.0f} MB",
                fix="resume without --in-cluster, on a machine that can wait",
            )
        made = conducting_job(self.target, self.settings, self.passed, handed)
        job = await self.cluster.create(self._paths.of("jobs"), made)
        path = self._paths.of("jobs", job["metadata"]["name"])
        try:
            for part in source_parts(job, handed):
                await self.cluster.create(self._paths.of("configmaps"), part)
            await self.cluster.patch(path, [{"op": "replace", "path": "/spec/suspend", "value": False}], "json")
            await self._begun(job)
        except BaseException:
            with suppress(ApiError, Unreachable):
                await self.cluster.delete(path)
            raise
        return self._state(job, "active")

    async def _begun(self, job: Object) -> None:
        """Return once the Job's own container runs or has ended; raises InfrastructureError with the reason when it does not."""
        clock, pod = self.host.clock, None
        started = clock.monotonic()
        while clock.monotonic() - started < _BEGIN:
            pod = next(iter(await self._pods(str(job["metadata"]["name"]))), None)
            if pod is not None and _state_of(pod, CONDUCT, ("running", "terminated")):
                return
            why = _hindered(pod) if pod is not None else ""
            if why:
                raise InfrastructureError(f"the Job {job['metadata']['name']} does not begin: {why}", fix=_EXAMPLE)
            await clock.sleep(_PAUSE)
        raise InfrastructureError(
            f"the Job {job['metadata']['name']} has not begun after {_BEGIN:g} s",
            fix=f"kubectl --context {self.target.context} -n {self.target.namespace} get events",
        )

    async def _pods(self, job: str) -> Objects:
        """Return the pods of a Job, the newest first."""
        found = await self.cluster.list(self._paths.of("pods"), {"batch.kubernetes.io/job-name": job})
        return sorted(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)

    async def find(self, run: str) -> JobState:
        job = await self._newest(run)
        return JobState() if job is None else self._state(job, "ended" if _has_ended(job) else "active")

    async def _newest(self, run: str) -> Object | None:
        found = await self.cluster.list(self._paths.of("jobs"), labels_of(self.target.release, run))
        return max(found, key=lambda job: str(job["metadata"].get("creationTimestamp")), default=None)

    def _state(self, job: Object, state: Any) -> JobState:
        name = str(job["metadata"]["name"])
        follow = f"kubectl --context {self.target.context} -n {self.target.namespace} logs -f job/{name}"
        return JobState(name, state, follow)

    async def follow(self, run: str) -> AsyncIterator[str]:
        clock, told, away = self.host.clock, dict[str, int](), 0.0
        while True:
            try:
                job = await self._newest(run)
                pods = await self._pods(str(job["metadata"]["name"])) if job is not None else []
                for pod in pods[:1]:
                    async for line in self._lines(pod, told):
                        yield line
                if job is None or _has_ended(job):
                    return
                away = 0.0
            except Unreachable:
                # The Job goes on without whoever looks at it.
                away = away or clock.monotonic()
                if clock.monotonic() - away > _AWAY:
                    raise
            await clock.sleep(_PAUSE)

    async def end(self, run: str) -> None:
        labels, started = labels_of(self.target.release, run), self.host.clock.monotonic()
        for job in await self.cluster.list(self._paths.of("jobs"), labels):
            # Its pods get TERM, and their controller gives the canary's traffic back.
            await self.cluster.delete(self._paths.of("jobs", str(job["metadata"]["name"])))
        while pods := await self.cluster.list(self._paths.of("pods"), labels):
            if self.host.clock.monotonic() - started > _END:
                names = ", ".join(str(pod["metadata"]["name"]) for pod in pods)
                raise InfrastructureError(
                    f"the conductor of run {run} has not ended after {_END:g} s: {names}",
                    fix=f"kubectl --context {self.target.context} -n {self.target.namespace} describe pods",
                )
            await self.host.clock.sleep(_PAUSE)

    async def _lines(self, pod: Object, told: dict[str, int]) -> AsyncIterator[str]:
        """Yield the lines of a pod's log that were not told yet; after a broken connection it is read anew."""
        name, number = str(pod["metadata"]["name"]), 0
        path = self._paths.of("pods", name, "log")
        with suppress(Unreachable):
            try:
                async with aclosing(self.cluster.lines(path, {"follow": "true", "container": CONDUCT})) as lines:
                    async for line in lines:
                        number += 1
                        if number > told.get(name, 0):
                            told[name] = number
                            yield line
            except ApiError as error:
                if error.status not in (400, 404):  # it has not begun, or is gone
                    raise

    async def close(self) -> None:
        await self.cluster.close()


def _has_ended(job: Object) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or []
    return any(one.get("type") in ("Complete", "Failed") and one.get("status") == "True" for one in conditions)


def _statuses(pod: Object) -> Objects:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _state_of(pod: Object, container: str, kinds: tuple[str, ...]) -> bool:
    return any(
        one.get("name") == container and any(kind in (one.get("state") or {}) for kind in kinds)
        for one in _statuses(pod)
    )


def _hindered(pod: Object) -> str:
    """Return why a pod will not begin, an empty text while it may."""
    for one in _statuses(pod):
        state = one.get("state") or {}
        waits, over = state.get("waiting") or {}, state.get("terminated") or {}
        if waits.get("reason") in _WILL_NOT_START:
            return f"{waits['reason']}: {waits.get('message', '')}"
        if over.get("exitCode"):
            return str(over.get("message") or f"{one.get('name')} ended with exit code {over['exitCode']}").strip()
    return ""
