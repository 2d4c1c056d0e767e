"""What every job's command line shares: settings, services, exit codes."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime

from app.container import Services, connect
from app.core.errors import DawsosError
from app.services.nightly import Night, Outcome, run_job
from app.settings import Settings, SettingsError
from app.tracing import configure

Work = Callable[[Night, Services], Awaitable[int]]


def night_of(services: Services, asof: date) -> Night:
    """The context of a job."""
    s = services
    return Night(
        asof, s.settings.market_data, s.tenants, s.packs, s.jobs, s.portfolios, s.fx, s.reconciler, s.analysis, s.alerts
    )


def report(outcomes: Sequence[Outcome]) -> int:
    """One line per job on stderr; 0 if all went well."""
    for outcome in outcomes:
        print(f"{outcome.job}: {'ok' if outcome.ok else 'FAILED'}: {outcome.detail}", file=sys.stderr)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def main(work: Work, description: str, argv: Sequence[str] | None = None) -> int:
    """Parse, connect, work. 0 done, 1 failed, 2 wrong call or environment."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--date", type=date.fromisoformat, default=None, help="as-of date (today, UTC)")
    options = parser.parse_args(argv)

    async def connected(settings: Settings) -> int:
        async with connect(settings) as services:
            return await work(night_of(services, options.date or datetime.now(UTC).date()), services)

    stop_tracing = None
    try:
        settings = Settings.from_env(os.environ)
        stop_tracing = configure(settings, "job")
        return asyncio.run(connected(settings))
    except SettingsError as error:
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
        return report([await run_job(night, job)])

    return work
