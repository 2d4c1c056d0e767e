"""What a first pipeline would run is tried with real processes: tests that can be collected, a service that answers."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from dawsos.adoption.trial import Bench, Page, collected
from dawsos.errors import BadInput

# pytest of the environment that runs these tests, without its settings.
COLLECT = f"{sys.executable} -m pytest -c /dev/null --rootdir=. -p no:cacheprovider --collect-only -q tests"
SERVER = """\
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path in ("/health", "/")
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json" if self.path == "/health" else "text/plain")
        self.end_headers()
        self.wfile.write(json.dumps({"status": "ok", "version": 7}).encode())
HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "tests").mkdir()
    return Bench(tmp_path, tmp_path / "environment")


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("tests/t.py::a\n\n1 test collected in 0.01s", 1), ("120/130 tests collected (10 deselected) in 1s", 120),
        ("tests/a.py: 3\ntests/b.py: 4\n", 7), ("===== 2 tests collected in 0.1s =====", 2), ("no tests collected in 0.01s", 0),
    ],
)  # fmt: skip
def test_the_count_is_read_at_any_verbosity(said: str, count: int) -> None:
    assert collected(said) == count


def test_tests_that_can_be_collected_are_counted(bench: Bench) -> None:
    (bench.root / "tests" / "test_it.py").write_text("def test_a(): ...\ndef test_b(): ...\n")
    assert asyncio.run(bench.collect(COLLECT)) == 2


@pytest.mark.parametrize(
    ("text", "options", "message", "fix"),
    [
        ("import nowhere\n", "", r"in tests/test_it\.py: no module named nowhere", "--with nowhere"),
        ("def broken(:\n", "", r"cannot be collected in tests/test_it\.py", "--tests none"),
        ("", "", "finds no tests", "--tests none"),
        ("def test_a(): ...\n", " --nproc=4", "options that it does not know: --nproc=4", "--with pytest-xdist"),
    ],
)  # fmt: skip
def test_what_cannot_be_collected_is_said_with_the_way_out(
    text: str, options: str, message: str, fix: str, bench: Bench
) -> None:
    (bench.root / "tests" / "test_it.py").write_text(text)
    with pytest.raises(BadInput, match=message) as refused:
        asyncio.run(bench.collect(COLLECT + options))
    assert fix in (refused.value.fix or "")


@pytest.mark.e2e
def test_a_service_is_started_asked_and_stopped(bench: Bench) -> None:
    (bench.root / "server.py").write_text(SERVER)
    asked = bench.ask(f"{sys.executable} server.py", ("/healthz", "/health", "/"), (str(bench.root),))
    answered = asyncio.run(asked)
    assert answered.pages == (Page("/health", "ok"), Page("/"))
    assert answered.said == ""


@pytest.mark.e2e
def test_a_service_that_ends_is_told_with_its_last_words(bench: Bench) -> None:
    answered = asyncio.run(bench.ask("echo no DATABASE_URL; exit 3", ("/",), ()))
    assert (answered.pages, answered.said) == ((), "no DATABASE_URL")
