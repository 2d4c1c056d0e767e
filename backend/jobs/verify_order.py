"""`python -m jobs.verify_order`: prints the newest night as JSON; exit code 0 if its jobs ran in order, 1 if not."""

from __future__ import annotations

import json
import sys

from app.services.context import Services
from app.services.nightly import SACRED_ORDER, JobContext, order_problem
from jobs.runner import main


async def command(night: JobContext, _: Services) -> int:
    """Print the job record of the newest night and check its order."""
    runs = await night.jobs.last_night()
    problem = order_problem(runs)
    recorded = [{"seq": run.seq, "job": run.job, "status": run.status, "seconds": run.seconds} for run in runs]
    print(json.dumps({"ok": problem is None, "problem": problem, "expected": SACRED_ORDER, "recorded": recorded}))
    return 0 if problem is None else 1


if __name__ == "__main__":
    sys.exit(main(command, "Check the order of the newest night."))
