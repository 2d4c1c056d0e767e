"""Counts the processes of a deployment's pods that ended by themselves, as a watch of the pods tells it: each end once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dawsos.adapters.kubernetes import Object
from dawsos.platforms.kubernetes.pods import is_disrupted


class Ends:
    """The ends of one deployment's processes since ``begin``.

    A process whose pod leaves does not end by itself, nor does one that the cluster takes away.  One that its liveness probe failed
    does: the kubelet kills it for what it did not answer.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}
        self._new = 0

    def begin(self, pods: Iterable[Object]) -> None:
        """Take these pods as the beginning: what ended before now does not count."""
        self._known, self._new = {key: ends for pod in pods for key, ends in _ends_of(pod)}, 0

    def observe(self, event: str, pod: Object) -> None:
        """Take over one change of a pod."""
        spared = event == "DELETED" or "deletionTimestamp" in pod["metadata"] or is_disrupted(pod)
        for key, ends in _ends_of(pod):
            more = max(0, ends - self._known.get(key, 0))
            self._known[key] = self._known.get(key, 0) + more
            self._new += 0 if spared else more

    def take(self) -> int:
        """Return how many ended since the last call."""
        new, self._new = self._new, 0
        return new


def _ends_of(pod: Object) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield of each container how many of its processes have ended: the one that runs has as many before it as it was restarted.

    The kubelet counts a restart only when it begins, which in a crash loop is long after the end.
    """
    for each in pod.get("status", {}).get("containerStatuses") or []:
        state, last = each.get("state") or {}, each.get("lastState") or {}
        over = "terminated" in state or ("waiting" in state and "terminated" in last)
        yield (str(pod["metadata"]["uid"]), str(each.get("name", ""))), int(each.get("restartCount", 0)) + over
