"""A small project for each defect, run by the real command line with the real tools: the right gate stops it, and no other.

``tests/pipelines/defects/base`` is a project in which every gate passes; a folder beside it holds the files that make it bad.
All share the toolchain of the service, and two run at a time.  Images are not built: the gate's own input, as a builder leaves
it, is what is broken there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from e2e.clone import ROOT, git
from scans.seeded import SEEDED

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DEFECTS = ROOT / "tests" / "pipelines" / "defects"
_IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")


@dataclass(frozen=True)
class Stop:
    """What stops a defect: the red ``gate`` of ``stage`` with its result; ``measured`` and ``words`` are regular expressions.

    ``limit`` is found as it stands.  ``also`` are gates that must be red with it, because they read the same broken list.
    """

    stage: str
    gate: str
    measured: str
    limit: str
    words: str
    result: str = "fail"
    also: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    removed: tuple[str, ...] = field(default=())


_NO_FINDING, _ZERO = "at most 0", "0 secrets"
_IMAGE = "< 500MB, not root, no shell, 2 labels, a health check, reproducible"
_AUDITED = "0 vulnerable, 2 of 2 audited"

TABLE = {
    "unused-import": Stop("lint", "findings", "1 findings in 1 files", _NO_FINDING, r"^app/core/fx\.py:3:8: F401 .*os"),
    "wrong-type": Stop("lint", "findings", "1 findings in 1 files", _NO_FINDING, r"^app/core/fx\.py:11:12: return-value "),
    "unformatted": Stop("lint", "findings", "1 findings in 1 files", _NO_FINDING, r"^app/core/fx\.py:6:\d+: unformatted "),
    "untidy-sql": Stop("lint", "findings", "1 findings in 1 files", _NO_FINDING, r"^migrations/001\.sql:2:\d+: CP01 "),
    "linter-not-installed": Stop("lint", "findings", "nothing", "mypy.json", "mypy did not run", "no_data"),
    "linter-crashes": Stop(
        "lint", "findings", "unreadable", "mypy.json", "INTERNAL ERROR", "error", ("exit_status",)
    ),
    "failing-test": Stop("unit", "junit", "6 tests, 2 failed", "0 failed, at least 1 run", "test_cross: assert"),
    "low-core": Stop(
        "unit", "coverage", r"96\.\d\d % total; app/core 80\.00 %", "90 % total; app/core 95 %", r"app/core/fx\.py.*not covered"
    ),
    "low-total": Stop("unit", "coverage", r"50\.00 % total; app/core 100", "90 % total", r"app/api/unused\.py"),
    "flaky-test": Stop("unit", "flaky", "1 of 4 tests flaky over 2 runs", "0 flaky", "test_sometimes: passed, skipped"),
    "expired-quarantine": Stop("unit", "flaky", "1 of 4 tests flaky", "0 flaky", "quarantine by Ada expired on 2024-12-31"),
    "quarantine-without-owner": Stop(
        "unit", "junit", "unreadable", "a readable", "entry 1 has no owner", "error", ("flaky",)
    ),
    "too-few-examples": Stop("property", "examples", "at least 100 examples, seed \\d+", "at least 200 each", "100 examples"),
    "broken-property": Stop("property", "junit", "1 tests, 1 failed", "0 failed", "there_and_back", also=("examples",)),
    "golden-differs": Stop("golden", "golden", "0 of 1 byte for byte", "all byte for byte", r"EURUSD: 1\.0619 became 1\.062"),
    "golden-unused": Stop("golden", "golden", "1 of 2 byte for byte", "all byte for byte", "forgotten: no test compares it"),
    "leaked-key": Stop("security", "secrets", "1 secrets in 1 commits", _ZERO, r"^app/core/keys\.py:3: AWS Access Key 20 char"),
    "leaked-in-history": Stop(
        "security", "secrets", "1 secrets in 2 commits", _ZERO, r"GitHub Token 40 characters.*in commit [0-9a-f]{12}",
        removed=("app/core/keys.py",),
    ),
    "leaked-private-key": Stop("security", "secrets", "1 secrets", _ZERO, r"^deploy/id_rsa:1: Private Key"),
    "shell-injection": Stop("security", "scan", "1 findings in", "0 of HIGH, MEDIUM", r"app/core/run\.py:8: HIGH .*B602"),
    "vulnerable-pin": Stop("security", "vulnerabilities", "2 vulnerable, 2 of 2 audited", _AUDITED, "PYSEC-2019-217; fixed in 2.10.1"),
    "expired-waiver": Stop("security", "vulnerabilities", "2 vulnerable", _AUDITED, "waiver by Ada expired on 2024-12-31"),
    "waiver-without-reason": Stop(
        "security", "vulnerabilities", "unreadable", "a readable", "entry 1 has no why", "error", ("secrets",)
    ),
    "audited-nothing": Stop(
        "security", "vulnerabilities", "0 vulnerable, 0 of 1 audited", "1 of 1 audited", "not be audited|empty report", "no_data"
    ),
    "audit-cut-off": Stop(
        "security", "vulnerabilities", "0 vulnerable, 0 of 2 audited", _AUDITED, "NOT AUDITED click: pip-audit: .*empty report",
        "no_data",
    ),
    "stale-advisories": Stop(
        "security", "vulnerabilities", "0 of 2 audited", _AUDITED, r"osv: data of 20\d\d-\d\d-\d\d is \d+ days old", "no_data"
    ),
    "warning-in-production": Stop(
        "security", "vulnerabilities", "0 of 2 audited", _AUDITED, "NOT AUDITED", "no_data", options=("--profile", "production")
    ),
    "empty-sbom": Stop("sbom", "sbom", "0 packages", "at least 2, every locked package", "did not see the dependencies"),
    "sbom-lacks-a-dependency": Stop("sbom", "sbom", "2 packages.*1 missing", "every locked package", "lark 1.3.1 is locked"),
    "gpl-dependency": Stop("licences", "licences", "1 of 3 packages not allowed", "0 not allowed", r"^copyleft 1\.0: .*GPLv3"),
    "agpl-and-mit": Stop("licences", "licences", "1 of 3 packages", "0 not allowed", r"both 1\.0: .*AGPL"),
    "unknown-licence": Stop("licences", "licences", "1 of 3 packages", "0 not allowed", r"see the contract \(unknown\)"),
    "bundled-program": Stop("licences", "licences", "1 of 3 packages", "0 not allowed", "ships a program .*wrapper/bin/program"),
    "oversized-image": Stop("image", "image", "612.0 MB, 1 problems", _IMAGE, r"layer 559\.0 MB: RUN pip install everything"),
    "root-image": Stop("image", "image", "1 problems", _IMAGE, "runs as root"),
    "image-with-a-shell": Stop("image", "image", "1 problems", _IMAGE, "has a shell: /bin/sh"),
    "image-without-health-check": Stop("image", "image", "1 problems", _IMAGE, "has no HEALTHCHECK"),
    "image-without-labels": Stop("image", "image", "2 problems", _IMAGE, "has no label org.opencontainers.image.created"),
    "image-built-otherwise-twice": Stop("image", "image", "1 problems", _IMAGE, "not reproducible: sha256:"),
    "too-slow": Stop("slo", "cold p95", "2.31 s", "<= 2 s", "cold_p95_seconds is 2.31 s"),
    "release-too-large": Stop("slo", "size", "612.0 MB", "< 500MB", "too large"),
    "p0-fails": Stop("slo", "pass_rate", r"95\.2% \(20 of 21\), 0 of 1 required", "at least 95%", "test_p0_login: no token"),
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """How the command line ended, what it said, the run as ``dawsos show`` tells it, and where everything lies."""

    code: int
    said: str
    run: dict[str, Any]
    folder: Path


def make(name: str, folder: Path) -> Path:
    """Lay the project ``name`` out in ``folder`` as a repository with one commit, or two when something is taken back."""
    shutil.copytree(DEFECTS / "base", folder)
    for file, target in (("conftest.py", "tests"), ("golden/conftest.py", "tests/golden")):
        shutil.copy(ROOT / "backend" / "tests" / file, folder / target / "conftest.py")
    shutil.copy(ROOT / "backend" / "requirements-dev.txt", folder / "tools.txt")
    if name != "base":
        shutil.copytree(DEFECTS / name, folder, dirs_exist_ok=True)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        text = path.read_bytes()
        for kind, (secret, _) in SEEDED.items():
            text = text.replace(f"@{kind}@".encode(), secret.encode())
        path.write_bytes(text)
    if name != "stale-advisories":
        # The real records are of 2024; an empty one of today stands for a database that was fetched today.
        with (folder / "advisories.jsonl").open("a") as export:
            export.write(
                json.dumps({"id": "FIXTURE", "modified": datetime.now(UTC).isoformat(), "affected": []}) + "\n"
            )
    git(folder, "init", "--quiet", "--initial-branch=main")
    removed = TABLE[name].removed if name in TABLE else ()
    for message in ("first", "it is gone") if removed else ("first",):
        if message != "first":
            for gone in removed:
                (folder / gone).unlink()
        git(folder, "add", "--all")
        git(folder, *_IDENTITY, "commit", "--quiet", "-m", message)
    shared = ROOT / ".dawsos" / "toolchains"
    shared.mkdir(parents=True, exist_ok=True)
    (folder / ".dawsos").mkdir()
    (folder / ".dawsos" / "toolchains").symlink_to(shared)
    return folder


def dawsos(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "CI": "true"}
    environment.pop("DAWSOS_HOME", None)
    command = [sys.executable, "-m", "dawsos.cli", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def ran(name: str, folder: Path, *arguments: str) -> Ran:
    done = dawsos(make(name, folder), "run", *arguments)
    shown = dawsos(folder, "show", "--json")
    return Ran(done.returncode, done.stdout + done.stderr, json.loads(shown.stdout or "{}"), folder)


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Ran]]]:
    """Every chosen row of the table, two at a time: most of a run is waiting for a tool to start."""
    chosen = [
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "name" in getattr(item, "callspec", _NONE).params
    ]
    with ThreadPoolExecutor(2) as pool:
        yield {
            name: pool.submit(
                ran, name, tmp_path_factory.mktemp(name) / "project", TABLE[name].stage, *TABLE[name].options
            )
            for name in dict.fromkeys(chosen)
            if name in TABLE
        }


class _NONE:
    params: dict[str, str] = {}  # noqa: RUF012 - a stand-in for a test without parameters


def test_the_good_project_passes_every_gate(tmp_path: Path) -> None:
    good = ran("base", tmp_path / "project")
    assert good.code == 0, good.said
    gates = [gate for stage in good.run["stages"].values() for gate in stage["gates"]]
    assert len(gates) >= 20
    assert all(gate["result"] == "pass" for gate in gates), good.said


def test_the_table_has_a_row_for_each_project() -> None:
    assert set(TABLE) == {path.name for path in DEFECTS.iterdir()} - {"base"}
    assert len(TABLE) >= 25


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_right_gate_stops_it_and_no_other(name: str, outcomes: dict[str, Future[Ran]]) -> None:
    wanted, got = TABLE[name], outcomes[name].result()
    assert got.code == 1, got.said
    stage = got.run["stages"][wanted.stage]
    assert stage["state"] == "failed", got.said
    red = {gate["gate"]: gate for gate in stage["gates"] if gate["result"] != "pass"}
    assert set(red) == {wanted.gate, *wanted.also}, got.said
    gate = red[wanted.gate]
    assert gate["result"] == wanted.result, gate
    assert re.search(wanted.measured, gate["measured"]), gate
    assert wanted.limit in gate["limit"], gate
    assert any(re.search(wanted.words, line) for line in (gate["message"], *gate["findings"])), gate
    # The terminal says it, too, with value and limit.
    assert any(gate["measured"] in line and gate["limit"] in line for line in got.said.splitlines()), got.said


@pytest.mark.parametrize("name", ["leaked-in-history", "leaked-key", "leaked-private-key"])
def test_a_secret_that_was_found_is_nowhere_whole(name: str, outcomes: dict[str, Future[Ran]]) -> None:
    """Not on the terminal, in no log, evidence, journal or report: only in the file, and in git."""
    got = outcomes[name].result()
    kinds = {"leaked-in-history": "GitHub Token", "leaked-key": "AWS Access Key", "leaked-private-key": "Private Key"}
    secret = SEEDED[kinds[name]][0]
    assert secret not in got.said
    kept = [path for path in (got.folder / ".dawsos").rglob("*") if path.is_file() and "toolchains" not in path.parts]
    assert any(path.name == "report.html" for path in kept)
    assert [path for path in kept if secret.encode() in path.read_bytes()] == []


def test_all_kinds_of_secrets_in_one_project_are_found_and_none_is_passed_on(tmp_path: Path) -> None:
    folder = make("base", tmp_path / "project")
    (folder / "settings.txt").write_text("\n".join(line for _, line in SEEDED.values()))
    done = dawsos(folder, "run", "security")
    assert done.returncode == 1
    shown = json.loads(dawsos(folder, "show", "--json").stdout)
    gate = next(gate for gate in shown["stages"]["security"]["gates"] if gate["gate"] == "secrets")
    assert len(gate["findings"]) >= len(SEEDED) >= 10
    kept = [path for path in (folder / ".dawsos").rglob("*") if path.is_file() and "toolchains" not in path.parts]
    everything = b"\0".join(path.read_bytes() for path in kept) + (done.stdout + done.stderr).encode()
    assert [kind for kind, (secret, _) in SEEDED.items() if secret.encode() in everything] == []


def test_running_again_until_it_is_green_shows_the_flaky_test(tmp_path: Path) -> None:
    """The first run fails; nothing is changed, the second would pass: the history of the same inputs says why it does not."""
    folder = make("base", tmp_path / "project")
    (folder / "tests" / "unit" / "test_luck.py").write_text(
        "from pathlib import Path\n\n\ndef test_luck():\n"
        f"    mark = Path({str(tmp_path / 'mark')!r})\n"
        "    runs = len(mark.read_text()) if mark.exists() else 0\n"
        "    mark.write_text('x' * (runs + 1))\n    assert runs >= 2\n"
    )
    first, second = dawsos(folder, "run", "unit"), dawsos(folder, "run", "unit")
    assert (first.returncode, second.returncode) == (1, 1)
    assert "gate junit: fail" in first.stdout
    assert "gate junit: pass" in second.stdout
    assert re.search(r"gate flaky: fail.*test_luck: passed, passed; earlier failed, failed", second.stdout), (
        second.stdout
    )


def test_a_seed_replays(tmp_path: Path) -> None:
    folder = make("base", tmp_path / "project")
    done = dawsos(folder, "run", "property", "--seed", "20261125")
    assert done.returncode == 0, done.stdout
    assert "seed 20261125" in done.stdout
    refused = dawsos(folder, "run", "licences", "--seed", "1")
    assert refused.returncode == 2
    assert "no chosen stage takes a seed" in refused.stderr


def test_findings_are_sarif_and_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    got = ran("unused-import", tmp_path / "project", "lint")
    assert any(
        line.startswith("::error file=app/core/fx.py,line=3,col=8,title=ruff F401::") for line in got.said.splitlines()
    )
    (report,) = got.folder.glob(".dawsos/runs/*/findings.sarif")
    log = json.loads(report.read_text())
    assert log["version"] == "2.1.0"
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("app/core/fx.py", 3)
