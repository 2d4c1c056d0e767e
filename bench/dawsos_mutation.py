"""Mutation check of the rules that money rests on: how many changed programs do the unit tests notice?

    pip install --require-hashes -r bench/requirements.txt     # beside backend/requirements-dev.txt
    python bench/dawsos_mutation.py

Copies the service into a temporary folder, lets mutmut change one operator, constant or argument at a time, and prints what
survived. A thousand mutants take some five minutes on two free cores.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MUTATED = ("money", "fx", "pack", "lots", "bookings", "valuation", "inventory", "reconcile", "journal", "market")
TESTS = ("money_fx", "market_pack", "lots_valuation", "ledger", "core_edges", "bookings")
CONFIG = """
[tool.mutmut]
paths_to_mutate = [{mutated}]
tests_dir = [{tests}]
also_copy = ["app", "tests", "migrations", "jobs"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-x", "-q"]
"""


def listed(names: list[str]) -> str:
    """The inside of a TOML array."""
    return ", ".join(f'"{name}"' for name in names)


def main() -> int:
    """Run, then show the survivors; mutmut's own exit code."""
    with tempfile.TemporaryDirectory(prefix="dawsos-mutation-") as folder:
        copy = Path(folder) / "backend"
        shutil.copytree(ROOT / "backend", copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        mutated = listed([f"app/core/{name}.py" for name in MUTATED])
        tests = listed([f"tests/unit/test_{name}.py" for name in TESTS])
        with (copy / "pyproject.toml").open("a") as project:
            project.write(CONFIG.format(mutated=mutated, tests=tests))
        done = subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", "2"], cwd=copy, check=False)
        subprocess.run([sys.executable, "-m", "mutmut", "results"], cwd=copy, check=False)
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
