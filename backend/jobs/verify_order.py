"""`python -m jobs.verify_order`: prints the newest night as JSON; exit code 0 if its jobs ran in order, 1 if not.

A night that is running is waited for: before its last job it would be found out of order.
"""

from __future__ import annotations

import json
import sys
from datetime import date

from app.services.context import Services
from app.services.nightly import NIGHT_LOCK, SACRED_ORDER, order_problem
from jobs.runner import main


async def command(_: date | None, services: Services) -> int:
    """Print the job record of the newest night and check its order."""
    async with services.mutex.hold(NIGHT_LOCK, wait=True):
        runs = await services.jobs.last_night()
    problem = order_problem(runs)
    recorded = [{"seq": run.seq, "job": run.job, "status": run.status, "seconds": run.seconds} for run in runs]
    print(json.dumps({"ok": problem is None, "problem": problem, "expected": SACRED_ORDER, "recorded": recorded}))
    return 0 if problem is None else 1


if __name__ == "__main__":
    sys.exit(main(command, "Check the order of the newest night."))
