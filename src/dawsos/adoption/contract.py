"""What a kind of project reads and gives: the tree of a repository, and the draft of its first pipeline.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from dawsos.adoption.python_facts import PythonProject


@dataclass(frozen=True)
class Tree:
    """The files that a commit of the project would have.

    ``name`` is that of its folder, ``paths`` are sorted and relative to it, ``text`` returns the content of one, an empty text
    when there is no such file.  It raises BadInput for a file that is not UTF-8.
    """

    name: str
    paths: tuple[str, ...]
    text: Callable[[str], str] = field(compare=False)

    @classmethod
    def of(cls, name: str, files: Mapping[str, str]) -> Tree:
        """Return a tree of these texts."""
        return cls(name, tuple(sorted(files)), lambda path: files.get(path, ""))

    def has(self, path: str) -> bool:
        return path in self.paths

    def first(self, *paths: str) -> str:
        """Return the first of ``paths`` that is there, else an empty text."""
        return next((path for path in paths if path in self.paths), "")

    def named(self, pattern: str) -> list[str]:
        """Return the paths that match a glob, as ``PurePosixPath.match`` does: from the right, ``*`` within one folder."""
        return [path for path in self.paths if PurePosixPath(path).match(pattern)]

    @property
    def folders(self) -> frozenset[str]:
        return frozenset(str(parent) for path in self.paths for parent in PurePosixPath(path).parents) - {"."}


@dataclass(frozen=True)
class Answers:
    """What a person said on the command line; empty is: find it.

    ``baseline`` says that stages read the lists of ``baseline.py``, with ``coverage`` as its limit in per cent (0: none was measured).
    """

    kind: str = ""
    app: str = ""
    health: str = ""
    tests: str = ""
    needs: tuple[str, ...] = ()
    baseline: bool = False
    coverage: int = 0


@dataclass(frozen=True)
class Environment:
    """A toolchain: its name, the hash-locked list that ``init`` writes, and the version of its Python, when not the tool's own; the
    programs of the machine that it has."""

    name: str
    requirements: str
    python: str = ""
    programs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """What one kind of project found, and its part of the first pipeline.

    ``found`` are (what, value) lines for a person, ``missing`` says what was looked for and is not there, each with what that
    means.  ``stages`` are the quality stages, each the YAML of one entry of ``stages``, indented by two, with the stage's id in
    ``ids``.  ``service`` are the lines of the section ``service`` without the indentation, empty when there is nothing to
    ship; ``page`` is then a page that answers 200, and ``expects`` what the health page says (an empty text: nothing that is
    known).  ``builds`` are further keys of the release stage, such as its toolchain.
    """

    kind: str
    name: str
    found: tuple[tuple[str, str], ...]
    ids: tuple[str, ...]
    stages: tuple[str, ...]
    missing: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    page: str = "/"
    health_gate: str = "{kind: health, replicas: 1}"
    builds: str = ""
    toolchains: tuple[Environment, ...] = ()
    python: PythonProject | None = None

    def changed(self, **changes: object) -> Draft:
        return replace(self, **changes)  # type: ignore[arg-type]


Kind = Callable[[Tree, Answers], Draft | None]
