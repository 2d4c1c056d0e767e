"""Keeps the files of a ship's checkout as they are in the commit, and records where they were not."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

from dawsos.adapters import git_checkout
from dawsos.model.events import FilesChanged
from dawsos.runs.context import RunContext

_SHOWN = 50


class CommitFiles:
    """Checks the checkout of ``context``.  In a ``run``, which works on the working tree, it records nothing."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._watched = context.session.state.command == "ship"
        self._sha = context.commit.sha
        # The folder that ``git_checkout`` made: a step may have made another repository within.
        self._checkout = context.tools.project.checkout(self._sha)

    async def before(self, stage: str, *, alone: bool) -> None:
        """Restore the tracked files of the commit for the stage, whatever an earlier step did to them.

        While another stage uses them (not ``alone``) they are left as they are, and that is recorded.
        """
        files = await asyncio.to_thread(self._changed)
        if files:
            self._say(stage, "put back" if alone else "seen", files)
        if files and alone:
            await asyncio.to_thread(git_checkout.put_back, self._checkout, self._sha)

    async def built(self, stage: str, release: Path) -> None:
        """Record which files of the ``release`` folder differ from the commit or are not in it."""
        if files := await asyncio.to_thread(self._changed):
            self._say(stage, "built", files)
        if files := await asyncio.to_thread(self._added, release):
            self._say(stage, "added", files)

    def _changed(self) -> tuple[str, ...]:
        return git_checkout.changed_files(self._checkout, self._sha) if self._watched else ()

    def _added(self, release: Path) -> tuple[str, ...]:
        """Return the files that git does not track and the release has, with the same name and content."""
        if not self._watched or self._context.pipeline.service.build is not None:
            # What a project's own build makes is made of a copy that has the committed files only.
            return ()
        inside = json.loads((release / "release.json").read_text())["files"]
        known = {(Path(name).name, digest.removeprefix("x")) for name, digest in inside.items()}
        names = {name for name, _ in known}
        folder = self._context.root / self._context.pipeline.service.project
        found = git_checkout.untracked_files(self._checkout, self._sha, folder, names)
        return tuple(path for path in found if (Path(path).name, _digest(self._checkout / path)) in known)

    def _say(self, stage: str, how: str, files: tuple[str, ...]) -> None:
        shown = [path.encode(errors="replace").decode() for path in files[:_SHOWN]]
        self._context.session.record(FilesChanged(how, tuple(shown), len(files)), stage)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        # A broken link, or a file removed since: an unreadable file was not built in.
        return ""
