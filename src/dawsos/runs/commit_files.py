"""Sees to it that the stages and the release of a ship have the files of the commit, and says where they had not."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

from dawsos.adapters import git
from dawsos.model.events import FilesChanged
from dawsos.runs.context import RunContext

_SHOWN = 50


class CommitFiles:
    """Looks at the checkout of ``context``; of a ``run``, which works on the tree as a person has it, nothing is said."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._watched = context.session.state.command == "ship"

    async def before(self, stage: str, *, alone: bool) -> None:
        """Give the stage the tracked files of the commit, whatever an earlier step made of them.

        They are left as they are, and that is said, unless the stage may have them for itself (``alone``).
        """
        files = await asyncio.to_thread(self._changed)
        if files:
            self._say(stage, "put back" if alone else "seen", files)
        if files and alone:
            await asyncio.to_thread(git.put_back, self._context.root, self._context.commit.sha)

    async def built(self, stage: str, release: Path) -> None:
        """Say which files went into the ``release`` (its folder) that are not as in the commit, or not in it at all."""
        if files := await asyncio.to_thread(self._changed):
            self._say(stage, "built", files)
        if files := await asyncio.to_thread(self._added, release):
            self._say(stage, "added", files)

    def _changed(self) -> tuple[str, ...]:
        return git.changed_files(self._context.root, self._context.commit.sha) if self._watched else ()

    def _added(self, release: Path) -> tuple[str, ...]:
        """Return the files that git does not track and the release has: under the same name, with the same content."""
        if not self._watched:
            return ()
        root = self._context.root
        inside = json.loads((release / "release.json").read_text())["files"]
        known = {(Path(name).name, digest.removeprefix("x")) for name, digest in inside.items()}
        found = git.untracked_files(root / self._context.pipeline.service.project)
        top = Path(git.top(root))
        return tuple(path for path in found if (Path(path).name, _digest(top / path)) in known)

    def _say(self, stage: str, how: str, files: tuple[str, ...]) -> None:
        shown = [path.encode(errors="replace").decode() for path in files[:_SHOWN]]
        self._context.session.record(FilesChanged(how, tuple(shown), len(files)), stage)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        # A link to nowhere, or removed since; what is not readable was not built in.
        return ""
