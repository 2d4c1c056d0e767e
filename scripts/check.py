"""Everything CI must hold, as one command: ``./dawsos test [NAME ...]``.

Checks run one after the other with the tool's development environment; all run even if one is red, and the last lines say which.
Each runs under the tool's own reaper: whether it ends by itself, runs out of time, or this script is stopped or killed, no
process of it is left, not even a daemon that an end-to-end test had started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: dict[str, tuple[str, ...]] = {
    "lint": ("ruff", "check", "src", "tests", "scripts", "bench", "dawsos"),
    "format": ("ruff", "format", "--check", "src", "tests", "scripts", "bench", "dawsos"),
    "types": ("mypy",),
    "imports": ("lint-imports",),
    "backend-imports": (
        "env",
        "PYTHONPATH=backend:backend/standins",
        "lint-imports",
        "--config",
        "backend/.importlinter",
    ),
    "dependencies": ("deptry", "src"),
    "exported": ("python", "-m", "dawsos.cli", "export", "--check"),
    # Two at a time: most of a test's time it waits for git, a disk or a process of its own.
    "unit": (
        "python",
        "-m",
        "pytest",
        "-q",
        "-m",
        "not e2e and not slow and not kubernetes",
        "--timeout=60",
        "--numprocesses=2",
        "--dist=loadfile",
    ),
    "e2e": (
        "python",
        "-m",
        "pytest",
        "-q",
        "-m",
        "e2e and not slow and not kubernetes",
        "--timeout=900",
        "--durations=25",
    ),
}
# Kept out of CI by their time; docs/testing.md says what they show.
SLOW: dict[str, tuple[str, ...]] = {
    "slow": (
        "python",
        "-m",
        "pytest",
        "-q",
        "-m",
        "slow",
        "tests/e2e/test_drill.py",
        "tests/e2e/test_red_stages.py",
        "--timeout=1800",
    ),
    "kubernetes": ("python", "scripts/cluster_tests.py"),
    "keyless": ("python", "-m", "pytest", "-q", "-m", "slow", "tests/e2e/test_keyless.py", "--timeout=900"),
    "exports": ("python", "-m", "pytest", "-q", "-m", "slow", "tests/exports", "--timeout=1800", "--durations=25"),
    "sensor": ("python", "-m", "pytest", "-q", "-m", "slow", "tests/e2e/test_sensor.py", "--durations=25"),
    "kills": ("python", "-m", "pytest", "-q", "-s", "tests/e2e/test_kill.py"),
}
# Left out of the default where there is no cluster to be had.
CLUSTER: dict[str, tuple[str, ...]] = {
    "cluster": (
        "python",
        "-m",
        "pytest",
        "-q",
        "-m",
        "kubernetes and short",
        "tests/kubernetes",
        "--timeout=240",
        "--durations=10",
    ),
}
# Names the folder with the programs of a cluster; tests/support/own_cluster.py.
PROGRAMS = "DAWSOS_KUBERNETES"
BUDGETS = {
    "unit": 900.0,
    "cluster": 360.0,
    "kubernetes": 1500.0,
    "e2e": 2400.0,
    "slow": 7200.0,
    "exports": 7200.0,
    "kills": 7200.0,
}
_BUDGET = 600.0
# How long the tests have to stop their servers in order before the reaper ends them.
_GRACE = 30.0
_OUT_OF_TIME = 124


def main(wanted: list[str]) -> int:
    """Run the checks named in ``wanted`` (all when empty); return 0 when all are green, 2 for an unknown name."""
    known = CHECKS | CLUSTER | SLOW
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"unknown check {unknown[0]!r}; there are: {', '.join(known)}")
        return 2
    signal.signal(signal.SIGTERM, _stop)
    results: dict[str, tuple[int, float]] = {}
    for name in wanted or _default():
        print(f"== {name}: {' '.join(known[name])}", flush=True)
        started = time.monotonic()
        results[name] = (_run(name), time.monotonic() - started)
    print()
    for name, (code, seconds) in results.items():
        print(f"{'green' if code == 0 else 'RED':5}  {name:15} {seconds:6.1f} s")
    return 0 if all(code == 0 for code, _ in results.values()) else 1


def _default() -> list[str]:
    """Return the names of the checks that run when none is named; says so when the one with a cluster is left out."""
    programs = os.environ.get(PROGRAMS, "")
    if programs and (Path(programs) / "bin").is_dir():
        return [*CHECKS, *CLUSTER]
    why = f"{programs} has no folder bin" if programs else f"{PROGRAMS} names no folder with the programs of one"
    print(f"== cluster: left out, {why} (docs/testing.md)", flush=True)
    return [*CHECKS]


def _run(name: str) -> int:
    """Run one check to its end or its budget's and return its exit code."""
    reaper = (
        sys.executable,
        "-I",
        "-S",
        str(ROOT / "src" / "dawsos" / "adapters" / "reaper.py"),
        str(_GRACE),
        "-",
        "--",
    )
    process = subprocess.Popen(
        (*reaper, *(CHECKS | CLUSTER | SLOW)[name]),
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            # There, no cluster is a failure and no reason to skip.
            **({"DAWSOS_TEST_WANTS_CLUSTER": "1"} if name in ("cluster", "kubernetes") else {}),
        },
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        return process.wait(BUDGETS.get(name, _BUDGET))
    except subprocess.TimeoutExpired:
        print(f"{name} took longer than {BUDGETS.get(name, _BUDGET):g} s and was ended", flush=True)
        return _OUT_OF_TIME
    finally:
        # The reaper ends the whole tree when its standard input closes.
        if process.stdin is not None:
            process.stdin.close()
        process.wait()


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
