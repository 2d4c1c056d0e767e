"""`python -m jobs.nightly [--date D]`: the six jobs in the sacred order, up to the first failure."""

from __future__ import annotations

import sys

from app.services.nightly import Night, run_night
from jobs.runner import main, report


async def work(night: Night) -> int:
    """Run the night and report it."""
    return report(await run_night(night))


if __name__ == "__main__":
    sys.exit(main(work, "Run the six nightly jobs in order."))
