"""What the pods of a canary tell about it: restarts, crash loops, processes that were killed for their memory, lost pods.

A pod that is replaced takes its counts along, and a crash loop would begin anew with each; so what was seen stays counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dawsos.adapters.kubernetes import Object
from dawsos.model.policy import CrashLoop

_BACK_OFF = "CrashLoopBackOff"
# The cluster takes a pod away for reasons of its own: a drained node, a pod that is more important, memory of the node.
_DISRUPTED = "DisruptionTarget"
# A ReplicaSet replaces a lost pod within so many seconds; a pod that comes later is one more that is wanted.
_REPLACED = 5.0


@dataclass
class PodHistory:
    """The restarts of a canary's pods since ``began``.

    ``now`` gives seconds.  ``watched`` is the deployment whose pods count; what came before the first look does not.
    """

    crash_loop: CrashLoop
    now: Callable[[], float]
    times: list[float] = field(default_factory=list)
    out_of_memory: int = 0
    _restarts: dict[tuple[str, str], int] = field(default_factory=dict)
    _living: dict[str, Object] = field(default_factory=dict)
    _lost: list[float] = field(default_factory=list)

    def begin(self, pods: list[Object]) -> None:
        """Take these pods as the beginning: restarts before now are not the rollout's."""
        self.times, self.out_of_memory, self._lost = [], 0, []
        self._living = {_uid(pod): pod for pod in pods}
        self._restarts = {(_uid(pod), name): count for pod in pods for name, count, _ in containers_of(pod)}

    def observe(self, event: str, pod: Object) -> None:
        """Take over one change of a pod, as a watch tells it."""
        before = self._living.get(_uid(pod))
        if before is not None and self._is_lost(event, before, pod):
            self._lost.append(self.now())
        if event == "DELETED":
            self._living.pop(_uid(pod), None)
            return
        self._living[_uid(pod)] = pod
        self._lost = [at for at in self._lost if self.now() - at <= _REPLACED]
        if before is None and self._lost:
            # Somebody or something killed a pod, and this one takes its place.  Fewer wanted replicas bring no new pod.
            self._lost.pop()
            self.times.append(self.now())
        if _has_failed(pod) and not (before and _has_failed(before)) and not is_disrupted(pod):
            self.times.append(self.now())
        for name, count, killed in containers_of(pod):
            earlier = self._restarts.get((_uid(pod), name), 0)
            if count > earlier:
                self._restarts[_uid(pod), name] = count
                self.times += [self.now()] * (count - earlier)
                self.out_of_memory += killed

    def _is_lost(self, event: str, before: Object, pod: Object) -> bool:
        """Return whether a pod begins to leave that nothing of the cluster's own takes away, and that had not failed."""
        leaves = event == "DELETED" or _is_leaving(pod)
        return leaves and not (_is_leaving(before) or _has_failed(before) or is_disrupted(pod))

    @property
    def restarts(self) -> int:
        """The restarts within the window of the crash loop."""
        return sum(self.now() - at < self.crash_loop.window for at in self.times)

    @property
    def crash_looping(self) -> bool:
        """Whether there were too many restarts within the window, or the kubelet waits with the next one."""
        return self.restarts >= self.crash_loop.restarts or any(
            in_back_off(pod) and self._restarted(pod) for pod in self._living.values()
        )

    def _restarted(self, pod: Object) -> bool:
        """Return whether a pod was restarted in this rollout at all."""
        return bool(self.times) and "deletionTimestamp" not in pod["metadata"]


def containers_of(pod: Object) -> Iterator[tuple[str, int, bool]]:
    """Yield the name of each container, how often it was started again, and whether its last end was a lack of memory."""
    for each in pod.get("status", {}).get("containerStatuses") or []:
        last = (each.get("lastState") or {}).get("terminated") or {}
        yield str(each.get("name", "")), int(each.get("restartCount", 0)), last.get("reason") == "OOMKilled"


def in_back_off(pod: Object) -> bool:
    """Return whether the kubelet waits before it starts a process of the pod again."""
    states = (each.get("state") or {} for each in pod.get("status", {}).get("containerStatuses") or [])
    return any((state.get("waiting") or {}).get("reason") == _BACK_OFF for state in states)


def is_disrupted(pod: Object) -> bool:
    """Return whether the cluster took the pod away for a reason that is not the pod's: eviction, preemption, a lost node."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each.get("type") == _DISRUPTED and each.get("status") == "True" for each in conditions)


def _is_leaving(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _has_failed(pod: Object) -> bool:
    return str(pod.get("status", {}).get("phase")) == "Failed"


def _uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])
