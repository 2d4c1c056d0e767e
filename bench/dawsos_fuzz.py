"""Schemathesis against the running service: no 500, and no answer that the API's description does not name.

503 is an answer with a meaning here (a data provider's limit is used up, the database is away), and documented where it may come;
every other status from 500 on is a failure, by the service's own count.

    python -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install --require-hashes -r bench/requirements.txt
    scripts/with-services python bench/dawsos_fuzz.py --schemathesis /tmp/fuzz/bin/schemathesis

Prints the number of cases and of failures; exit code 0 only with at least 2,000 cases and no failure. `--seed` repeats a run.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
from dawsos_service import service

CHECKS = (
    "status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,ignored_auth,unsupported_method,missing_required_header"
)
LEAST = 2000


def statuses(url: str) -> dict[str, int]:
    """How often the service answered with which status, by its own count: 404 and 422 alone would have tested little."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    found: dict[str, int] = {}
    for status, number in re.findall(r'^http_requests_total\{.*status="(\d+)"\} ([\d.e+]+)$', text, re.M):
        found[status] = found.get(status, 0) + int(float(number))
    return dict(sorted(found.items()))


def main() -> int:
    """Run, show what Schemathesis says, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schemathesis", default="schemathesis")
    parser.add_argument("--examples", default="120", help="per operation and phase")
    parser.add_argument("--seed", default="20261125")
    options = parser.parse_args()
    with service() as (running, *_):
        command = [options.schemathesis, "run", f"{running.url}/openapi.json"]
        command += ["--header", f"Authorization: Bearer {running.token}", "--checks", CHECKS, "--no-color"]
        command += ["--max-examples", options.examples, "--seed", options.seed, "--continue-on-failure"]
        # Examples in the description, the edges of every field, and random requests; stateful sequences need links.
        command += ["--phases", "examples,coverage,fuzzing", "--mode", "all", "--suppress-health-check", "all"]
        hooks = {"SCHEMATHESIS_HOOKS": "dawsos_fuzz_hooks", "FUZZ_PORTFOLIO": running.portfolio_id}
        env = {**os.environ, **hooks, "PYTHONPATH": str(Path(__file__).parent)}
        # Schemathesis keeps a database of examples where it runs.
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
        answers = statuses(running.url)
    print(done.stdout)
    counted = [int(number) for number in re.findall(r"(\d+) generated", done.stdout)]
    cases = sum(counted)
    print(f"answers by status: {answers}")
    broken = sum(number for status, number in answers.items() if status.startswith("5") and status != "503")
    print(f"cases: {cases}, schemathesis exit code: {done.returncode}, server errors: {broken}")
    return 0 if done.returncode == 0 and cases >= LEAST and not broken else 1


if __name__ == "__main__":
    sys.exit(main())
