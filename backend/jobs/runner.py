"""What every job's command line shares: settings, services, exit codes."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta

from app.container import connect
from app.core.errors import DawsosError, PastDateError
from app.services.context import Services
from app.services.nightly import OF_TODAY, Night, Outcome, refuse_past, run_job
from app.settings import Settings, SettingsError
from app.tracing import configure

Work = Callable[[Night, Services], Awaitable[int]]


def today() -> date:
    """The day a job is for when it is told none."""
    return datetime.now(UTC).date()


def report(outcomes: Sequence[Outcome]) -> int:
    """One line per job on stderr; 0 if all went well."""
    for outcome in outcomes:
        print(f"{outcome.job}: {'ok' if outcome.ok else 'FAILED'}: {outcome.detail}", file=sys.stderr)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def main(work: Work, description: str, argv: Sequence[str] | None = None) -> int:
    """Parse, connect, work. 0 done, 1 failed, 2 wrong call, date or environment."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--date", type=date.fromisoformat, default=None, help="as-of date (today, UTC)")
    options = parser.parse_args(argv)

    asof = options.date or today()
    # Somewhere on earth it is tomorrow already; later than that is a mistake, and its pack would be the newest.
    if asof > today() + timedelta(days=1):
        print(f"error: {asof.isoformat()} is in the future", file=sys.stderr)
        return 2

    async def connected(settings: Settings) -> int:
        async with connect(settings) as services:
            return await work(services.night(asof), services)

    stop_tracing = None
    try:
        settings = Settings.from_env(os.environ)
        stop_tracing = configure(settings, "job")
        return asyncio.run(connected(settings))
    except (SettingsError, PastDateError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except DawsosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        if stop_tracing is not None:
            stop_tracing()


def one(job: str) -> Work:
    """The work that is one job of the night."""

    async def work(night: Night, _: Services) -> int:
        if job in OF_TODAY:
            await refuse_past(night, today())
        return report([await run_job(night, job)])

    return work
