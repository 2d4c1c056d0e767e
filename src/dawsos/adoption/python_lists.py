"""Makes the lists of a Python project's toolchains and of its service, and tries with them what the first pipeline would run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dawsos.adapters import interpreters, toolchain
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.digests import sha256
from dawsos.adapters.interpreters import Interpreter
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adoption.contract import Draft
from dawsos.adoption.exporting import export
from dawsos.adoption.locks import Pin, read_pins
from dawsos.adoption.python_facts import App, PythonProject
from dawsos.adoption.python_stages import PROJECT, SERVICE, TOOLS, service_lines
from dawsos.adoption.resolving import Locked, Resolver, list_text
from dawsos.adoption.trial import Bench, Page
from dawsos.model.names import canonical_package

Say = Callable[[str], None]
_WITH = "# with "


@dataclass(frozen=True)
class Prepared:
    """The draft with what the trial found, and the text of each list by its name."""

    draft: Draft
    lists: dict[str, str]


@dataclass(frozen=True)
class Workshop:
    """The project's folder, the folder of toolchains, and who is told what takes its time.  ``kept`` says that lists which are there
    already stay as they are."""

    root: Path
    toolchains: Path
    say: Say
    kept: bool = True

    async def prepare(self, draft: Draft, project: PythonProject) -> Prepared:
        """Lock, install and try what the stages need.  Raises BadInput for what would not run, InfrastructureError."""
        python = interpreters.find(project.requires)
        lists, runs = await self._lists(project, python)
        environment = await self._made(lists[PROJECT], python)
        bench = Bench(self.root, environment)
        found = [*draft.found, ("runs on", f"Python {python.full}")]
        if project.collect:
            self.say("collecting the tests")
            found.append(("collected", f"{await bench.collect(project.collect)} tests"))
        changed = draft.changed(
            found=tuple(found),
            toolchains=tuple(
                replace(one, python=python.version if one.name == "project" else "") for one in draft.toolchains
            ),
        )
        if project.app is None:
            del lists[SERVICE]
            return Prepared(changed, lists)
        shipped = await self._service(changed, project, project.app, (bench, runs, python))
        if not shipped.service:
            del lists[SERVICE]
        return Prepared(shipped, lists)

    async def lists(self, project: PythonProject) -> dict[str, str]:
        """Return the lists alone, made anew."""
        return (await replace(self, kept=False)._lists(project, interpreters.find(project.requires)))[0]

    async def _lists(self, project: PythonProject, python: Interpreter) -> tuple[dict[str, str], set[str]]:
        """Return the text of each list, and the packages that the service runs with.  A list that is there already stays."""
        there = {name: self._text(name) for name in (TOOLS, PROJECT, SERVICE)}
        pins, run_pins = ([], []) if there[PROJECT] and there[SERVICE] else await self._pins(project)
        head = "Made by `dawsos init` for this platform" + (self._source(project) or ".")
        self.say("resolving what the stages need")
        if not there[TOOLS]:
            wanted = ["ruff", "bandit", "pip-audit", *(["sqlfluff"] if project.sql else [])]
            tools = await Resolver(self.root, toolchain.base_python()).resolve(wanted)
            there[TOOLS] = list_text(tools.values(), "Made by `dawsos init` for this platform.")
        resolver, needed = Resolver(self.root, python.path), _listed(there[PROJECT], PROJECT)
        if not there[PROJECT]:
            needed = await resolver.resolve([*project.sources, *project.tools, *project.needs], pins)
            named = f"\n{_WITH}{' '.join(project.needs)}" if project.needs else ""
            there[PROJECT] = list_text(needed.values(), head + named)
        if there[SERVICE]:
            return there, set(_listed(there[SERVICE], SERVICE))
        runs = {pin.name for pin in run_pins} & needed.keys()
        if not project.lock:
            runs = set(await resolver.resolve(_runs(project), at=needed.values()))
        there[SERVICE] = list_text(_of(needed, runs), head)
        return there, runs

    def _text(self, name: str) -> str:
        path = self.root / name
        return path.read_text(encoding="utf-8") if self.kept and path.exists() else ""

    async def _pins(self, project: PythonProject) -> tuple[list[Pin], list[Pin]]:
        if project.lock is None:
            return [], []
        self.say(f"reading {project.lock.path}")
        every = await export(self.root, project.lock, self.toolchains)
        return every, await export(self.root, project.lock, self.toolchains, tests=False)

    def _source(self, project: PythonProject) -> str:
        if project.lock is None:
            return ""
        return f", from {project.lock.path} sha256:{sha256((self.root / project.lock.path).read_bytes())}"

    async def _made(self, text: str, python: Interpreter) -> Path:
        """Return the environment of a list: the one that the first run will find made."""
        self.say("installing it")
        with tempfile.TemporaryDirectory(prefix="dawsos-init-") as folder:
            path = Path(folder) / PROJECT
            path.write_text(text)
            runner = ProcessRunner(SystemClock(), Masker())
            return await toolchain.ensure(path, self.toolchains, runner, python.version or None)

    async def _service(
        self, draft: Draft, project: PythonProject, app: App, where: tuple[Bench, set[str], Interpreter]
    ) -> Draft:
        """Return the draft with a service, when it was started and answered; else with the reason."""
        bench, runs, python = where
        if python.version:
            return _without(
                draft,
                f"releases run with the tool's own Python {interpreters.own().full}, and this needs {python.full}",
            )
        command = app.command(runs)
        if not command:
            return _without(
                draft, f"nothing that can serve {app.target} is locked: add {app.servers} to the dependencies"
            )
        self.say(f"starting {app.target}")
        sources = [str(self.root / "src"), str(self.root)]
        answered = await bench.ask(command, project.pages, sources)
        if not answered.pages:
            pages = ", ".join(project.pages)
            why = f":\n    {answered.said}" if answered.said else ""
            return _without(draft, f"{command} answers none of {pages} with 200, here and without any settings{why}")
        health, first = answered.pages[0], answered.pages[-1]
        lines = service_lines(project, command, (health.path, health.status, bool(health.version)))
        told = (*draft.found, ("health", _health(health)))
        return draft.changed(service=lines, page=first.path, found=told)


def needs_of(text: str) -> tuple[str, ...]:
    """Return the packages that a person named when a list was made."""
    return next((tuple(line.removeprefix(_WITH).split()) for line in text.splitlines() if line.startswith(_WITH)), ())


def _runs(project: PythonProject) -> list[str]:
    """Return the sources without what only the tests need: the project without its extra, its first list."""
    return [
        source.partition("[")[0] if source.startswith(".") else source
        for source in project.sources[: project.run_sources]
    ]


def _listed(text: str, name: str) -> dict[str, Locked]:
    """Return what a list that is there already has."""
    pins = read_pins(text, name)
    return {
        pin.name: Locked(pin.name, pin.requirement.partition("==")[2].partition(";")[0].strip(), pin.hashes)
        for pin in pins
    }


def _of(needed: dict[str, Locked], names: set[str]) -> list[Locked]:
    return [one for name, one in needed.items() if canonical_package(name) in names]


def _without(draft: Draft, why: str) -> Draft:
    return draft.changed(missing=(*draft.missing, f"the service is left to you: {why}"))


def _health(page: Page) -> str:
    said = f"status {page.status}" if page.status else "200"
    return f"{page.path}: {said}" + ("" if page.version else "; it names no version, so that is not checked")
