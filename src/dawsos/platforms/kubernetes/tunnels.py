"""Tunnels from this machine to Services and pods of a cluster, by the user's kubectl, for what runs here.

Each is a ``kubectl port-forward`` under the tool's reaper: it ends when it is closed, and with the tool, also when that is killed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dawsos.adapters.files import tail
from dawsos.adapters.reapers import under_reaper
from dawsos.errors import InfrastructureError
from dawsos.ports import Clock

_WITHIN, _POLL, _GRACE = 20.0, 0.05, 2.0
_LISTENING = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) -> ", re.MULTILINE)


@dataclass(frozen=True)
class _Tunnel:
    port: int
    process: subprocess.Popen[bytes]


@dataclass
class Tunnels:
    """Tunnels to the Services of one namespace, and to its pods (``pod/NAME``).

    ``kubectl`` is the beginning of the command, with the context and the namespace, ``env`` what it gets; ``folder`` gets a log
    for each.
    """

    kubectl: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    clock: Clock
    _open: dict[tuple[str, int], _Tunnel] = field(default_factory=dict)

    async def open(self, service: str, port: int) -> int:
        """Return the port of 127.0.0.1 that leads to ``port`` of ``service``; a tunnel that is there is kept.

        Raises InfrastructureError with kubectl's words when it does not come up.
        """
        held = self._open.pop((service, port), None)
        if held is not None and held.process.poll() is not None:
            # kubectl ends when the pod that it talks to is gone.
            _end(held.process)
            held = None
        if held is None:
            held = await self._forward(service, port)
        self._open[service, port] = held
        return held.port

    def close(self) -> None:
        """End every tunnel."""
        while self._open:
            _end(self._open.popitem()[1].process)

    async def _forward(self, service: str, port: int) -> _Tunnel:
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"tunnel-{service.replace('/', '-')}-{port}.log"
        target = service if "/" in service else f"service/{service}"
        argv = (*self.kubectl, "port-forward", "--address", "127.0.0.1", target, f":{port}")
        with log.open("wb") as output:
            process = subprocess.Popen(
                under_reaper(argv, _GRACE), env=dict(self.env), stdin=subprocess.PIPE, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            return _Tunnel(await self._port(f"{service}:{port}", log, process), process)
        except BaseException:
            _end(process)
            raise

    async def _port(self, where: str, log: Path, process: subprocess.Popen[bytes]) -> int:
        """Return the port that kubectl says it listens on; raises InfrastructureError when it says something else."""
        deadline = self.clock.monotonic() + _WITHIN
        while True:
            over = process.poll() is not None
            text = "\n".join(tail(log, 20))
            found = _LISTENING.search(text)
            if found and not over:
                return int(found[1])
            if over or self.clock.monotonic() > deadline:
                words = text.strip() or f"it did not listen within {_WITHIN:g} s"
                raise InfrastructureError(
                    f"kubectl port-forward to {where} failed: {words}",
                    fix="kubectl get endpointslices, kubectl auth can-i",
                )
            await self.clock.sleep(_POLL)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.wait()
