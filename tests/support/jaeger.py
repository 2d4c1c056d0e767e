"""A real trace store on the loopback address: Jaeger, built once from its Go module, with its traces in memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from dawsos.adapters import reaper
from dawsos.adapters.locks import FileLock
from dawsos.adapters.loopback import free_ports
from support.monitoring import wait_for

ROOT = Path(__file__).resolve().parents[2]
# Apache-2.0.
_MODULE, _VERSION = "github.com/jaegertracing/jaeger", "v1.76.0"
_FOLDER = ROOT / ".dawsos" / "tool" / f"jaeger-{_VERSION}"
# Two cores build it in five minutes, from modules that are not there yet.
_BUILD_WITHIN = 1500.0
_READY_WITHIN = 30.0
_SERVERS = (
    "admin.http", "query.http-server", "query.grpc-server", "collector.http-server", "collector.grpc-server",
    "collector.otlp.grpc", "collector.otlp.http",
)  # fmt: skip
_OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Jaeger:
    """A Jaeger that is ready: ``url`` of its query API, ``otlp`` the address for ``OTEL_EXPORTER_OTLP_ENDPOINT``."""

    url: str
    otlp: str


def program() -> Path:
    """Return the path of the program, built first when it is not there.

    Without Go or its modules the test is skipped with the reason; in CI, which is told by the variable ``CI``, it fails.
    """
    built = _FOLDER / "jaeger"
    with FileLock(_FOLDER.with_suffix(".lock")) as lock:
        assert lock.take(within=_BUILD_WITHIN), f"process {lock.holder} builds {built}"
        problem = None if built.is_file() else _build(built)
    if problem is not None:
        pytest.fail(problem) if os.environ.get("CI") else pytest.skip(problem)
    return built


def _build(built: Path) -> str | None:
    """Build the program in a copy of its module, because ``go install`` refuses a module that replaces another; say what failed."""
    if shutil.which("go") is None:
        return "Jaeger is built with Go, which is not installed"
    found = subprocess.run(
        ["go", "mod", "download", "-json", f"{_MODULE}@{_VERSION}"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        return f"{_MODULE} cannot be had: {found.stdout[-500:]}{found.stderr[-500:]}"
    source = _FOLDER / "source"
    shutil.rmtree(source, ignore_errors=True)
    # The module cache is read-only.
    shutil.copytree(json.loads(found.stdout)["Dir"], source, copy_function=shutil.copyfile)
    for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    argv = ["go", "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", str(_FOLDER / "fresh"), "./cmd/all-in-one"]
    made = subprocess.run(
        argv, cwd=source, env={**os.environ, "CGO_ENABLED": "0"}, capture_output=True, text=True, check=False, timeout=_BUILD_WITHIN
    )  # fmt: skip
    if made.returncode:
        return f"Jaeger does not build: {made.stderr[-1000:]}"
    (_FOLDER / "fresh").rename(built)
    shutil.rmtree(source)
    return None


@contextmanager
def jaeger(folder: Path) -> Iterator[Jaeger]:
    """Run a Jaeger until the block ends."""
    ports = dict(zip(_SERVERS, free_ports(len(_SERVERS)), strict=True))
    argv = [str(program()), *(f"--{name}.host-port=127.0.0.1:{port}" for name, port in ports.items())]
    # It traces itself otherwise, and waits at its end for a collector that is not there.
    environment = {**os.environ, "SPAN_STORAGE_TYPE": "memory", "OTEL_TRACES_SAMPLER": "always_off"}
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    under = (sys.executable, "-I", "-S", str(Path(reaper.__file__)), "5", "-", "--")
    with log.open("wb") as output:
        process = subprocess.Popen(
            (*under, *argv),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{ports['admin.http']}/", process, log)
        host = "http://127.0.0.1"
        yield Jaeger(f"{host}:{ports['query.http-server']}", f"{host}:{ports['collector.otlp.http']}")
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(timeout=30)


def _wait_until_ready(page: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def ready() -> bool:
        assert process.poll() is None, f"it ended with exit code {process.returncode}:\n{log.read_text()}"
        try:
            with _OPENER.open(page, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    wait_for(ready, _READY_WITHIN, f"{page} was not ready")
