"""The journals on disk: `portfolios/<id>.bean` below LEDGER_DIR, which is a git repository of its own.

Commits are real git commits, written by dulwich, so that no git program is needed where the service runs and any git
can read the history afterwards. A file lock keeps two processes from committing at once; who may append to which
journal is settled in the database before this module is asked.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from dulwich.errors import NotGitRepository
from dulwich.index import IndexEntry
from dulwich.repo import Repo

from app.core.errors import LedgerUnavailableError

Result = TypeVar("Result")
FOLDER = "portfolios"
AUTHOR = b"DawsOS <ledger@dawsos.invalid>"


class GitLedger:
    """Implements services.ports.JournalStore. Every way the file system can fail is LedgerUnavailableError."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def read(self, portfolio_id: UUID) -> bytes | None:
        """The whole journal, None when there is no file."""
        return await _off_loop(self._read, portfolio_id, 0)

    async def read_from(self, portfolio_id: UUID, start: int) -> bytes | None:
        """The journal from a byte on, None when there is no file or it is shorter."""
        return await _off_loop(self._read, portfolio_id, start)

    async def append(self, portfolio_id: UUID, at: int, data: bytes) -> None:
        """Write `data` at byte `at`, which must be the end; on disk when this returns."""
        await _off_loop(self._append, portfolio_id, at, data)

    async def commit(self, message: str, portfolio_ids: Sequence[UUID] | None = None) -> str:
        """Commit these journals (all, if None) when they changed; the hash of the newest commit in any case."""
        return await _off_loop(self._commit, message, portfolio_ids)

    async def head(self) -> str | None:
        """The newest commit, None before the first."""
        return await _off_loop(self._head)

    def _path(self, portfolio_id: UUID) -> Path:
        return self._root / FOLDER / f"{portfolio_id}.bean"

    def _read(self, portfolio_id: UUID, start: int) -> bytes | None:
        try:
            with self._path(portfolio_id).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size < start:
                    return None
                file.seek(start)
                return file.read()
        except FileNotFoundError:
            return None

    def _append(self, portfolio_id: UUID, at: int, data: bytes) -> None:
        path = self._path(portfolio_id)
        new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            if file.tell() != at:
                raise OSError(f"{path.name} has {file.tell()} bytes, expected {at}")
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if new:
            # A new name is only safe once its folder is on disk as well.
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _commit(self, message: str, portfolio_ids: Sequence[UUID] | None) -> str:
        with self._locked() as repo:
            paths = self._changed(repo, portfolio_ids)
            if paths or self._newest(repo) is None:
                work = repo.get_worktree()
                work.stage(paths)
                work.commit(message.encode(), committer=AUTHOR, author=AUTHOR, sign=False)
            return str(self._newest(repo))

    def _changed(self, repo: Repo, portfolio_ids: Sequence[UUID] | None) -> list[str]:
        """Paths whose content is not what the index has; a tracked file that is gone counts as changed."""
        index = repo.open_index()
        tracked = {name.decode(): entry for name, entry in index.items()}
        if portfolio_ids is None:
            present = {f"{FOLDER}/{path.name}" for path in (self._root / FOLDER).glob("*.bean")}
            names = sorted(present | tracked.keys())
        else:
            names = [f"{FOLDER}/{portfolio_id}.bean" for portfolio_id in portfolio_ids]
        changed = []
        for name in names:
            path, entry = self._root / name, tracked.get(name)
            if not path.exists():
                changed += [name] if entry else []
                continue
            stat = path.stat()
            # As git does: the same size and time of change mean the same content.
            if not isinstance(entry, IndexEntry) or (entry.size, entry.mtime) != (
                stat.st_size,
                divmod(stat.st_mtime_ns, 10**9),
            ):
                changed.append(name)
        return changed

    def _head(self) -> str | None:
        try:
            with Repo(str(self._root)) as repo:
                return self._newest(repo)
        except NotGitRepository:
            return None

    @staticmethod
    def _newest(repo: Repo) -> str | None:
        try:
            return repo.head().decode()
        except KeyError:
            return None

    @contextmanager
    def _locked(self) -> Iterator[Repo]:
        self._root.mkdir(parents=True, exist_ok=True)
        held = os.open(self._root, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            # This process holds the only lock, so lock files of git are left over from a killed process.
            for left_over in (self._root / ".git").glob("*.lock"):
                left_over.unlink()
            for left_over in (self._root / ".git" / "refs").rglob("*.lock"):
                left_over.unlink()
            try:
                repo = Repo(str(self._root))
            except NotGitRepository:
                repo = Repo.init(str(self._root))
            with repo:
                yield repo
        finally:
            os.close(held)


async def _off_loop(work: Callable[..., Result], *arguments: object) -> Result:
    """Run disk work in a thread: an fsync takes milliseconds and would block the event loop."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except OSError as error:
        raise LedgerUnavailableError(f"the ledger cannot be used: {type(error).__name__}") from error
