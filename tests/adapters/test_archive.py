"""An archive gives back what was packed, and of one that a stranger made it unpacks nothing that is not expected there."""

from __future__ import annotations

import errno
import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.archive import Limits, pack, regular_files, unpack
from dawsos.adapters.digests import sha256
from dawsos.errors import BadInput, InfrastructureError


def anything(_name: str) -> bool:
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "unpacked"
    made.mkdir()
    return made


Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str, content: bytes = b"x", **facts: Any) -> Entry:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in facts.items():
        setattr(info, key, value)
    return info, content


def hostile(path: Path, *entries: Entry, listed: dict[str, str] | None = None) -> Path:
    """Write an archive as somebody with bad intentions does: ``listed`` defaults to what the entries hold."""
    names = {info.name: sha256(content) for info, content in entries} if listed is None else listed
    first = entry("results.json", json.dumps({"files": names}).encode())
    with gzip.open(path, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for info, content in (first, *entries):
            tar.addfile(info, io.BytesIO(content) if content else None)
    return path


def test_what_was_packed_comes_back_with_its_facts(tmp_path: Path, folder: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    long = "/".join(["deep" * 20] * 6)
    pack(tmp_path / "a.tgz", {"a/b": b"1", "script": script, long: b"", "é\n": b"2"}, {"version": 1})
    assert unpack(tmp_path / "a.tgz", folder, anything) == {"version": 1}
    assert {name: path.read_bytes() for name, path in regular_files(folder)} == {
        "a/b": b"1", "script": b"#!/bin/sh\n", long: b"", "é\n": b"2",
    }  # fmt: skip
    assert (folder / "script").stat().st_mode & 0o111
    assert not (folder / "a" / "b").stat().st_mode & 0o111


def test_the_same_files_are_the_same_archive(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pack(tmp_path / name, {"x": b"1", "y": b"2"}, {})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_link_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="link is no regular file"):
        list(regular_files(tmp_path))


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "traversal": (lambda path: hostile(path, entry("../evil")), "points outside of it"),
    "traversal within": (lambda path: hostile(path, entry("a/../../evil")), "points outside of it"),
    "absolute": (lambda path: hostile(path, entry("/tmp/evil")), "points outside of it"),
    "not as written": (lambda path: hostile(path, entry("a//b")), "points outside of it"),
    "symbolic link": (
        lambda path: hostile(path, entry("a", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")), "no regular file",
    ),
    "hard link": (
        lambda path: hostile(path, entry("a", b"", type=tarfile.LNKTYPE, linkname="results.json")), "no regular file",
    ),
    "device": (lambda path: hostile(path, entry("a", b"", type=tarfile.CHRTYPE)), "no regular file"),
    "folder": (lambda path: hostile(path, entry("a", b"", type=tarfile.DIRTYPE)), "no regular file"),
    "twice": (lambda path: hostile(path, entry("a"), entry("a")), "is not expected"),
    "not listed": (lambda path: hostile(path, entry("a"), listed={}), "is not expected"),
    "of no known folder": (lambda path: hostile(path, entry("keys/signing.pem")), "is not expected"),
    "listed and not there": (lambda path: hostile(path, entry("a"), listed={"a": sha256(b"x"), "b": ""}), "b is missing"),
    "altered": (lambda path: hostile(path, entry("a"), listed={"a": sha256(b"y")}), "is not what its list says"),
    "name too long": (lambda path: hostile(path, entry("a" * 300)), "too long"),
    "too many": (lambda path: hostile(path, *(entry(f"a{number}") for number in range(6))), "more than is unpacked"),
    "one too large": (lambda path: hostile(path, entry("a", b"x" * 101)), "more than is unpacked"),
    "all too large": (lambda path: hostile(path, *(entry(f"a{n}", b"x" * 90) for n in range(5))), "more than is unpacked"),
}  # fmt: skip
LIMITS = Limits(files=5, one=100, all=400)


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_belong_there_is_refused(
    make: Callable[[Path], Path], words: str, tmp_path: Path, folder: Path
) -> None:
    source = make(tmp_path / "hostile.tgz")
    with pytest.raises(BadInput, match=words) as refused:
        unpack(source, folder, lambda name: name.startswith("a"), LIMITS)
    assert str(source) in refused.value.message
    assert not (tmp_path / "evil").exists()
    assert [path for path in folder.rglob("*") if path.is_symlink()] == []


def test_a_sparse_file_is_refused_before_it_fills_the_disk(tmp_path: Path, folder: Path) -> None:
    sparse = entry(
        "a", b"", pax_headers={"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": "1000000000000"}
    )
    with pytest.raises(BadInput, match=r"no regular file|more than is unpacked|is damaged"):
        unpack(hostile(tmp_path / "s.tgz", sparse), folder, anything)
    assert list(folder.iterdir()) == []


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, folder: Path) -> None:
    """It says that a name of 3 GB follows, and a compressed file of some megabytes can hold one."""
    path = tmp_path / "bomb.tgz"
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 3 << 30
    first, content = entry("results.json", b'{"files": {}}')
    with gzip.open(path, "wb") as stream:
        for piece in (first.tobuf(), content.ljust(512, b"\0"), info.tobuf(), b"\0" * (2 << 20)):
            stream.write(piece)
    with pytest.raises(BadInput, match="one of its headers is too long"):
        unpack(path, folder, anything)


def test_an_archive_that_goes_back_within_itself_ends(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "back.tgz"
    first, content = entry("results.json", b'{"files": {"a": ""}}')
    info = tarfile.TarInfo("a")
    header = bytearray(info.tobuf())
    header[124:136] = b"\xff" * 12  # a size of minus one, in base 256
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    with gzip.open(path, "wb") as stream:
        stream.write(first.tobuf() + content.ljust(512, b"\0") + bytes(header) + b"\0" * 1024)
    with pytest.raises(BadInput):
        unpack(path, folder, anything)


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar"), gzip.compress(b"\0" * 10240)])
def test_what_is_no_archive_is_told(content: bytes, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BadInput, match=r"is damaged|does not begin with"):
        unpack(tmp_path / "a", folder, anything)


def test_each_beginning_of_an_archive_is_damaged(tmp_path: Path, folder: Path) -> None:
    pack(tmp_path / "a", {f"f{number}": bytes([number]) * 700 for number in range(8)}, {})
    whole = (tmp_path / "a").read_bytes()
    for cut in range(0, len(whole) - 40, 17):
        (tmp_path / "b").write_bytes(whole[:cut])
        with pytest.raises(BadInput):
            unpack(tmp_path / "b", folder, anything)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_a_file_that_is_a_folder_as_well_is_damaged(names: tuple[str, str], tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BadInput, match="it is damaged"):
        unpack(hostile(tmp_path / "a.tgz", *map(entry, names)), folder, anything)


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "makefile", full)
    with pytest.raises(InfrastructureError, match=r"cannot unpack .*: No space left on device"):
        unpack(hostile(tmp_path / "a.tgz", entry("a")), folder, anything)


def test_what_is_not_there_is_told(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BadInput, match="there is no"):
        unpack(tmp_path / "none", folder, anything)
