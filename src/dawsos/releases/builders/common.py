"""The contract of an image builder, and how its program is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from dawsos.adapters.git import Commit
from dawsos.errors import ReleaseFailed
from dawsos.model.process import Command, CommandOutcome
from dawsos.model.service import Image
from dawsos.ports import Runner

_BUDGET = 600.0


@dataclass(frozen=True)
class Ran:
    """The outcome of a builder's program, and all that it printed."""

    outcome: CommandOutcome
    output: str

    @property
    def ok(self) -> bool:
        """Whether it exited 0."""
        return self.outcome.classification == "ok"


@dataclass(frozen=True)
class BuildTools:
    """Where builders are run: the runner, the environment they see, the log, a folder for their work.

    ``docker`` are the variables that select the user's Docker.  Only its client gets them: buildah
    refuses a DOCKER_CONFIG without a config.json.
    """

    runner: Runner
    environment: dict[str, str]
    log: Path
    folder: Path
    docker: dict[str, str] = field(default_factory=dict)

    async def run(self, *argv: str) -> Ran:
        """Run ``argv``; never raises for its outcome."""
        before = self.log.stat().st_size if self.log.exists() else 0
        outcome = await self.runner.run(Command(argv, str(self.folder), self.environment, str(self.log), _BUDGET))
        output = self.log.read_bytes()[before:].decode(errors="replace") if self.log.exists() else ""
        return Ran(outcome, output.strip())

    async def must(self, *argv: str) -> str:
        """Run ``argv`` and return what it printed; raises ReleaseFailed with the end of that when it fails."""
        ran = await self.run(*argv)
        if not ran.ok:
            tail = "\n    ".join(ran.output.splitlines()[-8:])
            raise ReleaseFailed(f"`{' '.join(argv[:2])}` failed:\n    {tail}", fix=f"read {self.log}")
        return ran.output


@dataclass(frozen=True)
class ImageBuild:
    """One image to be made from the folder of a release; ``root`` has its Dockerfile."""

    image: Image
    root: Path
    release: Path
    commit: Commit

    @property
    def name(self) -> str:
        """The name under which the image is kept."""
        return f"localhost/dawsos-{self.image.name}:{self.release.name[:12]}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options that every builder knows: the Dockerfile, what it is given, the folder to build from at the end."""
        created = datetime.fromtimestamp(self.commit.time, UTC).isoformat()
        given = (f"BASE={self.image.base}", f"GIT_SHA={self.commit.sha}", f"CREATED={created}")
        words = [word for one in given for word in ("--build-arg", one)]
        return (*words, "-f", str(self.root / self.image.dockerfile), str(self.release))


class Builder(Protocol):
    """Makes images with one program."""

    name: str

    async def problem(self, images: tuple[Image, ...], tools: BuildTools) -> str:
        """Return why it cannot build ``images`` on this machine, an empty string when it can."""
        ...

    async def lay_out(self, build: ImageBuild, tools: BuildTools, layout: Path) -> None:
        """Build once, from nothing, and leave the image in ``layout``, as releases/layouts.py reads it.

        Raises ReleaseFailed."""
        ...

    async def keep(self, build: ImageBuild, tools: BuildTools, layout: Path) -> None:
        """Put the image of ``layout`` into the builder's store under the name of ``build``.  Raises ReleaseFailed."""
        ...

    async def base_id(self, base: str, tools: BuildTools) -> str:
        """Return the id of the base image in the builder's store."""
        ...


def not_here(base: str) -> str:
    """Return the message for a missing base image that cannot be pulled."""
    return f"the base image {base} is not here (deploy/image/base makes it)"


def made_here(images: tuple[Image, ...]) -> list[str]:
    """Return the bases that must be here already; one that is named by its digest may be pulled."""
    return sorted({image.base for image in images if "@sha256:" not in image.base})
