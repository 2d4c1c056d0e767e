"""Runs every test that needs a cluster, on one: ``./dawsos test kubernetes``.

The cluster comes up once.  What only uses it runs in groups side by side, because its tests wait more than they compute; what stops
parts of the cluster runs alone, after them.  Each group's output is printed when it has ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
KUBERNETES = ROOT / "tests" / "kubernetes"
CONFORMANCE = ROOT / "tests" / "contracts" / "platform"
# Tests that stop parts of the cluster, and those that add to it or stand at the address of staging.
ALONE = ("test_kills.py",)
GROUPS: tuple[tuple[str, ...], ...] = (
    ("test_ship.py", "test_in_cluster.py", "test_guardian.py", "test_images.py"),
    ("test_chart.py", "test_harness.py", "test_flagger_driver.py", "test_rollout.py", "test_keeper.py"),
)
_PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "-q",
    "-s",
    "-m",
    "kubernetes",
    "--timeout=900",
    "--durations=12",
    "-p",
    "no:cacheprovider",
)


@dataclass(frozen=True)
class Group:
    """Tests that run one after the other, in one process."""

    paths: tuple[Path, ...]

    @property
    def name(self) -> str:
        return ", ".join(path.stem.removeprefix("test_") for path in self.paths)


def side_by_side() -> list[Group]:
    """Return the groups; a file that nobody put into one is in the last."""
    listed = [Group(tuple(KUBERNETES / name for name in group)) for group in GROUPS]
    known = {path for group in listed for path in group.paths} | {KUBERNETES / name for name in ALONE}
    others = [path for path in sorted(KUBERNETES.glob("test_*.py")) if path not in known]
    return [Group((CONFORMANCE,)), *listed, Group(tuple(others))]


def run(groups: Sequence[Group]) -> bool:
    """Run the groups side by side, print what they say, and return whether all are green."""
    started = time.monotonic()
    running: list[tuple[Group, subprocess.Popen[bytes], IO[bytes]]] = []
    green = True
    try:
        for group in groups:
            said = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed below, when it was printed
            argv = [*_PYTEST, *map(str, group.paths)]
            running.append((group, subprocess.Popen(argv, cwd=ROOT, stdout=said, stderr=said), said))
        for group, process, said in running:
            code = process.wait()
            green = green and code == 0
            said.seek(0)
            print(
                f"-- {group.name}: {'green' if code == 0 else 'RED'}, {time.monotonic() - started:.0f} s after the beginning"
            )
            print(said.read().decode(errors="replace"), flush=True)
    finally:
        for _, process, said in running:
            if process.poll() is None:
                process.terminate()
                process.wait()
            said.close()
    return green


def main() -> int:
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]
    from support import cluster as existing
    from support.own_cluster import own_cluster, reason_against

    signal.signal(signal.SIGTERM, _stop)
    alone = [Group(tuple(KUBERNETES / name for name in ALONE))]
    if os.environ.get(existing.VARIABLE):
        return 0 if run(side_by_side()) & run(alone) else 1
    against = reason_against()
    if against:
        print(f"no cluster: {against}")
        return 1
    started = time.monotonic()
    with own_cluster():
        print(f"-- the cluster is up after {time.monotonic() - started:.0f} s", flush=True)
        return 0 if run(side_by_side()) & run(alone) else 1


def _stop(_number: int, _frame: object) -> None:
    # Everything on the way out is closed: the tests, then the cluster.
    sys.exit(130)


if __name__ == "__main__":
    sys.exit(main())
