"""Refuses a pipeline that names a missing file, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dawsos.errors import BadInput
from dawsos.model.pipeline import Pipeline, Stage


def must_have_files(pipeline: Pipeline, stages: Sequence[Stage], root: Path, where: str = "") -> None:
    """Raise BadInput with one line for each file that ``stages`` name and ``root`` does not have.

    ``where`` says in the message what ``root`` is: a file that was not committed is still in the working tree.
    """
    problems = []
    for place, name, is_folder in dict.fromkeys(_named(pipeline, stages)):
        if name is not None and not ((root / name).is_dir() if is_folder else (root / name).is_file()):
            problems.append(f"pipeline.yaml: {place}: there is no {'folder' if is_folder else 'file'} {name}{where}")
    if problems:
        raise BadInput("\n".join(problems), fix="correct the path, or commit what is missing")


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
