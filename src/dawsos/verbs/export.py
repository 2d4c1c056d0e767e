"""``dawsos export``: write the files of other tools that pipeline.yaml gives, or compare them with what is there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias, cast

from dawsos.adapters.files import write_text
from dawsos.errors import BadInput
from dawsos.exporters.registry import EXPORTERS
from dawsos.exporters.text import MARK
from dawsos.model.exports import ExporterName, ExportOptions
from dawsos.model.names import did_you_mean
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import PIPELINE_FILE, Project, load

# ``stale``: an earlier export wrote it, and pipeline.yaml no longer gives it.
State: TypeAlias = Literal["same", "written", "missing", "differs", "stale"]


@dataclass(frozen=True)
class ExportedFile:
    """One file: its path below the folder of the export, and how it compares.  ``diff`` leads from the file to what
    pipeline.yaml gives, and is empty unless both differ."""

    path: str
    state: State
    diff: str = ""


@dataclass(frozen=True)
class Exported:
    """The files of an export, by path.  ``unlisted`` are exports that pipeline.yaml does not keep: ``--check`` skips those."""

    files: tuple[ExportedFile, ...]
    unlisted: tuple[ExporterName, ...] = ()

    @property
    def current(self) -> bool:
        """Whether every file is what pipeline.yaml gives."""
        return all(file.state in ("same", "written") for file in self.files)


def export(project: Project, names: Sequence[str], *, check: bool, out: Path | None = None) -> Exported:
    """Write the files of the exporters ``names`` (default: those of ``exports`` in pipeline.yaml) below ``out`` (default: the
    project's root); with ``check`` only compare them.

    Raises BadInput for an unknown name, and before anything is written when a file in the way was not made by an export.
    """
    pipeline, root = load(project.root), (out or project.root).resolve()
    kept = {name: options for name, options in pipeline.exports if options is not None}
    chosen = list(dict.fromkeys(map(_known, names))) or [cast("ExporterName", name) for name in kept]
    if not chosen:
        raise BadInput(
            f"{PIPELINE_FILE} lists no exports",
            fix=f"name one ({', '.join(map(_shown, EXPORTERS))}), or add exports: to {PIPELINE_FILE}",
        )
    texts: dict[str, str] = {}
    for name in chosen:
        texts |= render(pipeline, name, kept.get(name))
    files = [_compared(root, path, text) for path, text in sorted(texts.items())]
    if not names:
        files += [ExportedFile(path, "stale") for path in _stale(root, texts)]
    if not check:
        files = [_write(root, texts, file) for file in files]
    return Exported(tuple(files), tuple(name for name in chosen if name not in kept))


def render(pipeline: Pipeline, name: ExporterName, options: ExportOptions | None = None) -> Mapping[str, str]:
    """Return path -> text of the export ``name``; without ``options`` with the exporter's own defaults."""
    exporter = EXPORTERS[name]
    return exporter.render(pipeline, options if options is not None else exporter.options())


def _shown(name: str) -> str:
    return name.replace("_", "-")


def _known(name: str) -> ExporterName:
    for known in EXPORTERS:
        if name in (known, _shown(known)):
            return known
    shown = [_shown(known) for known in EXPORTERS]
    raise BadInput(f"unknown export {name!r}{did_you_mean(name, shown)}", fix=f"there are: {', '.join(shown)}")


def _compared(root: Path, path: str, text: str) -> ExportedFile:
    target = root / path
    if not target.parent.resolve().is_relative_to(root) or target.is_symlink():
        raise BadInput(f"{target} is a link, or lies behind one", fix="replace the link by a folder or a file")
    try:
        there = target.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return ExportedFile(path, "missing")
    except OSError as error:
        raise BadInput(f"cannot read {target}: {error}", fix="move it away") from error
    if there == text:
        return ExportedFile(path, "same")
    if MARK not in there:
        raise BadInput(
            f"{target} was not made by dawsos export, and is not overwritten",
            fix="move it away, or export into another folder with --out",
        )
    return ExportedFile(path, "differs", _diff(path, there, text))


def _diff(path: str, there: str, text: str) -> str:
    """Return the diff; where only the ends of lines differ, each line with its end: ``\\r\\n`` is what git may have made of it."""
    names = (path, f"{path} (from {PIPELINE_FILE})")
    before, after = there.splitlines(), text.splitlines()
    if before == after:
        before, after = ([repr(line)[1:-1] for line in each.splitlines(keepends=True)] for each in (there, text))
    return "\n".join(difflib.unified_diff(before, after, *names, lineterm=""))


def _stale(root: Path, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield the files of an earlier export that lie beside those of ``texts`` and are none of them."""
    for folder in sorted({PurePosixPath(path).parent for path in texts}):
        for path in sorted((root / folder).glob("*")):
            name = path.relative_to(root).as_posix()
            if name not in texts and path.suffix in (".yml", ".yaml", ".json") and path.is_file() and _made(path):
                yield name


def _made(path: Path) -> bool:
    try:
        return MARK in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _write(root: Path, texts: Mapping[str, str], file: ExportedFile) -> ExportedFile:
    if file.state in ("same", "stale"):
        return file
    target = root / file.path
    try:
        write_text(target, texts[file.path])
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error}", fix="check the disk and the rights") from error
    return ExportedFile(file.path, "written")
