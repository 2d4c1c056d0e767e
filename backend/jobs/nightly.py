"""`python -m jobs.nightly [--date D]`: runs the six nightly jobs in order, up to the first failure.

It refuses a date before the newest pack's with exit code 2; the message has the commands that rebuild an old pack.
"""

from __future__ import annotations

import sys

from app.services.context import Services
from app.services.nightly import NIGHT_LOCK, JobContext, refuse_past, run_night
from jobs.runner import main, report, today


async def command(night: JobContext, services: Services) -> int:
    """Run the six jobs and report them; a night that the worker runs ends before this one begins."""
    async with services.mutex.hold(NIGHT_LOCK, wait=True):
        await refuse_past(night, today())
        return report(await run_night(night))


if __name__ == "__main__":
    sys.exit(main(command, "Run the six nightly jobs in order."))
