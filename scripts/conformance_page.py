#!/usr/bin/env python3
"""Runs the conformance suite of platforms and writes its report, all platforms side by side, into docs/conformance.md.

Needs a cluster (DAWSOS_KUBERNETES or DAWSOS_TEST_CLUSTER, see docs/testing.md) and ten minutes.  Exits with 1 when a test is red: the
page shows that, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.md"
BEGIN, END = "<!-- scripts/conformance_page.py writes from here -->\n", "<!-- to here -->\n"


def main(words: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.md"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "DAWSOS_CONFORMANCE": str(table),
            "DAWSOS_TEST_WANTS_CLUSTER": "1",
        }
        suite = ["tests/contracts/platform", "-q", "--timeout=300", *words]
        done = subprocess.run([sys.executable, "-m", "pytest", *suite], cwd=ROOT, env=environment, check=False)
        if not table.exists():
            return done.returncode or 1
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        text = f"Commit {commit}, Python {sys.version.split()[0]}:\n\n{table.read_text()}"
    page = PAGE.read_text()
    PAGE.write_text(re.sub(f"(?s){BEGIN}.*{END}", lambda _: BEGIN + text + END, page))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
