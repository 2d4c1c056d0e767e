"""Plain SQL migrations: `NNN_name.up.sql` and `NNN_name.down.sql`, each run in a transaction and recorded by hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

import app

FILE = re.compile(r"(?P<number>\d{3})_(?P<name>\w+)\.up\.sql")
# Any constant will do; it must only be the same in every process.
LOCK_KEY = 727_001


class MigrationError(Exception):
    """The files and the database disagree."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step and its way back."""

    number: int
    name: str
    up: str
    down: str

    @property
    def sha256(self) -> str:
        """Over both directions: changing the way back of an applied migration is a change too."""
        return hashlib.sha256(f"{self.up}\0{self.down}".encode()).hexdigest()


def folder() -> Path:
    """Inside the package when installed from the wheel, beside it in the source tree."""
    package = Path(app.__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def load(path: Path) -> list[Migration]:
    """All migrations in order; every number is used once and every step has a way back.

    Numbers may have holes: each area of the service has a range of its own, so that two people can add steps at once.
    """
    found = []
    for file in sorted(path.glob("*.up.sql")):
        match = FILE.fullmatch(file.name)
        back = file.with_name(file.name.replace(".up.sql", ".down.sql"))
        if match is None or not back.is_file():
            raise MigrationError(f"{file.name}: wrong name or no {back.name}")
        found.append(Migration(int(match["number"]), match["name"], file.read_text(), back.read_text()))
    numbers = [m.number for m in found]
    if not numbers or numbers != sorted(set(numbers)):
        raise MigrationError(f"each migration needs a number of its own: found {numbers}")
    return found


class Migrator:
    """Moves one database; two of them at once are safe, the second waits and finds nothing to do."""

    def __init__(self, owner_url: str, migrations: list[Migration]) -> None:
        self._url = owner_url
        self._migrations = migrations

    async def up(self) -> list[str]:
        """Apply what is missing."""
        done = []
        async with self._locked() as (connection, applied):
            for migration in self._migrations:
                if migration.number in applied:
                    continue
                async with connection.transaction():
                    await connection.execute(migration.up)
                    await connection.execute(
                        "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)",
                        *(migration.number, migration.name, migration.sha256),
                    )
                done.append(f"up {migration.number:03} {migration.name}")
        return done

    async def down(self, to: int | None, only: int | None = None) -> list[str]:
        """Undo every step above `to`, or one step alone, or the last one. `--to -1` empties the database.

        One step alone is for a step that nothing above rests on; the database refuses it (and nothing changes) when
        something does. Raises MigrationError if that step is not applied.
        """
        done = []
        async with self._locked() as (connection, applied):
            for number in _undone(sorted(applied), to, only):
                migration = next(m for m in self._migrations if m.number == number)
                async with connection.transaction():
                    await connection.execute(migration.down)
                    await connection.execute("DELETE FROM schema_migrations WHERE number = $1", migration.number)
                done.append(f"down {migration.number:03} {migration.name}")
        return done

    async def status(self) -> list[str]:
        """One line per migration."""
        async with self._locked() as (_, applied):
            return [
                f"{'applied' if m.number in applied else 'pending'} {m.number:03} {m.name}" for m in self._migrations
            ]

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[tuple[asyncpg.Connection[asyncpg.Record], dict[int, str]]]:
        connection = await asyncpg.connect(self._url, timeout=5)
        try:
            # A session lock, not a transaction's: it must cover all steps, and it ends with the connection.
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text NOT NULL, "
                "sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            rows = await connection.fetch("SELECT number, sha256 FROM schema_migrations ORDER BY number")
            applied = {row["number"]: row["sha256"] for row in rows}
            self._check(applied)
            yield connection, applied
        finally:
            await connection.close()

    def _check(self, applied: dict[int, str]) -> None:
        known = {m.number: m for m in self._migrations}
        for number, digest in applied.items():
            if number not in known:
                raise MigrationError(f"the database has migration {number:03}, which these files do not")
            if known[number].sha256 != digest:
                raise MigrationError(f"migration {number:03} was changed after it was applied; add a new one instead")


def _undone(applied: list[int], to: int | None, only: int | None) -> list[int]:
    """The numbers to undo, newest first."""
    if only is not None:
        if only not in applied:
            raise MigrationError(f"migration {only:03} is not applied")
        return [only]
    if to is None:
        return applied[-1:]
    return [number for number in reversed(applied) if number > to]
