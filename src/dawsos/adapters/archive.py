"""One file for many: packs files into a compressed tar, and unpacks one that anybody may have made.

A list of all files with their SHA-256 is the first of them, so that what is damaged or missing is noticed.  It is not signed: who
made a file is a question for the statements in it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import secrets
import tarfile
import zlib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dawsos.errors import BadInput, InfrastructureError

_LIST = "results.json"
# The list of the files of a real project has some megabytes; a header of the archive has some hundred bytes.
_LONGEST_LIST, _LONGEST_HEADER = 64 << 20, 1 << 20
_FIX = "save it again: dawsos results save FILE"


@dataclass(frozen=True)
class Limits:
    """The most that is unpacked: the number of ``files``, the bytes of ``one`` and of ``all`` of them, the letters of a name."""

    files: int = 200_000
    one: int = 2 << 30
    all: int = 8 << 30
    name: int = 1024


def pack(target: Path, files: Mapping[str, Path | bytes], facts: Mapping[str, Any]) -> None:
    """Write ``files`` (name -> content or where it lies) and ``facts`` about them to ``target``; raises OSError.

    The same files make the same archive.  Executable files stay executable, other modes and all times are left out.
    """
    digests = {name: _digest(one) for name, one in sorted(files.items())}
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with (
            temporary.open("xb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0, compresslevel=1) as stream,
            tarfile.open(fileobj=stream, mode="w") as tar,
        ):
            _add(tar, _LIST, json.dumps({**facts, "files": digests}, sort_keys=True).encode())
            for name in digests:
                _add(tar, name, files[name])
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _digest(content: Path | bytes) -> str:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, content: Path | bytes) -> None:
    info = tarfile.TarInfo(name)
    if isinstance(content, bytes):
        info.size, info.mode = len(content), 0o644
        tar.addfile(info, io.BytesIO(content))
        return
    facts = content.stat()
    info.size, info.mode = facts.st_size, 0o755 if facts.st_mode & 0o100 else 0o644
    with content.open("rb") as stream:
        tar.addfile(info, stream)


def unpack(source: Path, folder: Path, is_known: Callable[[str], bool], limits: Limits = Limits()) -> dict[str, Any]:
    """Unpack ``source`` into the empty and private ``folder``; return the facts about the files.

    Only regular files are unpacked, each once, with a name that ``is_known`` and the digest that the list has.  Raises BadInput
    with one message for anything else; ``folder`` then holds a part.
    """
    if not hasattr(tarfile, "data_filter"):
        raise InfrastructureError(
            "this version of Python cannot unpack an untrusted file safely", fix="use Python 3.11.4 or newer"
        )
    try:
        with source.open("rb") as raw, gzip.GzipFile(fileobj=raw) as stream:
            return _unpack(tarfile.open(fileobj=_Guarded(stream), mode="r:"), folder, is_known, limits)
    except FileNotFoundError as error:
        raise BadInput(f"there is no {source}", fix="name a file that dawsos results save FILE wrote") from error
    except _UNREADABLE as error:
        raise BadInput(f"{source} cannot be read: it is damaged, or no file of results ({error})", fix=_FIX) from error
    except _Refused as reason:
        raise BadInput(f"{source} is refused: {reason}", fix=_FIX) from None
    except OSError as error:
        raise InfrastructureError(f"cannot unpack {source}: {error.strerror}", fix="check the disk") from error


_UNREADABLE = (
    gzip.BadGzipFile, IsADirectoryError, NotADirectoryError, PermissionError, EOFError, zlib.error, tarfile.TarError, ValueError,
    OverflowError, RecursionError,
)  # fmt: skip


class _Refused(Exception):
    """The archive holds what it must not; the text says what."""


class _Guarded(io.RawIOBase):
    """Reads for tarfile, which takes lengths and places from the archive: little at once, and only forward.

    A length of gigabytes would be read into memory, and a place further back would be read again without an end.
    """

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream, self._at, self._last, self._again = stream, 0, b"", b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise _Refused("one of its headers is too long")
        found = self._again[:size]
        self._again = self._again[len(found) :]
        found += self._stream.read(size - len(found))
        self._at += len(found)
        self._last = found[-1:] or self._last
        return found

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset == self._at - 1 and not self._again:
            # tarfile looks at the last byte of a file once more, to see whether it is there.
            self._at, self._again = offset, self._last
        if whence or offset < self._at:
            raise _Refused("its files are not one after the other")
        while self._at < offset and self.read(min(offset - self._at, _LONGEST_HEADER)):
            pass
        return self._at


def _unpack(tar: tarfile.TarFile, folder: Path, is_known: Callable[[str], bool], limits: Limits) -> dict[str, Any]:
    first = tar.next()
    if first is None or first.name != _LIST or not first.isreg() or first.size > _LONGEST_LIST:
        raise _Refused(f"it does not begin with {_LIST}")
    stream = tar.extractfile(first)
    facts: Any = json.loads(stream.read()) if stream is not None else None
    wanted = facts.get("files") if isinstance(facts, dict) else None
    if not isinstance(wanted, dict):
        raise _Refused(f"its {_LIST} lists no files")
    left, total = dict(wanted), 0
    while (member := tar.next()) is not None:
        total += member.size
        _must_be_allowed(member, total, len(wanted), limits)
        if member.name not in left or not is_known(member.name):
            raise _Refused(f"{member.name!r} is not expected in it")
        tar.extract(member, folder, filter="data")
        if _digest(folder / member.name) != left.pop(member.name):
            raise _Refused(f"{member.name} is not what its list says")
    if left:
        raise _Refused(f"{min(left)} is missing")
    return {name: value for name, value in facts.items() if name != "files"}


def _must_be_allowed(member: tarfile.TarInfo, total: int, files: int, limits: Limits) -> None:
    parts = PurePosixPath(member.name).parts
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None or member.size < 0:
        raise _Refused(f"{member.name!r} is no regular file")
    if not parts or "/".join(parts) != member.name or parts[0] == "/" or ".." in parts:
        raise _Refused(f"the name {member.name!r} points outside of it")
    if len(member.name) > limits.name or any(len(part.encode(errors="surrogateescape")) > 255 for part in parts):
        raise _Refused(f"the name {member.name[:40]!r}... is too long")
    if member.size > limits.one or total > limits.all or files > limits.files:
        raise _Refused(f"it holds more than is unpacked here ({files} files, {total} bytes and more)")


def regular_files(folder: Path, links: Container[str] = ()) -> Iterable[tuple[str, Path]]:
    """Yield (relative path, path) of each file below ``folder``; ``links`` are left out.

    Raises ValueError for another link or a device, which are not packed.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() and name in links:
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{name} is no regular file")
        if path.is_file():
            yield name, path
