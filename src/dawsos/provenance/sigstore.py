"""Keyless signatures (sigstore): the job's identity from the CI service, and the library's process that signs and verifies.

The library is large and few need it, so it has an environment of its own, locked in ``sigstore.txt`` beside this file and made
when it is first needed, like the toolchains of a project.  Nothing here uses the network unless there is an identity to sign
with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos.adapters import toolchain
from dawsos.adapters.files import tail
from dawsos.adapters.scratch import owned_folder
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.process import Command
from dawsos.ports import Runner

LOCK = Path(__file__).with_name("sigstore.txt")
CHILD = Path(__file__).with_name("sigstore_child.py")
_BUDGET = 90.0


@dataclass(frozen=True)
class Keyless:
    """``home`` is the project's folder of state, ``toolchains`` where environments are made; ``instance`` a file that describes the
    sigstore servers (a client trust config), None for the public ones."""

    home: Path
    toolchains: Path
    runner: Runner
    instance: Path | None = None

    async def sign(self, statement: str, variables: Mapping[str, str]) -> dict[str, str]:
        """Sign ``statement`` with the identity in ``variables``; return ``bundle``, ``identity`` and ``issuer``.

        Raises InfrastructureError when a server refuses or cannot be reached.
        """
        environment = {**toolchain.tool_environment(self._home), **variables}
        answer = await self._ask({"verb": "sign", "statement": statement}, environment)
        if "error" in answer:
            raise InfrastructureError(f"sigstore did not sign: {_first_line(answer['error'])}", fix=_FIX)
        return answer

    async def verify(self, bundle: str, identity: str, issuer: str) -> dict[str, str]:
        """Check ``bundle`` without the network; return ``payload`` (base64), ``identity`` and ``issuer``, or why it is
        ``refused``.

        Raises InfrastructureError when it cannot be checked here.
        """
        request = {"verb": "verify", "bundle": bundle, "identity": identity, "issuer": issuer}
        answer = await self._ask(request, toolchain.base_environment(self._home))
        return {**answer, "refused": _first_line(answer["refused"])} if "refused" in answer else answer

    @property
    def _home(self) -> Path:
        """Where the library keeps what it learned of the public servers."""
        return self.home / "keyless"

    async def _ask(self, request: dict[str, Any], environment: dict[str, str]) -> dict[str, str]:
        """Give ``request`` to the library's process and return its answer."""
        if self.instance is not None and not self.instance.is_file():
            raise BadInput(f"there is no {self.instance}", fix="correct signing.instance in pipeline.yaml")
        venv = await toolchain.ensure(LOCK, self.toolchains, self.runner)
        with owned_folder(self._home, "request-") as folder:
            given, answer, log = folder / "request.json", folder / "answer.json", folder / "log"
            given.write_text(json.dumps({**request, "instance": str(self.instance or "")}))
            argv = (str(venv / "bin" / "python"), "-I", str(CHILD), str(given), str(answer))
            environment = {**environment, "HOME": str(self._home)}
            outcome = await self.runner.run(Command(argv, str(folder), environment, str(log), _BUDGET))
            if outcome.classification != "ok":
                output = tail(log, 1)
                raise InfrastructureError(
                    f"sigstore could not {request['verb']}: {outcome.message}{''.join(f'; {line}' for line in output)}",
                    fix=_FIX,
                )
            return {str(key): str(value) for key, value in json.loads(answer.read_text()).items()}


_FIX = "are the sigstore servers reachable, and may the job have an identity (on GitHub: permissions: id-token: write)?"


def _first_line(text: str) -> str:
    return " ".join(text.split())[:400]
