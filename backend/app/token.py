"""`python -m app.token --user UUID [--ttl 900]`: a token for smoke tests and load, signed with JWT_SECRET."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.api.auth import issue
from app.settings import SettingsError, required


def main(argv: Sequence[str] | None = None) -> int:
    """Print the token. The user need not exist yet: the first portfolio makes it known."""
    parser = argparse.ArgumentParser(prog="app.token", description=__doc__)
    parser.add_argument("--user", type=UUID, required=True)
    parser.add_argument("--ttl", type=int, default=900, help="seconds (900)")
    options = parser.parse_args(argv)
    try:
        secret = required(os.environ, "JWT_SECRET")
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(issue(secret, options.user, datetime.now(UTC), timedelta(seconds=options.ttl)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
