"""Reads a project's lock with the tool that made it, which is installed from a list of ours and leaves the project as it is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from dawsos.adapters import toolchain
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adoption.locks import EXPORTERS, Pin, read_pins
from dawsos.adoption.python_facts import Lock
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.process import Command

_BUDGET = 300.0
TOOLS = Path(__file__).with_name("tools")
_COPIED = ("pyproject.toml", "Pipfile", "README.md", "README.rst")


async def export(root: Path, lock: Lock, toolchains: Path, *, tests: bool = True) -> list[Pin]:
    """Return what the lock pins, with what the tests need or without.

    Raises BadInput for a lock that cannot be read or no longer fits the project, InfrastructureError when its tool cannot be had.
    """
    if lock.format == "requirements":
        return read_pins((root / lock.path).read_text(encoding="utf-8"), lock.path)
    exporter, runner = EXPORTERS[lock.format], ProcessRunner(SystemClock(), Masker())
    environment = await toolchain.ensure(TOOLS / f"{lock.format}.txt", toolchains, runner)
    with tempfile.TemporaryDirectory(prefix="dawsos-init-") as name:
        folder = Path(name)
        copy = _copy(root, lock, folder / "project")
        program, *arguments = exporter.arguments(lock, tests)
        out, log = folder / "pins.txt", folder / "export.log"
        # The text goes to a file of its own: what the tool warns of is not part of it.
        check = f'"$0" {exporter.check} >&2 && ' if exporter.check else ""
        script = f'{check}"$0" "$@" > {out}'
        variables = toolchain.tool_environment(folder) | {
            "HOME": str(folder), "PDM_CHECK_UPDATE": "0", "PIPENV_IGNORE_VIRTUALENVS": "1", "UV_NO_PROGRESS": "1", "UV_NO_CONFIG": "1",
            "POETRY_VIRTUALENVS_CREATE": "false", "PATH": f"{environment / 'bin'}:{toolchain.tool_environment(folder)['PATH']}",
            "UV_PYTHON": toolchain.base_python(),
        }  # fmt: skip
        argv = ("sh", "-c", script, str(environment / "bin" / program), *arguments)
        outcome = await runner.run(Command(argv, str(copy), variables, str(log), _BUDGET))
        told = [log] if outcome.classification == "ok" else [out, log]
        said = "".join(path.read_text(errors="replace") for path in told if path.exists())
        if exporter.stale in said:
            raise BadInput(
                f"{lock.path} does not fit the project any more", fix=f"{exporter.mend}, commit it, then dawsos init"
            )
        if outcome.classification == "failed":
            shown = "\n    ".join(said.strip().splitlines()[-6:]) or outcome.message
            raise BadInput(
                f"{program} cannot read {lock.path}: {shown}", fix=f"correct it, or make it anew: {exporter.mend}"
            )
        if outcome.classification != "ok":
            raise InfrastructureError(f"{program} could not read {lock.path}: {outcome.message}", fix="try again")
        return read_pins(out.read_text(encoding="utf-8"), lock.path)


def _copy(root: Path, lock: Lock, folder: Path) -> Path:
    """Return a folder with what the tool reads.  uv builds the project where its version is dynamic, and leaves nothing in it."""
    if lock.format == "uv":
        return root
    folder.mkdir()
    for name in (*_COPIED, lock.path):
        if (root / name).is_file():
            shutil.copy2(root / name, folder / name)
    return folder
