"""The tools that read and run CI workflows: actionlint, zizmor, GitLab's schema, and act, which runs a workflow without GitHub.

They are installed once into this checkout from the registries: a lock with hashes, and a Go module with its checksum.  act runs
the jobs as processes of this machine, with ``tests/exports/actions`` in the place of the actions, whose code is on GitHub.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dawsos.adapters.locks import FileLock
from dawsos.exporters.github_steps import PINS

ROOT = Path(__file__).resolve().parents[2]
_LOCK = ROOT / "requirements" / "workflows.txt"
_CACHE = ROOT / ".dawsos" / "tool"
_ACTIONS = ROOT / "tests" / "exports" / "actions"
_ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
_WITHIN = 900.0


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    text: str


@functools.cache
def tools() -> Path:
    """Return the folder of the programs; the test is skipped where the registries cannot be reached, and fails in CI."""
    digest = hashlib.sha256(_LOCK.read_bytes() + _ACTIONLINT.encode() + sys.version.encode()).hexdigest()[:12]
    folder = _CACHE / f"workflows-{digest}"
    with FileLock(_CACHE / "workflows.lock") as lock:
        assert lock.take(within=_WITHIN), f"process {lock.holder} installs"
        if (folder / "ready").exists():
            return folder / "bin"
        problem = _install(folder)
        if problem is None:
            (folder / "ready").touch()
            return folder / "bin"
    shutil.rmtree(folder, ignore_errors=True)
    if os.environ.get("CI"):
        pytest.fail(problem)
    pytest.skip(problem)


def _install(folder: Path) -> str | None:
    """Install everything into ``folder``; return what went wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    if shutil.which("go") is None:
        return "there is no go, which builds actionlint"
    base = getattr(sys, "_base_executable", sys.executable)
    python, variables = (
        str(folder / "bin" / "python"),
        {**os.environ, "GOBIN": str(folder / "bin"), "GOFLAGS": "-modcacherw"},
    )
    for argv in (
        [base, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--require-hashes", "-r", str(_LOCK)],
        ["go", "install", _ACTIONLINT],
    ):
        done = subprocess.run(
            argv, cwd="/", env=variables, capture_output=True, text=True, check=False, timeout=_WITHIN
        )
        if done.returncode:
            return f"{argv[0]} {argv[1]} ended {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}"
    return None


def run(program: str, *arguments: str, folder: Path, within: float = _WITHIN, **more: str) -> Ran:
    """Run one of the programs in ``folder``; the test fails, with what it said, when it has not ended ``within`` seconds."""
    # As on a machine of GitHub: what this test runs with is not known there.
    ours = ("PYTHON", "PYTEST", "VIRTUAL_ENV", "DAWSOS_", "GITHUB_", "GH_", "CI")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Not a pipe: what runs on after a job may hold it open.
    with tempfile.TemporaryFile("w+") as said:
        try:
            code: int | None = subprocess.run(
                [str(tools() / program), *arguments], cwd=folder, env={**variables, **more}, stdin=subprocess.DEVNULL,
                stdout=said, stderr=subprocess.STDOUT, check=False, timeout=within,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code = None
        said.seek(0)
        text = said.read()
    if code is None:
        pytest.fail(f"{program} took longer than {within:g} s:\n{text[-6000:]}")
    return Ran(code, text)


@dataclass(frozen=True)
class GitHub:
    """The repository ``project`` as GitHub runs its workflows: ``store`` has caches and artifacts, ``place`` the jobs.

    ``variables`` are those of the runner, ``repository`` those of the repository.  A run of a workflow takes ``within`` seconds at
    most.
    """

    project: Path
    place: Path
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    repository: Mapping[str, str]
    within: float = _WITHIN

    @property
    def store(self) -> Path:
        return self.place / "store"

    def act(self, event: str, workflow: str, reviews: Any = (), **inputs: str) -> Ran:
        """Run a workflow on ``event`` to its end.  ``reviews`` are what GitHub says of the reviews of the run."""
        with _api(reviews) as address:
            given = {
                "ACT_STORE": str(self.store), "ACT_PYTHON": getattr(sys, "_base_executable", sys.executable),
                "GITHUB_API_URL": address, **self.variables,
            }  # fmt: skip
            arguments = self._arguments(event, workflow, given, inputs)
            return run("act", *arguments, folder=self.project, within=self.within)

    def processes(self) -> list[psutil.Process]:
        """Return every live process of the jobs, and of the environments that they started below ``place``."""
        found = []
        for process in psutil.process_iter():
            try:
                if any(str(self.place) in word for word in (*process.cmdline(), process.cwd())):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _arguments(
        self, event: str, workflow: str, given: Mapping[str, str], inputs: Mapping[str, str]
    ) -> Iterator[str]:
        yield from (event, "--workflows", f".github/workflows/{workflow}.yml", "--no-cache-server")
        yield from ("--action-cache-path", str(self.place / "jobs"), "--concurrent-jobs", "1")
        for label in ("ubuntu-latest", "self-hosted", "production"):
            yield from ("--platform", f"{label}=-self-hosted")
        for action, (commit, _) in PINS.items():
            yield from ("--local-repository", f"{action}@{commit}={_ACTIONS / action.rpartition('/')[2]}")
        kinds = (("--env", given), ("--secret", self.secrets), ("--var", self.repository), ("--input", inputs))
        for flag, values in kinds:
            for name, value in values.items():
                yield from (flag, f"{name}={value}")


@contextmanager
def _api(reviews: Any) -> Iterator[str]:
    """Answer as GitHub's API does when it is asked who reviewed a run; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.endswith("/approvals")
            body = json.dumps(reviews if known else {}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def review(login: str, environment: str) -> dict[str, Any]:
    """Return a review as GitHub's API tells it."""
    return {"state": "approved", "comment": "", "environments": [{"name": environment}], "user": {"login": login}}


_ENDED = re.compile(r"^\[[^\]]*/(.+?) *\] +🏁 +Job (succeeded|failed)", re.MULTILINE)


def ended(said: Ran) -> dict[str, str]:
    """Return job -> how it ended, in the order in which the jobs ended."""
    return dict(_ENDED.findall(said.text))


def signing_key() -> tuple[str, str]:
    """Return a signing key as one line, and its public half as PEM."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(private).decode(), public.decode()
