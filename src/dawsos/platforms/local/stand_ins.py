"""Stand-ins on this machine: processes of the environment that play the external services, beside its own services.

The code is copied from the checkout, so that a stand-in runs on when the checkout is gone or changed.  Its ports are chosen once,
because releases keep the addresses that they were started with.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dawsos.adapters import toolchain
from dawsos.adapters.digests import sha256, tree_digests
from dawsos.adapters.loopback import free_ports
from dawsos.errors import InfrastructureError
from dawsos.model.process import Probe, ProcessSpec
from dawsos.platforms.contract import StandInSource
from dawsos.platforms.local.state import LOST, must_read_json, write_json
from dawsos.ports import Runner, Service

_RECORD = "stand-in.json"
_CACHES = ("__pycache__", "*.pyc")


async def stand_in_services(wanted: Sequence[StandInSource], environment: Path, runner: Runner) -> list[Service]:
    """Return each stand-in as a service of the environment that is kept in the folder ``environment``.

    Raises InfrastructureError when a toolchain cannot be made or the record of an earlier start cannot be read.
    """
    made: list[Service] = []
    for one in wanted:
        kept = None if one.fresh else _StandIn.kept(one.name, environment / "services" / one.name)
        if kept is None:
            venv = await toolchain.ensure(one.requirements, one.toolchains, runner, one.python)
            kept = _StandIn(one.name, one.command, str(venv / "bin" / "python"), one.source, one.ports, one.ready)
        made.append(kept)
    return made


@dataclass
class _StandIn:
    """Implements ``ports.Service``.  ``source`` is a copy in the stand-in's own folder once it was prepared there."""

    name: str
    command: str
    python: str
    source: Path
    ports: tuple[str, ...]
    ready: str | None

    @classmethod
    def kept(cls, name: str, folder: Path) -> _StandIn | None:
        """Return the stand-in that was prepared in ``folder``, None when there is none."""
        record = _record(folder)
        try:
            source, ready = folder / record["copy"], record["ready"]
            made = cls(name, record["command"], record["python"], source, tuple(record["ports"]), ready)
        except (KeyError, TypeError):
            return None
        return made if source.is_dir() else None

    def prepare(self, folder: Path) -> tuple[ProcessSpec, dict[str, str]]:
        """Copy the code and choose the ports where that was not done before; return the process and its ports."""
        record = _record(folder)
        ports = _choose(self.ports, record.get("ports", {}))
        copy = self.source if self.source.is_relative_to(folder) else _copied(self.source, folder)
        write_json(
            folder / _RECORD,
            {"copy": copy.name, "command": self.command, "python": self.python, "ports": ports, "ready": self.ready},
        )
        # The earlier process runs until the supervisor has replaced it.
        _remove_copies(folder, {copy.name, str(record.get("copy"))})
        variables = {name: str(port) for name, port in ports.items()}
        return replace(self, source=copy)._spec(folder, variables), variables

    def _spec(self, folder: Path, variables: Mapping[str, str]) -> ProcessSpec:
        python = (self.python, "-P")
        words = shlex.split(self.command)
        argv = tuple(part for word in words for part in (python if word in ("python", "{python}") else (word,)))
        env = {
            **toolchain.base_environment(folder),
            **variables,
            "HOST": "127.0.0.1",
            "PYTHONPATH": str(self.source),
        }
        probe = Probe("http", int(variables[self.ports[0]]), self.ready) if self.ready is not None else None
        return ProcessSpec(name=self.name, group="services", argv=argv, cwd=str(folder), env=env, ready=probe)


def _record(folder: Path) -> dict[str, Any]:
    """Return what was chosen when the stand-in was prepared in ``folder``, nothing when it never was."""
    return must_read_json(folder / _RECORD, fix=LOST)


def _choose(names: Sequence[str], kept: Mapping[str, int]) -> dict[str, int]:
    missing = [name for name in names if name not in kept]
    chosen = {**kept, **dict(zip(missing, free_ports(len(missing)), strict=True))}
    return {name: chosen[name] for name in names}


def _copied(source: Path, folder: Path) -> Path:
    """Return the copy of ``source`` below ``folder``, in a folder that its content names, made when it is not there."""
    if not source.is_dir():
        raise InfrastructureError(
            f"there is no folder {source} to run a stand-in from", fix="commit it, and ship again"
        )
    digests = tree_digests(source)
    content = "".join(f"{name} {digest}\n" for name, digest in digests.items() if not _is_cache(name))
    target = folder / f"code-{sha256(content.encode())[:16]}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="copy-", dir=folder))
        shutil.copytree(source, work, symlinks=True, ignore=shutil.ignore_patterns(*_CACHES), dirs_exist_ok=True)
        try:
            work.rename(target)
        except OSError:
            if not target.exists():
                raise
            # Another process copied the same at the same time.
            shutil.rmtree(work)
    return target


def _is_cache(name: str) -> bool:
    return name.endswith(".pyc") or "__pycache__" in name.split("/")


def _remove_copies(folder: Path, keep: set[str]) -> None:
    for path in folder.glob("co*-*"):
        if path.is_dir() and path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)
