"""`python -m app.migrate up | down [--to N | --only N] | status`: moves the database that DATABASE_OWNER_URL names."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

import asyncpg

from app.settings import SettingsError, required
from app.storage.migrations import MigrationError, Migrator, folder, load


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="app.migrate", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="apply what is missing")
    down = commands.add_parser("down", help="undo the last migration, or everything above --to")
    which = down.add_mutually_exclusive_group()
    which.add_argument("--to", type=int, default=None, metavar="N", help="last migration to keep; -1 keeps none")
    which.add_argument("--only", type=int, default=None, metavar="N", help="the one migration to undo")
    commands.add_parser("status", help="list applied and pending migrations")
    return root


async def run(options: argparse.Namespace, owner_url: str) -> list[str]:
    """Do what the command line says; the lines to print."""
    migrator = Migrator(owner_url, load(folder()))
    if options.command == "up":
        return await migrator.up()
    if options.command == "down":
        return await migrator.down(options.to, options.only)
    return await migrator.status()


def main(argv: Sequence[str] | None = None) -> int:
    """0 done, 1 the database refused, 2 wrong call."""
    options = parser().parse_args(argv)
    try:
        lines = asyncio.run(run(options, required(os.environ, "DATABASE_OWNER_URL")))
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (MigrationError, asyncpg.PostgresError, OSError, TimeoutError) as error:
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines) if lines else "nothing to do")
    return 0


if __name__ == "__main__":
    sys.exit(main())
