"""What the replicas of a deployment on this machine use, and which of them ended by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil

from dawsos.model.rollout import Resources
from dawsos.platforms.contract import ProcessStatus

_PROC = Path("/proc")


def used(processes: Iterable[ProcessStatus], deployment: str) -> Resources | None:
    """Return what the deployment's processes use together with their children; None when none of them could be read.

    Memory that several of them share counts for each of them.
    """
    memory = cpu = 0.0
    replicas = 0
    for each in processes:
        if each.group != deployment or not each.pid:
            continue
        found = [_of(pid) for pid in _tree(each.pid)]
        known = [one for one in found if one is not None]
        if known:
            replicas += _is_replica(each.name, deployment)
            memory += sum(one[0] for one in known)
            cpu += sum(one[1] for one in known)
    return Resources(replicas, memory, cpu) if memory else None


def _is_replica(name: str, deployment: str) -> bool:
    """Return whether a process serves requests: the deployment's workers have names, its replicas numbers."""
    return name.removeprefix(f"{deployment}.").isdigit()


def _of(pid: int) -> tuple[float, float] | None:
    """Return the bytes in memory of one process, and its processor seconds with those of its children that ended."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return float(process.memory_info().rss), sum(times[:4])
    except psutil.Error:
        return None


def _tree(pid: int) -> list[int]:
    """Return a process and its descendants.  Asked of the process itself: a look at all processes costs more than a sample may."""
    found = [pid]
    for each in found:
        try:
            for task in (_PROC / str(each) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except FileNotFoundError:
            # It ended, or the kernel does not tell (CONFIG_PROC_CHILDREN).
            found += [child for child in _children(each) if child not in found]
        except OSError:
            continue
    return found


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []


class Deaths:
    """Counts the processes of a deployment that ended by themselves since the last count."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def count(self, processes: Iterable[ProcessStatus], deployment: str) -> int | None:
        """Return how many died since the last call; None at the first look at this deployment."""
        died = [at for each in processes if each.group == deployment for at in each.restarts]
        last = self._known.get(deployment)
        self._known[deployment] = max([last or 0.0, *died])
        return None if last is None else sum(at > last for at in died)
