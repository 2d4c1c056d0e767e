"""What pip says when it fails: the real pip, against servers that answer, refuse or are not there."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from adapters.wheels import wheels
from dawsos.adapters.pip import error_of, is_of_the_commit, is_of_the_machine, said_in, size_of

LOCK = f"alpha==9.9 --hash=sha256:{'0' * 64}\n"


@contextmanager
def registry(status: int) -> Iterator[str]:
    """Give the address of a server that answers every request with ``status`` and an empty page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><html><body></body></html>")

        def log_message(self, *_words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()


def pip(folder: Path, *words: str) -> tuple[str, str]:
    """Return what pip says when it fails, and its own log."""
    told = folder / "pip.debug"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "0", *words]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ended.returncode != 0
    return ended.stdout, said_in(told)


def install(folder: Path, lock: str, *words: str) -> tuple[str, str]:
    (folder / "lock.txt").write_text(lock)
    return pip(
        folder, "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--target", str(folder / "site"), "-r", str(folder / "lock.txt"), "--log", str(folder / "pip.debug"), *words,
    )  # fmt: skip


@pytest.mark.parametrize(("status", "of_the_commit"), [(200, True), (404, True), (403, False), (503, False)])
def test_a_registry_that_answers_that_it_has_none_is_the_commit_s_fault(
    status: int, of_the_commit: bool, tmp_path: Path
) -> None:
    with registry(status) as address:
        said, detailed = install(tmp_path, LOCK, "-i", address)
    assert error_of(said)[-1] == "ERROR: No matching distribution found for alpha==9.9"
    assert is_of_the_commit(said, detailed) is of_the_commit


def test_a_registry_that_is_not_there_is_not_the_commit_s_fault_and_its_warnings_are_not_the_error(
    tmp_path: Path,
) -> None:
    said, detailed = install(tmp_path, LOCK, "-i", "http://127.0.0.1:1/simple", "--retries", "1")
    assert "WARNING: Retrying" in said
    assert error_of(said)[0].startswith("ERROR: Could not find a version that satisfies the requirement alpha==9.9")
    assert not is_of_the_commit(said, detailed)


def test_a_lock_that_does_not_fit_its_files_is_the_commit_s_fault(tmp_path: Path) -> None:
    lock = wheels(tmp_path / "wheels", {"alpha": {"alpha.py": ""}}).read_text()
    said, detailed = install(tmp_path, f"{lock[:-5]}0000\n", "--no-index")
    assert is_of_the_commit(said, detailed)
    told = "\n".join(error_of(said))
    assert "DO NOT MATCH THE HASHES" in told
    assert "Expected sha256" in told


def test_the_project_s_own_build_comes_first(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "bad"\nversion = "not a version"\n'
    )
    said, detailed = pip(tmp_path, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", str(tmp_path))
    told = error_of(said)
    assert "`project.version` must be pep440" in told[1]
    assert told[-1] == "error: metadata-generation-failed"
    assert is_of_the_commit(said, detailed)


def test_a_full_disk_is_the_machine_s_fault() -> None:
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
    assert (is_of_the_machine(said), is_of_the_commit(said)) == (True, False)
    assert error_of(said) == [said.strip()]


def test_without_an_error_the_end_is_told_and_warnings_only_where_there_is_nothing_else() -> None:
    assert error_of("one\nWARNING: two\nthree\n") == ["one", "three"]
    assert error_of("WARNING: two\n") == ["WARNING: two"]
    assert error_of("") == []


def test_a_log_is_read_from_where_a_command_began(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert (size_of(log), said_in(log)) == (0, "")
    log.write_text("before\n")
    start = size_of(log)
    log.write_text("before\nafter\n")
    assert said_in(log, start) == "after\n"
