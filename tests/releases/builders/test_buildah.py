"""buildah is asked for the same image twice: from nothing, at the commit's time, without a daemon."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from adapters.layers import layer, layout
from dawsos.adapters.git import Commit
from dawsos.model.process import Command, CommandOutcome
from dawsos.model.service import Image
from dawsos.releases.builders.buildah import Buildah
from dawsos.releases.builders.common import BuildTools, ImageBuild

IMAGE = Image(name="backend", dockerfile="Dockerfile", base="localhost/base")


class Recorder:
    """A runner that notes its commands, and lays out an image where buildah is told to push one."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []

    async def run(self, command: Command) -> CommandOutcome:
        self.commands.append(command.argv)
        target = command.argv[-1].removeprefix("dir:")
        if command.argv[1] == "push":
            folder = Path(target)
            folder.mkdir()
            layout(folder, layer(folder, {"app/x": (1, 0o644)}))
        with Path(command.log).open("a") as log:
            log.write("warning\nfeedbeef\n")
        return CommandOutcome("ok", 0, 0.1)


def test_a_build_is_from_nothing_at_the_commit_s_time_and_leaves_no_container_s_name(tmp_path: Path) -> None:
    runner = Recorder()
    tools = BuildTools(runner, {}, tmp_path / "log", tmp_path)
    order = ImageBuild(
        IMAGE, tmp_path, tmp_path / ("d" * 64), Commit("c" * 40, "subject", "Ada", 1_700_000_000, "main")
    )
    asyncio.run(Buildah().lay_out(order, tools, tmp_path / "one"))
    build = runner.commands[0]
    assert build[:2] == ("buildah", "bud")
    assert "--no-cache" in build
    assert build[build.index("--timestamp") + 1] == "1700000000"
    # What was built is not left in the store under its working name.
    assert runner.commands[-1] == ("buildah", "rmi", f"{order.name}-raw")
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    config = (tmp_path / "one" / manifest["config"]["digest"].removeprefix("sha256:")).read_text()
    assert "a1b2" not in config

    asyncio.run(Buildah().keep(order, tools, tmp_path / "one"))
    # The id is the last line of what was printed; warnings may stand before it.
    *_, tag = runner.commands
    assert tag == ("buildah", "tag", "feedbeef", order.name)
