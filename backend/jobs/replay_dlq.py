"""`python -m jobs.replay_dlq`: makes all dead letters due again, however often they were replayed before."""

from __future__ import annotations

import sys

from app.services.context import Services
from app.services.nightly import Night
from jobs.runner import main

NO_LIMIT = 2**31 - 1


async def work(_: Night, services: Services) -> int:
    """The worker delivers them; what was delivered before stays as it is."""
    print(f"replay_dlq: {await services.deliveries.replay_all(NO_LIMIT)} dead letters are due again", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(work, "Make dead letters due again."))
