"""Tries what a first pipeline would run, before it is written: the tests are collected, the service is started and asked."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters import http, toolchain
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.loopback import free_ports
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.process import Command, CommandOutcome

_COLLECTING, _STARTING = 600.0, 60.0
_SHOWN = 8


@dataclass(frozen=True)
class Page:
    """A page of the service that answered 200; ``status`` and ``version`` are those of its JSON, where it has them."""

    path: str
    status: str = ""
    version: str = ""


@dataclass(frozen=True)
class Answered:
    """What the service answered: its health page, and all pages with 200; ``said`` is the end of its output without any."""

    pages: tuple[Page, ...]
    said: str = ""


@dataclass(frozen=True)
class Bench:
    """Where commands are tried: the project's folder, and the environment whose programs come first."""

    root: Path
    environment: Path

    def variables(self, home: Path) -> dict[str, str]:
        """Return what the steps of a stage get, as far as it is known before there is a run."""
        base = toolchain.base_environment(home)
        return base | {
            "PATH": f"{self.environment / 'bin'}:{base['PATH']}", "VIRTUAL_ENV": str(self.environment),
            "PROJECT": str(self.root), "GIT_SHA": "0" * 40, "SOURCE_DATE_EPOCH": "0",
        }  # fmt: skip

    async def collect(self, command: str) -> int:
        """Return how many tests ``command`` collects.

        Raises BadInput when it cannot, or finds none, and InfrastructureError when the machine does not let it.
        """
        with tempfile.TemporaryDirectory(prefix="dawsos-init-") as name:
            home = Path(name)
            outcome, said = await self._run(command, home, _COLLECTING)
        if outcome.classification == "infrastructure":
            raise InfrastructureError(f"the tests could not be collected: {outcome.message}", fix="try again")
        if outcome.exit_code == 0 and (count := collected(said)):
            return count
        raise _refusal(said, outcome)

    async def _run(self, command: str, home: Path, budget: float) -> tuple[CommandOutcome, str]:
        log = home / "log"
        runner = ProcessRunner(SystemClock(), Masker())
        outcome = await runner.run(
            Command(("sh", "-eu", "-c", command), str(self.root), self.variables(home), str(log), budget)
        )
        return outcome, log.read_text(errors="replace") if log.exists() else ""

    async def ask(self, command: str, pages: Sequence[str], path: Sequence[str]) -> Answered:
        """Start the service by ``command`` with ``path`` as PYTHONPATH, and return what answers; it is stopped again."""
        (port,) = free_ports(1)
        with tempfile.TemporaryDirectory(prefix="dawsos-init-") as name:
            home = Path(name)
            log = home / "log"
            variables = self.variables(home) | {"HOST": "127.0.0.1", "PORT": str(port), "PYTHONPATH": ":".join(path)}
            runner = ProcessRunner(SystemClock(), Masker())
            service = asyncio.create_task(
                runner.run(Command(("sh", "-eu", "-c", command), str(self.root), variables, str(log), _STARTING + 60))
            )
            try:
                found = await _answers(f"http://127.0.0.1:{port}", pages, service)
            finally:
                service.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await service
            said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
            return Answered(found, "" if found else "\n    ".join(said[-3:]))


async def _answers(url: str, pages: Sequence[str], service: asyncio.Task[CommandOutcome]) -> tuple[Page, ...]:
    """Return the pages that answer 200 once the service listens; none when it ends, or does not listen in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _STARTING
    while loop.time() < deadline and not service.done():
        answers = [await http.get(f"{url}{page}", timeout=5.0) for page in pages]
        if any(answer["status_code"] for answer in answers):
            return tuple(
                _page(page, one["body"]) for page, one in zip(pages, answers, strict=True) if one["status_code"] == 200
            )
        await asyncio.sleep(0.1)
    return ()


def _page(path: str, body: Any) -> Page:
    if not isinstance(body, dict):
        return Page(path)
    values = {key: body[key] for key in ("status", "version") if isinstance(body.get(key), str)}
    return Page(path, **values)


def collected(said: str) -> int:
    """Return how many tests pytest says that it collected and selected, whatever verbosity the project asks for."""
    if match := re.search(r"^=*\s*(\d+)(?:/\d+)? tests? collected", said, re.MULTILINE):
        return int(match[1])
    return sum(int(number) for number in re.findall(r"^\S+\.\w+: (\d+)$", said, re.MULTILINE))


def _refusal(said: str, outcome: CommandOutcome) -> BadInput:
    missing = sorted(set(re.findall(r"ModuleNotFoundError: No module named '(\w+)", said)))
    unknown = re.search(r"unrecognized arguments: (.*)", said)
    places = list(dict.fromkeys(re.findall(r"^ERROR ((?!:)\S+\.py)", said, re.MULTILINE)))
    where = f" in {', '.join(places[:3])}{' and others' if len(places) > 3 else ''}" if places else ""
    if missing:
        return BadInput(
            f"the tests cannot be collected{where}: no module named {', '.join(missing)}",
            fix=f"say which packages have them: dawsos init --with {' --with '.join(missing)}; or choose tests: --tests PATH",
        )
    if unknown:
        return BadInput(
            f"the project gives pytest options that it does not know: {unknown[1]}",
            fix="say which plugin has them, for example: dawsos init --with pytest-xdist",
        )
    if outcome.classification == "timeout":
        return BadInput(f"the tests were not collected within {_COLLECTING:g} s", fix="choose them: --tests PATH")
    if outcome.exit_code == 5 or (outcome.exit_code == 0 and not collected(said)):
        return BadInput(
            "pytest finds no tests where they should be", fix="say where they are: --tests PATH, or --tests none"
        )
    lines = [line for line in said.splitlines() if re.match(r"E  |ERROR|\s*error", line)] or said.splitlines()
    shown = "\n    ".join(line.strip() for line in lines[-_SHOWN:])
    return BadInput(
        f"the tests cannot be collected{where}:\n    {shown}",
        fix="mend that, or choose tests: --tests PATH, or --tests none",
    )
