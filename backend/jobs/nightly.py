"""`python -m jobs.nightly [--date D]`: runs the six nightly jobs in order, up to the first failure.

It refuses a date before the newest pack's with exit code 2; the message has the commands that rebuild an old pack.
"""

from __future__ import annotations

import sys
from datetime import date

from app.services.context import Services
from app.services.nightly import NIGHT_LOCK, refuse_past, run_night
from jobs.runner import main, report, today


async def command(asof: date | None, services: Services) -> int:
    """Run the six jobs and report them; a night that the worker runs ends before this one begins."""
    async with services.mutex.hold(NIGHT_LOCK, wait=True):
        # Under the lock: midnight may pass while this night waits for another, and yesterday would be refused.
        now = today()
        night = services.night(asof or now)
        await refuse_past(night, now)
        return report(await run_night(night))


if __name__ == "__main__":
    sys.exit(main(command, "Run the six nightly jobs in order."))
