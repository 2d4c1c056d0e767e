"""`python -m jobs.replay_dlq`: makes all dead letters due again, without the limit on automatic replays."""

from __future__ import annotations

import sys
from datetime import date

from app.services.context import Services
from jobs.runner import main

NO_LIMIT = 2**31 - 1


async def command(_: date | None, services: Services) -> int:
    """Make dead letters pending; the worker delivers them. Delivered messages stay as they are."""
    print(f"replay_dlq: {await services.deliveries.replay_all(NO_LIMIT)} dead letters are due again", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(command, "Make dead letters due again."))
