"""A file is written whole or not at all, and what is damaged is read as nothing."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Protocol

import pytest

from dawsos.adapters.files import create_bytes, read_json, tail, write_bytes, write_json, write_text


class Write(Protocol):
    """A function that writes bytes."""

    def __call__(self, path: Path, content: bytes, *, durable: bool = False, mode: int = 0o666) -> object: ...


WRITES: list[Write] = [write_bytes, create_bytes]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_there_whole_and_nothing_beside_it(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b", b"\x00\xff")
    write_text(tmp_path / "a" / "c", "grün\r\n")
    write_json(tmp_path / "a" / "d", {"b": 1, "a": [2]})
    assert (tmp_path / "a" / "b").read_bytes() == b"\x00\xff"
    assert (tmp_path / "a" / "c").read_bytes() == "grün\r\n".encode()
    assert (tmp_path / "a" / "d").read_text() == '{\n "a": [\n  2\n ],\n "b": 1\n}\n'
    assert names(tmp_path / "a") == ["b", "c", "d"]


def test_a_reader_never_sees_a_part_of_a_file(tmp_path: Path) -> None:
    path, seen, done = tmp_path / "x", set(), threading.Event()
    whole = {letter * 300_000 for letter in (b"a", b"b")}
    write_bytes(path, b"a" * 300_000)

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        for content in whole:
            write_bytes(path, content)
    done.set()
    reader.join()
    assert seen <= whole


@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_fails_leaves_nothing_of_it(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told when the content reaches it, the last time at the sync."""
    (tmp_path / "old").write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for name in ("old", "new"):
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path / name, b"new", durable=True)
    assert names(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_what_json_cannot_hold_changes_nothing(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert names(tmp_path) == ["x.json"]


@pytest.mark.parametrize("write", WRITES)
def test_content_and_name_are_synced_only_when_that_is_asked_for(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    write(tmp_path / "plain", b"x")
    assert synced == []
    write(tmp_path / "kept", b"x", durable=True)
    assert synced == ["file", "folder"]


@pytest.mark.parametrize("write", WRITES)
def test_a_private_file_is_private_from_its_first_moment(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    write(tmp_path / "secret", b"x", durable=True, mode=0o600)
    assert modes[0] == 0o600
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_script_is_executable_and_the_umask_is_heeded(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "script", "#!/bin/sh\n", mode=0o777)
        write_text(tmp_path / "plain", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "script").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o640


def test_of_many_who_create_a_file_one_does_and_all_read_the_same(tmp_path: Path) -> None:
    start, made, read = threading.Barrier(8), [], set()

    def create(number: int) -> None:
        start.wait()
        made.append(create_bytes(tmp_path / "key", str(number).encode() * 1000))
        read.add((tmp_path / "key").read_bytes())

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    assert len(read) == 1
    assert names(tmp_path) == ["key"]


def test_two_processes_may_write_the_same_file_at_once(tmp_path: Path) -> None:
    failed: list[OSError] = []

    def write(text: str) -> None:
        for _ in range(300):
            try:
                write_text(tmp_path / "dawsos.prom", text)
            except OSError as error:
                failed.append(error)

    writers = [threading.Thread(target=write, args=(letter * 50_000,)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert set((tmp_path / "dawsos.prom").read_text()) in ({"a"}, {"b"})
    assert [path.name for path in tmp_path.iterdir()] == ["dawsos.prom"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"null", b"\xff\xfe{", b"[" * 100_000])
def test_what_holds_no_object_is_read_as_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert read_json(tmp_path / "x.json") is None


def test_an_object_is_read_and_a_missing_file_is_none(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": 1})
    assert read_json(tmp_path / "x.json") == {"a": 1}
    assert read_json(tmp_path / "y.json") is None
    assert read_json(tmp_path) is None


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\ntwo\nthr\xffee\n")
    assert tail(tmp_path / "log", 2) == ["two", "thr\ufffdee"]
    assert tail(tmp_path / "log", 9) == ["one", "two", "thr\ufffdee"]
    assert tail(tmp_path / "none", 2) == []


def test_of_a_long_log_only_the_end_is_read_and_a_long_line_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\n" + "x" * 10_000_000 + "\nlast\n")
    found = tail(log, 40)
    assert found == ["last"], "a part of a line is no line"
    log.write_text("x" * 10_000_000)
    (line,) = tail(log, 40)
    assert line.startswith("xxx")
    assert len(line) < 5000
    log.write_text("".join(f"{number}\n" for number in range(200_000)))
    assert tail(log, 3) == ["199997", "199998", "199999"]


def test_a_full_disk_says_for_which_file_it_had_no_room(tmp_path: Path) -> None:
    code = "import sys, pathlib; from dawsos.adapters.files import write_bytes; write_bytes(pathlib.Path(sys.argv[1]), b'x' * 100_000)"
    words = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", sys.executable, "-c", code, str(tmp_path / "one")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert f"File too large: '{tmp_path / 'one'}'" in ended.stderr
    assert list(tmp_path.iterdir()) == []
