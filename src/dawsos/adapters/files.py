"""Writes small files whole and reads JSON that may be damaged: the one atomic write of the tool.

``durable`` decides whether a write waits for the disk, which costs a millisecond or more.  It is set for what must survive a crash
of the machine: the state of an environment, passwords, the signing key, the anchor of a run's journal.  It is not set for what
can be made again or is worthless after a restart: reports, metrics, evidence (the journal has its digests), pid files, leases.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dawsos.model.texts import cut_line

# Of a line that is longer than this, the end of a log has a part only.
_PIECE = 1 << 18


def write_bytes(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o666) -> None:
    """Replace the file ``path`` by one with ``content``: a reader sees the old file or the new one, never a part.

    Missing folders above it are made.  The file gets ``mode`` less the umask, whatever the mode of the old one was.  With
    ``durable`` the content and the name are on disk when this returns.  Raises OSError; ``path`` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path, content, durable, mode) as temporary:
        temporary.replace(path)
    if durable:
        _sync_folder(path.parent)


def write_text(path: Path, text: str, *, durable: bool = False, mode: int = 0o666) -> None:
    """Replace ``path`` by ``text`` in UTF-8; see ``write_bytes``."""
    write_bytes(path, text.encode(), durable=durable, mode=mode)


def write_json(path: Path, value: object, *, durable: bool = False, mode: int = 0o666) -> None:
    """Replace ``path`` by ``value`` as indented JSON with sorted keys; see ``write_bytes``.

    Raises TypeError or ValueError for what JSON cannot hold.
    """
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n", durable=durable, mode=mode)


def create_bytes(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o666) -> bool:
    """Make the file ``path``, whole or not at all, unless it exists; return whether this call made it.

    Of two processes that try at once one makes it, and both can read it afterwards.  Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path, content, durable, mode) as temporary:
        try:
            # Unlike a rename, a link does not replace an existing file.
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
    if durable:
        _sync_folder(path.parent)
    return True


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in ``path``, None when there is no file or it does not hold one object."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def tail(path: Path, lines: int) -> list[str]:
    """Return the last ``lines`` lines of a log, none when there is no log; bytes that are not UTF-8 are replaced.

    Long lines are cut, and of a long log only its end is read.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _PIECE))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    found = text.splitlines()
    if size > _PIECE and len(found) > 1:
        # The first is a part of a line.
        del found[0]
    return [cut_line(line) for line in found[-lines:]]


@contextmanager
def _temporary(path: Path, content: bytes, durable: bool, mode: int) -> Iterator[Path]:
    """Give a file with ``content`` beside ``path``, which is gone afterwards unless the body renamed it."""
    # A name of its own: two processes may write the same file at once.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
        except OSError as error:
            # A full disk does not say which file it had no room for.
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Put the names in ``folder`` on disk: a rename is not there before that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
