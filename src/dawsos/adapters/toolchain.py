"""Python environments for steps, one for each hash-locked requirements file, shared by all runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

from dawsos.adapters import interpreters, pip
from dawsos.adapters.digests import sha256
from dawsos.adapters.locks import FileLock
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.process import Command
from dawsos.ports import Runner

_BUDGET = 900.0


def base_python() -> str:
    """Return the interpreter outside any virtual environment, with which releases run."""
    return interpreters.own().path


def python_version() -> str:
    """Return what a build depends on: implementation, version and platform."""
    return f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}-{sys.platform}"


def lock_digest(requirements: Path, python: str | None = None) -> str:
    """Return the digest that names the environment of a requirements file with the Python of a version, else the tool's own.

    Raises BadInput when there is no such file, InfrastructureError when there is no such Python.
    """
    try:
        content = requirements.read_bytes()
    except OSError as error:
        raise BadInput(
            f"cannot read {requirements}: {error.strerror}", fix="correct the path in pipeline.yaml"
        ) from error
    version = python_version() if python is None else f"python-{interpreters.chosen(python).full}-{sys.platform}"
    return sha256(content + version.encode())


def tool_environment(home: Path) -> dict[str, str]:
    """Return the environment for pip and venv: the caller's proxies and pip settings, nothing else."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key.startswith(("PIP_", "SSL_"))
        or key.lower() in ("http_proxy", "https_proxy", "no_proxy", "requests_ca_bundle")
    }
    return {
        "PATH": os.defpath + ":/usr/local/bin",
        "HOME": os.environ.get("HOME", str(home)),
        "LANG": "C.UTF-8",
        **kept,
    }


def base_environment(home: Path) -> dict[str, str]:
    """Return the environment that every process of a release gets; it has no other variable of the caller."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


async def ensure(requirements: Path, folder: Path, runner: Runner, python: str | None = None) -> Path:
    """Return the folder of the virtual environment for ``requirements``, made below ``folder`` when missing; ``python`` is the
    version of its interpreter, the tool's own without.

    Raises BadInput for a file that is missing or that locks what cannot be had, and InfrastructureError when it cannot be made
    here; both with pip's words.
    """
    # The scripts of an environment contain its path, and a link to a shared folder may go away before the folder.
    folder = folder.resolve()
    target = folder / lock_digest(requirements, python)[:16]
    if (target / "ready").exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{target.name}.lock") as lock:
        # Two stages that start together need the same environment once.  No deadline: the holder's pip has a budget.
        while not lock.take(0):
            await asyncio.sleep(0.1)
        if not (target / "ready").exists():
            await _make(requirements, target, runner, interpreters.chosen(python).path)
    return target


async def _make(requirements: Path, target: Path, runner: Runner, interpreter: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
    log = target.parent / f"{target.name}.log"
    detailed = target.parent / f"{target.name}.debug"
    for path in (log, detailed):
        path.unlink(missing_ok=True)
    environment = tool_environment(target.parent)
    python = target / "bin" / "python"
    # The lock lists everything, so pip must not resolve again: with "coverage[toml]" wanted by a locked package and
    # "coverage" locked without the extra, its resolver tries the newest coverage first and refuses the lock on the day
    # a newer one is published.  ``pip check`` then says whether the lock is complete.
    commands = (
        (interpreter, "-m", "venv", str(target)),
        (
            str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input",
            "--no-compile", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--log", str(detailed),
            "-r", str(requirements),
        ),
        (str(python), "-m", "pip", "--disable-pip-version-check", "check"),
    )  # fmt: skip
    for argv in commands:
        outcome = await runner.run(Command(argv, str(requirements.parent), environment, str(log), _BUDGET))
        if outcome.classification != "ok":
            output = pip.said_in(log)
            why = "\n    ".join(pip.error_of(output)) or outcome.message
            shutil.rmtree(target, ignore_errors=True)
            failed = f"cannot make the toolchain of {requirements.name}: {why}"
            # ``pip check`` says that the lock lacks something.
            if outcome.classification == "failed" and (
                argv[-1] == "check" or pip.is_of_the_commit(output, pip.said_in(detailed))
            ):
                raise BadInput(failed, fix=f"correct {requirements.name}; pip's words are in {log}")
            raise InfrastructureError(
                failed, fix=f"read {log}; is the package registry reachable? On Debian: apt install python3-venv"
            )
    # pip compiles on one core, and this is a third of its time.  What cannot be compiled (a template, a file for another Python)
    # pip leaves as it is, too.
    compiling = (str(python), "-m", "compileall", "-q", "-j", "0", str(target / "lib"))
    await runner.run(Command(compiling, str(requirements.parent), environment, str(log), _BUDGET))
    detailed.unlink(missing_ok=True)
    (target / "ready").touch()
