"""The system's time."""

from __future__ import annotations

import time


class SystemClock:
    """Wall time, monotonic time and sleeping in the running event loop."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import asyncio  # whoever sleeps has it; who only asks for the time need not load it

        await asyncio.sleep(seconds)
