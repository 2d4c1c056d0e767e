"""The builder is chosen in the open, and what it makes is made twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.layers import layer, layout
from dawsos.adapters import oci
from dawsos.adapters.git import Commit
from dawsos.errors import InfrastructureError
from dawsos.model.process import NOT_FOUND, Command, CommandOutcome
from dawsos.model.service import Image
from dawsos.releases.builders.common import BuildTools, ImageBuild
from dawsos.releases.images import build, choose, kept
from support.images import altered, kept_image

LOCAL = (Image(name="backend", dockerfile="Dockerfile", base="localhost/dawsos-base"),)
PINNED = (Image(name="backend", dockerfile="Dockerfile", base="python@sha256:" + "a" * 64),)
BUILDAH = ("buildah --version", "buildah inspect")
DOCKER = ("docker version", "docker buildx", "docker image")


class Answers:
    """A runner whose commands succeed when they are among ``good`` (by their first two words), and else exit with ``code``."""

    def __init__(self, *good: str, says: str = "", code: int = 1) -> None:
        self.good, self.says, self.code = good, says, code

    async def run(self, command: Command) -> CommandOutcome:
        with Path(command.log).open("a") as log:
            log.write(self.says)
        works = " ".join(command.argv[:2]) in self.good
        return CommandOutcome("ok" if works else "failed", 0 if works else self.code, 0.1)


def chosen(demanded: str, images: tuple[Image, ...], runner: Answers, folder: Path) -> tuple[str, str]:
    choice = asyncio.run(choose(demanded, images, BuildTools(runner, {}, folder / "log", folder)))
    return choice.name, choice.reason


def test_the_first_that_works_and_has_the_base_is_taken(tmp_path: Path) -> None:
    assert chosen("auto", LOCAL, Answers(*DOCKER, *BUILDAH), tmp_path)[0] == "docker"
    name, why = chosen("auto", LOCAL, Answers(*BUILDAH), tmp_path)
    assert (name, "docker: no daemon answers" in why) == ("buildah", True)
    # A base named by its digest can be pulled, it need not be here.
    assert chosen("auto", PINNED, Answers(*BUILDAH[:1]), tmp_path)[0] == "buildah"
    assert chosen("auto", PINNED, Answers(*DOCKER[:2]), tmp_path)[0] == "docker"


def test_the_one_that_is_demanded_is_taken_whatever_else_works(tmp_path: Path) -> None:
    everything = Answers(*DOCKER, *BUILDAH)
    assert chosen("buildah", LOCAL, everything, tmp_path) == ("buildah", "pipeline.yaml demands it")
    assert chosen("docker", LOCAL, everything, tmp_path) == ("docker", "pipeline.yaml demands it")


@pytest.mark.parametrize(
    ("runner", "demanded", "why"),
    [
        (Answers(code=NOT_FOUND), "buildah", "buildah: not installed"),
        (Answers(says="cannot start: no user namespace"), "buildah", "buildah: does not work: cannot start"),
        (Answers(says="overlay is not supported"), "buildah", "buildah: does not work: overlay is not supported"),
        (Answers("buildah --version"), "buildah", "buildah: the base image localhost/dawsos-base is not here"),
        (Answers(code=NOT_FOUND), "docker", "docker: not installed"),
        (Answers(says="the service cannot start"), "docker", "docker: no daemon answers: the service cannot start"),
        (Answers(says="permission denied"), "docker", "docker: no daemon answers: permission denied"),
        (Answers("docker version"), "docker", "docker: there is no buildx"),
        (Answers(*DOCKER[:2]), "docker", "docker: the base image localhost/dawsos-base is not here"),
    ],
)
def test_without_it_the_bundle_alone_is_made_and_the_reason_told(
    runner: Answers, demanded: str, why: str, tmp_path: Path
) -> None:
    builder, reason = chosen("auto", LOCAL, runner, tmp_path)
    assert (builder, why in reason) == ("bundle", True)
    with pytest.raises(InfrastructureError, match=f"demands {why}"):
        chosen(demanded, LOCAL, runner, tmp_path)


def test_a_demanded_bundle_asks_nobody(tmp_path: Path) -> None:
    asked = Answers(*DOCKER, *BUILDAH)
    assert chosen("bundle", LOCAL, asked, tmp_path) == ("bundle", "pipeline.yaml demands it")
    assert chosen("auto", (), asked, tmp_path) == ("bundle", "service.images names none")


@pytest.mark.parametrize("base", ["python:3.12-slim", "python", "python@sha256:short", "docker.io/python:3"])
def test_a_base_that_may_change_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Image(name="backend", dockerfile="Dockerfile", base=base)


class Mason:
    """A builder whose second build differs by a byte when it is ``sloppy``."""

    name = "mason"

    def __init__(self, *, sloppy: bool = False) -> None:
        self.sloppy, self.built, self.kept = sloppy, 0, ""

    async def problem(self, images: tuple[Image, ...], tools: BuildTools) -> str:
        return ""

    async def lay_out(self, build: ImageBuild, tools: BuildTools, folder: Path) -> None:
        self.built += 1
        folder.mkdir()
        layout(folder, layer(folder, {"app/x": (1 + self.built * self.sloppy, 0o644)}), host="")

    async def keep(self, build: ImageBuild, tools: BuildTools, folder: Path) -> None:
        self.kept = build.name

    async def base_id(self, base: str, tools: BuildTools) -> str:
        return f"id of {base}"


@pytest.mark.parametrize(("sloppy", "different"), [(False, 1), (True, 2)])
def test_an_image_is_built_twice_and_the_digests_of_both_are_told(sloppy: bool, different: int, tmp_path: Path) -> None:
    mason = Mason(sloppy=sloppy)
    wanted = ImageBuild(
        LOCAL[0], tmp_path, tmp_path / ("d" * 64), Commit("c" * 40, "subject", "Ada", 1_700_000_000, "main")
    )
    store = tmp_path / "images"
    facts = asyncio.run(build(mason, wanted, BuildTools(Answers(), {}, tmp_path / "log", tmp_path), store))
    assert mason.built == 2
    assert len(set(facts["digests"])) == different
    assert (mason.kept, facts["tag"]) == ("localhost/dawsos-backend:dddddddddddd",) * 2
    assert (facts["builder"], facts["base_id"], facts["name"]) == ("mason", "id of localhost/dawsos-base", "backend")
    (image,) = kept(store, {"backend": facts["digests"][0]})
    assert (image.name, image.digest, image.layout) == ("backend", facts["digests"][0], store)


def test_where_no_image_runs_none_is_kept(tmp_path: Path) -> None:
    wanted = ImageBuild(
        LOCAL[0], tmp_path, tmp_path / ("d" * 64), Commit("c" * 40, "subject", "Ada", 1_700_000_000, "main")
    )
    asyncio.run(build(Mason(), wanted, BuildTools(Answers(), {}, tmp_path / "log", tmp_path)))
    assert not (tmp_path / "images").exists()


def test_an_altered_image_of_a_release_is_refused_by_its_name(tmp_path: Path) -> None:
    image = kept_image(tmp_path / "images")
    altered(oci.read_manifest(image.layout, image.digest).blobs[1].path)
    with pytest.raises(InfrastructureError, match=r"backend: image sha256:.* was altered after it was built"):
        kept(image.layout, {"backend": image.digest})
