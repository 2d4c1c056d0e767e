"""`python -m jobs.nightly [--date D]`: the six jobs in the sacred order, up to the first failure.

A date before the newest pack's is refused (exit code 2): the message says how the pack of an old date is rebuilt.
"""

from __future__ import annotations

import sys

from app.services.context import Services
from app.services.nightly import NIGHT_LOCK, Night, refuse_past, run_night
from jobs.runner import main, report, today


async def work(night: Night, services: Services) -> int:
    """Run the night and report it; a night that the worker has begun is over before this one begins."""
    async with services.mutex.hold(NIGHT_LOCK, wait=True):
        await refuse_past(night, today())
        return report(await run_night(night))


if __name__ == "__main__":
    sys.exit(main(work, "Run the six nightly jobs in order."))
