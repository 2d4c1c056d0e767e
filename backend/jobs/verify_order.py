"""`python -m jobs.verify_order`: prints the newest night as JSON; 0 if it kept the sacred order, 1 if not."""

from __future__ import annotations

import json
import sys

from app.services.context import Services
from app.services.nightly import SACRED_ORDER, Night, order_problem
from jobs.runner import main


async def work(night: Night, _: Services) -> int:
    """Read the record and judge it."""
    runs = await night.jobs.last_night()
    problem = order_problem(runs)
    recorded = [{"seq": run.seq, "job": run.job, "status": run.status, "seconds": run.seconds} for run in runs]
    print(json.dumps({"ok": problem is None, "problem": problem, "expected": SACRED_ORDER, "recorded": recorded}))
    return 0 if problem is None else 1


if __name__ == "__main__":
    sys.exit(main(work, "Check the order of the newest night."))
