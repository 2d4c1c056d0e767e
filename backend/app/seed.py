"""`python -m app.seed`: makes the demo portfolio (once) and prints its ids as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime

from app.container import connect
from app.core.errors import DawsosError
from app.services.demo import seed
from app.services.packs import load_market_data
from app.settings import Settings, SettingsError


async def run(settings: Settings) -> dict[str, str]:
    """Seed and tell the ids."""
    market = load_market_data(settings.market_data)
    async with connect(settings) as services:
        user, portfolio = await seed(services.tenants, services.packs, services.fx, market, datetime.now(UTC).date())
    return {"user_id": str(user), "portfolio_id": str(portfolio)}


def main() -> int:
    """0 seeded, 1 refused, 2 wrong environment."""
    try:
        print(json.dumps(asyncio.run(run(Settings.from_env(os.environ)))))
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except DawsosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
