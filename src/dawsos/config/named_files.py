"""Refuses a pipeline that names a missing file, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dawsos.adapters.digests import sha256
from dawsos.errors import BadInput
from dawsos.model.pipeline import Pipeline, Stage

# The first line of a list that ``dawsos init`` made from the project's own lock.
MADE_FROM = re.compile(rb"\A# Made by `dawsos init`[^\n]*, from ([^\n]+) sha256:([0-9a-f]{64})")
_HEAD = 4096


def must_have_files(pipeline: Pipeline, stages: Sequence[Stage], root: Path, where: str = "") -> None:
    """Raise BadInput with one line for each file that ``stages`` name and ``root`` does not have.

    ``where`` says in the message what ``root`` is: a file that was not committed is still in the working tree.
    """
    problems = []
    named = list(dict.fromkeys(_named(pipeline, stages)))
    for place, name, is_folder in named:
        if name is not None and not ((root / name).is_dir() if is_folder else (root / name).is_file()):
            problems.append(f"pipeline.yaml: {place}: there is no {'folder' if is_folder else 'file'} {name}{where}")
    if problems:
        raise BadInput("\n".join(problems), fix="correct the path, or commit what is missing")
    stale = [told for _, name, is_folder in named if name and not is_folder and (told := _stale(root, name))]
    if stale:
        raise BadInput("\n".join(stale), fix="dawsos init --lists makes them anew; then commit them")


def _stale(root: Path, name: str) -> str:
    """Return what is to be said when a list was made from a lock (``dawsos init``) that has changed since; else an empty text."""
    with (root / name).open("rb") as stream:
        match = MADE_FROM.search(stream.read(_HEAD))
    if match is None:
        return ""
    lock = match[1].decode()
    try:
        now = sha256((root / lock).read_bytes())
    except OSError:
        return f"{name} was made from {lock}, which is not there any more"
    return (
        ""
        if now == match[2].decode()
        else f"{name} was made from another {lock}: the stages would run with what was locked before"
    )


def _named(pipeline: Pipeline, stages: Sequence[Stage]) -> Iterator[tuple[str, str | None, bool]]:
    """Yield (place in the file, path, whether it is a folder) of everything that may be named; None for what is not."""
    for stage in stages:
        if stage.toolchain is not None:
            yield f"toolchains.{stage.toolchain}.requirements", pipeline.toolchains[stage.toolchain].requirements, False
    if any(stage.environment is not None for stage in stages):
        for name, one in pipeline.stand_ins.items():
            yield f"stand_ins.{name}.source", one.source, True
            yield f"toolchains.{one.toolchain}.requirements", pipeline.toolchains[one.toolchain].requirements, False
    if any(stage.uses == "release" for stage in stages):
        service = pipeline.service
        yield "service.project", service.project, True
        yield "service.requirements", service.requirements, False
        for image in service.images:
            yield f"service.images.{image.name}.dockerfile", image.dockerfile, False
    if pipeline.signing.sigstore != "off" and pipeline.signing.instance is not None:
        yield "signing.instance", pipeline.signing.instance, False
