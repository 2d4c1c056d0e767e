"""Services for one stage: they run in a temporary folder and are removed with it, also when this process is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from dawsos.adapters.files import tail
from dawsos.adapters.probes import is_ready
from dawsos.adapters.reapers import under_reaper
from dawsos.adapters.scratch import owned_folder
from dawsos.adapters.services.common import EPHEMERAL_PREFIX, remove_outside
from dawsos.errors import InfrastructureError
from dawsos.model.process import ProcessSpec
from dawsos.ports import Service

_READY_WITHIN = 30.0


@asynccontextmanager
async def services(wanted: Sequence[Service], parent: Path) -> AsyncIterator[dict[str, str]]:
    """Run ``wanted`` and yield the variables their users need.  Raises InfrastructureError when one does not come up."""
    variables: dict[str, str] = {}
    if not wanted:
        yield variables
        return
    with owned_folder(Path(tempfile.gettempdir()), EPHEMERAL_PREFIX) as folder:
        # A service may run as another user, who has to reach its own folder below this one.
        folder.chmod(0o711)
        try:
            async with AsyncExitStack() as stack:
                for service in wanted:
                    home = folder / service.name
                    home.mkdir(mode=0o755)
                    spec, extra = await asyncio.to_thread(service.prepare, home)
                    await stack.enter_async_context(_running(spec, parent / f"{service.name}.log"))
                    variables |= extra
                yield variables
        finally:
            remove_outside(folder)


@asynccontextmanager
async def _running(spec: ProcessSpec, log: Path) -> AsyncIterator[None]:
    reader, writer = os.pipe()
    log.parent.mkdir(parents=True, exist_ok=True)
    user = spec.user if os.geteuid() == 0 else None
    with log.open("ab") as stream:
        process = await asyncio.create_subprocess_exec(
            *under_reaper(spec.argv, spec.stop_grace, user),
            cwd=spec.cwd,
            env=spec.env,
            stdin=reader,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    os.close(reader)
    try:
        await _ready(spec, process, log)
        yield
    finally:
        # The reaper ends the service when the pipe closes, which it also does should we be killed before this line.
        os.close(writer)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(spec.stop_grace + 10):
                await process.wait()
        if process.returncode is None:
            process.kill()


async def _ready(spec: ProcessSpec, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + _READY_WITHIN
    while spec.ready is not None:
        if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
            output = "\n    ".join(tail(log, 8))
            raise InfrastructureError(f"{spec.name} did not come up:\n    {output}", fix=f"read {log}")
        if await asyncio.to_thread(is_ready, spec.ready):
            return
        await asyncio.sleep(0.05)
