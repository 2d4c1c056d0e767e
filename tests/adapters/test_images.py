"""The builder is chosen in the open, and an image is described from its own layers."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.images import Shop, choose, image_facts, manifest_digest, normalise
from dawsos.errors import InfrastructureError
from dawsos.model.pipeline import Image
from dawsos.model.process import Command, CommandOutcome

LOCAL = (Image(name="backend", dockerfile="Dockerfile", base="localhost/dawsos-base"),)
PINNED = (Image(name="backend", dockerfile="Dockerfile", base="python@sha256:" + "a" * 64),)


class Answers:
    """A runner whose commands succeed when they are among ``good`` (by their second word)."""

    def __init__(self, *good: str, says: str = "") -> None:
        self.good, self.says = good, says

    async def run(self, command: Command) -> CommandOutcome:
        Path(command.log).write_text(self.says)
        works = command.argv[1] in self.good
        return CommandOutcome("ok" if works else "failed", 0 if works else 1, 0.1)


def chosen(demanded: str, images: tuple[Image, ...], runner: Answers, folder: Path) -> tuple[str, str]:
    choice = asyncio.run(choose(demanded, images, Shop(runner, {}, folder / "log", folder)))
    return choice.builder, choice.reason


def test_buildah_is_taken_where_it_works_and_has_the_base(tmp_path: Path) -> None:
    assert chosen("auto", LOCAL, Answers("--version", "inspect"), tmp_path)[0] == "buildah"
    # A base named by its digest can be pulled, it need not be here.
    assert chosen("auto", PINNED, Answers("--version"), tmp_path)[0] == "buildah"


@pytest.mark.parametrize(
    ("runner", "why"),
    [
        (Answers(says="cannot start buildah: no such file"), "buildah is not installed"),
        (Answers(says="overlay is not supported"), "buildah does not work: overlay is not supported"),
        (Answers("--version"), "the base image localhost/dawsos-base is not here"),
    ],
)
def test_without_it_the_bundle_alone_is_made_and_the_reason_told(runner: Answers, why: str, tmp_path: Path) -> None:
    builder, reason = chosen("auto", LOCAL, runner, tmp_path)
    assert (builder, why in reason) == ("bundle", True)
    with pytest.raises(InfrastructureError, match=r"demands buildah"):
        chosen("buildah", LOCAL, runner, tmp_path)


def test_a_demanded_bundle_asks_nobody(tmp_path: Path) -> None:
    assert chosen("bundle", LOCAL, Answers("--version", "inspect"), tmp_path) == ("bundle", "pipeline.yaml demands it")


@pytest.mark.parametrize("base", ["python:3.12-slim", "python", "python@sha256:short", "docker.io/python:3"])
def test_a_base_that_may_change_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Image(name="backend", dockerfile="Dockerfile", base=base)


def layer(folder: Path, files: dict[str, tuple[int, int]], links: dict[str, str] | None = None) -> dict[str, Any]:
    """Write a layer with ``files``, path -> (bytes, mode), and return its entry in the manifest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (size, mode) in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = size, mode
            archive.addfile(info, io.BytesIO(b"x" * size))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return blob(folder, buffer.getvalue())


def blob(folder: Path, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def layout(folder: Path, *layers: dict[str, Any], host: str = "a1b2") -> Path:
    config = {
        "container": host * 16,
        "config": {"Hostname": host, "User": "65532", "Labels": {"a": "b"}, "Healthcheck": {"Test": ["CMD", "true"]}},
        "container_config": {"Hostname": host},
        "history": [{"created_by": "COPY"} for _ in layers],
    }
    told = blob(folder, json.dumps(config).encode())
    (folder / "manifest.json").write_text(json.dumps({"config": told, "layers": list(layers)}))
    return folder


def test_facts_are_those_of_the_layers_laid_over_one_another(tmp_path: Path) -> None:
    below = layer(
        tmp_path,
        {
            "bin/bash": (10, 0o755),
            "usr/bin/python3": (5000, 0o755),
            "usr/share/doc/sh": (3, 0o644),
            "opt/old/x": (9, 0o644),
        },
        {"bin/sh": "dash"},
    )
    above = layer(
        tmp_path,
        {
            "bin/.wh.bash": (0, 0),
            "opt/.wh.old": (0, 0),
            "app/site/PIL/a": (700, 0o644),
            "app/site/six-1.0.dist-info/R": (9, 0o644),
        },
    )
    facts = image_facts(layout(tmp_path, below, above))
    # A link to a shell is one; a document of that name is not; what a later layer took away is gone.
    assert facts["shells"] == ["bin/sh"]
    assert facts["bytes"] == below["size"] + above["size"]
    assert facts["packages"] == [
        {"name": "base", "bytes": 5003},
        {"name": "PIL", "bytes": 700},
        {"name": "six", "bytes": 9},
    ]
    assert (facts["user"], facts["labels"], facts["healthcheck"]) == ("65532", {"a": "b"}, ["CMD", "true"])
    assert facts["layers"][0]["command"] == "COPY"


def test_two_builds_differ_by_more_than_their_container_or_not_at_all(tmp_path: Path) -> None:
    digests = []
    for host, size in (("a1b2", 1), ("c3d4", 1), ("c3d4", 2)):
        folder = tmp_path / f"{host}-{size}"
        folder.mkdir()
        normalise(layout(folder, layer(folder, {"file": (size, 0o644)}), host=host))
        digests.append(manifest_digest(folder))
        assert image_facts(folder)["user"] == "65532"
    assert digests[0] == digests[1] != digests[2]
