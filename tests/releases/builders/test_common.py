"""What a builder is told, and what is told of a builder that fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dawsos.adapters.git import Commit
from dawsos.errors import ReleaseFailed
from dawsos.model.process import Command, CommandOutcome
from dawsos.model.service import Image
from dawsos.releases.builders.common import BuildTools, ImageBuild, made_here

HERE = Image(name="backend", dockerfile="backend/Dockerfile", base="localhost/base")
PULLED = Image(name="worker", dockerfile="Dockerfile.worker", base="python@sha256:" + "a" * 64)


class Appends:
    """A runner that appends its command to the log and exits with ``code``."""

    def __init__(self, code: int = 0) -> None:
        self.code = code

    async def run(self, command: Command) -> CommandOutcome:
        with Path(command.log).open("a") as log:
            log.write(f"ran {' '.join(command.argv)}\n")
        return CommandOutcome("failed" if self.code else "ok", self.code, 0.1)


def test_what_a_command_printed_is_its_own_and_not_its_predecessor_s(tmp_path: Path) -> None:
    tools = BuildTools(Appends(), {}, tmp_path / "log", tmp_path)
    ran = asyncio.run(tools.run("one"))
    assert (ran.ok, ran.output) == (True, "ran one")
    assert asyncio.run(tools.must("two", "words")) == "ran two words"


def test_a_failed_build_says_which_command_and_where_to_read_on(tmp_path: Path) -> None:
    with pytest.raises(ReleaseFailed, match=r"`docker save` failed") as caught:
        asyncio.run(BuildTools(Appends(1), {}, tmp_path / "log", tmp_path).must("docker", "save", "x"))
    assert "ran docker save x" in str(caught.value)
    assert str(tmp_path / "log") in str(caught.value)


def test_a_build_names_the_release_and_gives_the_dockerfile_its_arguments(tmp_path: Path) -> None:
    order = ImageBuild(HERE, tmp_path, tmp_path / ("d" * 64), Commit("c" * 40, "subject", "Ada", 1_700_000_000, "main"))
    assert order.name == "localhost/dawsos-backend:dddddddddddd"
    assert order.arguments == (
        "--build-arg", "BASE=localhost/base", "--build-arg", f"GIT_SHA={'c' * 40}",
        "--build-arg", "CREATED=2023-11-14T22:13:20+00:00",
        "-f", str(tmp_path / "backend/Dockerfile"), str(tmp_path / ("d" * 64)),
    )  # fmt: skip


def test_only_a_base_without_a_digest_must_be_here() -> None:
    assert made_here((HERE, PULLED, HERE)) == ["localhost/base"]
