"""The synthetic load in a process of its own, so that its work delays no decision of the controller.

Run as ``python -m dawsos.adapters.load_process``.  The first line of standard input says what to send (JSON with ``url``,
``load``, ``token``); every other line is a new rate in requests a second.  The load ends when standard input closes, also when
the caller was killed.  Standard output has the line ``ready``, a line of JSON with what was seen so far every half second and, at
the end, the outcome of the load as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import dawsos
from dawsos.adapters.load import OpenLoopLoad, must_be_here
from dawsos.errors import InfrastructureError
from dawsos.model.policy import Load

_READY_WITHIN = 30.0
# Requests in flight are awaited for 5 s (see ``OpenLoopLoad.stop``); the rest is for a busy machine.
_ENDED_WITHIN = 15.0
_MODULE = "dawsos.adapters.load_process"
_TELLS_EVERY = 0.5


class LoadProcess:
    """An open-loop load that another process sends; raises BadInput for an address that is not this machine's."""

    def __init__(self, url: str, load: Load, token: str = "") -> None:
        must_be_here(url)
        self._order = {"url": url, "load": load.model_dump(mode="json"), "token": token}
        self._rate = load.rate
        self._process: asyncio.subprocess.Process | None = None
        self._heard: asyncio.Task[bytes] | None = None
        self._seen: dict[str, tuple[int, int]] = {}

    def seen(self) -> dict[str, tuple[int, int]]:
        """Return deployment -> requests that it ended and the failed ones among them, half a second old at most.

        A failed one has no whole answer, or one that is 5xx.  Under "" is what no answer told the deployment of.
        """
        return dict(self._seen)

    async def start(self) -> None:
        """Begin to send, and return when the process does.  Raises InfrastructureError when it does not begin."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", _MODULE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C is for the caller, who ends the load when it is time.
            start_new_session=True,
            cwd="/",
            env={"PATH": os.defpath, "PYTHONPATH": str(Path(dawsos.__file__).parent.parent), "LANG": "C.UTF-8"},
        )  # fmt: skip
        self._say(json.dumps(self._order))
        line = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_WITHIN):
                line = await self._process.stdout.readline()  # type: ignore[union-attr]
        if line != b"ready\n":
            output = await self._end()
            raise InfrastructureError(
                f"the load did not start: {output[1][-300:] or 'it printed nothing'}", fix="ship again"
            )
        self._heard = asyncio.create_task(self._hear(self._process.stdout))

    @property
    def rate(self) -> float:
        """Requests a second; may be changed while it runs."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        self._say(str(rate))

    async def stop(self) -> dict[str, Any]:
        """End the load; return its outcome: ``sent``, ``failed``, ``skipped``, ``seconds``, ``failures`` (what -> times), ``p95``
        in seconds.  An empty mapping when the process was killed.
        """
        printed, _ = await self._end()
        with contextlib.suppress(ValueError):
            return dict(json.loads(printed))
        return {}

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None and self._process.returncode is None:
            self._process.stdin.write(line.encode() + b"\n")

    async def _hear(self, lines: asyncio.StreamReader | None) -> bytes:
        """Read what it says until it ends; return its last line."""
        last = b""
        while lines is not None and (line := await lines.readline()):
            last = line
            with contextlib.suppress(ValueError, LookupError, AttributeError, TypeError):
                self._seen = {str(who): (int(all_), int(bad)) for who, (all_, bad) in json.loads(line)["seen"].items()}
        return last

    async def _end(self) -> tuple[str, str]:
        """Close its input, wait for it, and return what it said at last, and on its second stream."""
        process, self._process = self._process, None
        if process is None:
            return "", ""
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_ENDED_WITHIN):
                printed = await self._rest(process)
        except TimeoutError:
            process.kill()
            printed = await self._rest(process)
        return printed[0].decode(errors="replace"), printed[1].decode(errors="replace")

    async def _rest(self, process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
        if self._heard is None:
            return await process.communicate()
        last = await asyncio.shield(self._heard)
        errors = await process.stderr.read() if process.stderr is not None else b""
        await process.wait()
        return last, errors


async def _tell(load: OpenLoopLoad) -> None:
    while True:
        await asyncio.sleep(_TELLS_EVERY)
        print(json.dumps({"seen": load.seen}), flush=True)


async def _serve() -> None:
    lines = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer)
    first = await lines.readline()
    if not first:
        return
    order = json.loads(first)
    load = OpenLoopLoad(order["url"], Load.model_validate(order["load"]), order["token"])
    await load.start()
    print("ready", flush=True)
    telling = asyncio.create_task(_tell(load))
    while line := await lines.readline():
        load.rate = float(line)
    telling.cancel()
    await load.stop()
    print(json.dumps(load.outcome()), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
