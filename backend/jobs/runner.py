"""The part that all job commands share: options, settings, services, exit codes."""

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
from app.services.nightly import CURRENT_HOLDINGS_JOBS, JobResult, refuse_past, run_job
from app.settings import Settings, SettingsError
from app.tracing import configure

# Gets the date of --date, None without it.
Command = Callable[[date | None, Services], Awaitable[int]]


def today() -> date:
    """The date of a job without --date: today in UTC."""
    return datetime.now(UTC).date()


def report(outcomes: Sequence[JobResult]) -> int:
    """Print one line a job on stderr; the exit code, 0 when all succeeded."""
    for outcome in outcomes:
        print(f"{outcome.job}: {'ok' if outcome.ok else 'FAILED'}: {outcome.detail}", file=sys.stderr)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def main(command: Command, description: str, argv: Sequence[str] | None = None) -> int:
    """Run `command` with connected services. Exit code 0 done, 1 failed, 2 wrong call, date or environment."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--date", type=date.fromisoformat, default=None, help="as-of date (today, UTC)")
    options = parser.parse_args(argv)

    # East of Greenwich tomorrow may have begun. The pack of a later date would be served as the newest until then.
    if options.date is not None and options.date > today() + timedelta(days=1):
        print(f"error: {options.date.isoformat()} is in the future", file=sys.stderr)
        return 2

    async def connected(settings: Settings) -> int:
        async with connect(settings) as services:
            return await command(options.date, services)

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


def single_job(job: str) -> Command:
    """A command that runs one job of the night."""

    async def command(asof: date | None, services: Services) -> int:
        now = today()
        night = services.night(asof or now)
        if job in CURRENT_HOLDINGS_JOBS:
            await refuse_past(night, now)
        return report([await run_job(night, job)])

    return command
