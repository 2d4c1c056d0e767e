"""Sees to it that the stages and the release of a ship have the files of the commit, and says where they had not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from dawsos.actions.bodies import ActionContext
from dawsos.adapters import git
from dawsos.model.events import FilesChanged

_SHOWN = 50


class CommitFiles:
    """Looks at the checkout of ``scene``; of a ``run``, which works on the tree as a person has it, nothing is said."""

    def __init__(self, scene: ActionContext) -> None:
        self._scene = scene
        self._watched = scene.session.state.command == "ship"

    def before(self, stage: str, *, alone: bool) -> None:
        """Give the stage the tracked files of the commit, whatever an earlier step made of them.

        They are left as they are, and that is said, unless the stage may have them for itself (``alone``).
        """
        files = self._changed()
        if files:
            self._say(stage, "put back" if alone else "seen", files)
        if files and alone:
            git.put_back(self._scene.root, self._scene.commit.sha)

    def built(self, stage: str, release: Path) -> None:
        """Say which files went into the ``release`` (its folder) that are not as in the commit, or not in it at all."""
        if files := self._changed():
            self._say(stage, "built", files)
        if files := self._added(release):
            self._say(stage, "added", files)

    def _changed(self) -> tuple[str, ...]:
        return git.changed_files(self._scene.root, self._scene.commit.sha) if self._watched else ()

    def _added(self, release: Path) -> tuple[str, ...]:
        """Return the files that git does not track and the release has: under the same name, with the same content."""
        if not self._watched:
            return ()
        root = self._scene.root
        inside = json.loads((release / "release.json").read_text())["files"]
        known = {(Path(name).name, digest.removeprefix("x")) for name, digest in inside.items()}
        found = git.untracked_files(root / self._scene.pipeline.service.project)
        top = Path(git.top(root))
        return tuple(path for path in found if (Path(path).name, _digest(top / path)) in known)

    def _say(self, stage: str, how: str, files: tuple[str, ...]) -> None:
        shown = [path.encode(errors="replace").decode() for path in files[:_SHOWN]]
        self._scene.session.record(FilesChanged(how, tuple(shown), len(files)), stage)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        # A link to nowhere, or removed since; what is not readable was not built in.
        return ""
