"""Everything CI must hold, as one command: ``./dawsos test [NAME ...]``.

Checks run one after the other with the tool's development environment; all run even if one is red, and the last lines say which.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: dict[str, tuple[str, ...]] = {
    "lint": ("ruff", "check", "src", "tests", "scripts", "dawsos"),
    "format": ("ruff", "format", "--check", "src", "tests", "scripts", "dawsos"),
    "types": ("mypy",),
    "imports": ("lint-imports",),
    "unit": ("python", "-m", "pytest", "-q", "-m", "not e2e and not slow", "--timeout=60"),
    "e2e": ("python", "-m", "pytest", "-q", "-m", "e2e and not slow", "--timeout=900", "--durations=10"),
}
BUDGETS = {"e2e": 1800.0}


def main(wanted: list[str]) -> int:
    """Run the checks named in ``wanted`` (all when empty); return 0 when all are green, 2 for an unknown name."""
    unknown = [name for name in wanted if name not in CHECKS]
    if unknown:
        print(f"unknown check {unknown[0]!r}; there are: {', '.join(CHECKS)}")
        return 2
    results: dict[str, tuple[int, float]] = {}
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    for name in wanted or CHECKS:
        print(f"== {name}: {' '.join(CHECKS[name])}", flush=True)
        started = time.monotonic()
        try:
            code = subprocess.run(
                CHECKS[name],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                timeout=BUDGETS.get(name, 600.0),
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = 124
        results[name] = (code, time.monotonic() - started)
    print()
    for name, (code, seconds) in results.items():
        print(f"{'green' if code == 0 else 'RED':5}  {name:8} {seconds:6.1f} s")
    return 0 if all(code == 0 for code, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
