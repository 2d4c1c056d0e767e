"""The journal on disk: SQLite, write-ahead log, full sync, one hash chain per run.

Any process may append (an approval comes from another terminal); only the run's owner acts.  ``append`` returns
after the fact is on disk, where no crash of the machine can take it back, unless it is of a kind in ``FOLLOWED``: nothing
depends on those before the next fact of the same stage, and that one's sync takes them along (the log is written in order).
No kill of a process loses any of them.
The chain alone cannot show that its tail was cut off, so ``anchor`` writes the head beside the run's report and ``verify``
compares with it.
"""

from __future__ import annotations

import json
import resource
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dawsos.adapters.files import write_json
from dawsos.adapters.locks import FileLock
from dawsos.errors import InfrastructureError, OwnedElsewhere
from dawsos.model.events import EVENT_KINDS, Event, EventKind, Fact
from dawsos.ports import Clock
from dawsos.runs.codec import GENESIS, Row, chain, from_row, to_row

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    run TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, stage TEXT NOT NULL,
    body TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (run, seq)
) WITHOUT ROWID
"""
# In which order runs began: the clock may be set back.  What is missing there (an older dawsos wrote it) is taken in.
_ORDER = "CREATE TABLE IF NOT EXISTS runs (number INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE)"
# Of the primary key, from one run to the next: as many steps as there are runs, not events.
_UNLISTED = """
WITH RECURSIVE known(run) AS (
    SELECT min(run) FROM events
    UNION ALL SELECT (SELECT min(run) FROM events WHERE events.run > known.run) FROM known WHERE known.run IS NOT NULL
)
SELECT events.run FROM known JOIN events ON events.run = known.run AND events.seq = 1
WHERE known.run NOT IN (SELECT run FROM runs) ORDER BY events.at, events.run
"""
# Facts that only tell how a stage goes on; its beginning, which makes a resume repeat all of its steps, and its end, on which
# others act, are synced.  After a power cut in the middle of a stage, resume does the same with and without them.
FOLLOWED: frozenset[str] = frozenset({"step_started", "step_finished", "gate_evaluated"})
# Seconds to wait for another process that opens or writes the journal.
_TIMEOUT = 30.0
# As ``Row``, with the hash before it and its own.
KeptRow = tuple[str, int, float, str, str, str, str, str]
_COLUMNS = "run, seq, at, kind, stage, body"


def _event(row: Row) -> Event:
    try:
        return from_row(row)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise InfrastructureError(
            f"event {row[1]} ({row[3]}) was altered: what run {row[0]} holds there cannot be read",
            fix="somebody changed journal.sqlite: bring it back from a copy",
        ) from error


def _why(error: sqlite3.Error) -> str:
    """Return why SQLite refused to write, with the limit of which it does not know."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    refused = any(word in str(error) for word in ("I/O", "full"))
    if limit != resource.RLIM_INFINITY and refused:
        return f"{error}; a file may have at most {limit:,} bytes here (ulimit -f)"
    return str(error).replace("database or disk is full", "the disk is full")


def _fits(prev: str, row: tuple[Any, ...]) -> bool:
    """Return whether the hash of a row fits its content (its columns, prev, hash)."""
    try:
        return bool(row[7] == chain(prev, row[:6]))
    except ValueError:
        return False


@contextmanager
def _opening(folder: Path) -> Iterator[None]:
    """Let one process at a time switch to the write-ahead log: SQLite's busy timeout does not cover that switch."""
    with FileLock(folder / "journal.open") as lock:
        if not lock.take(_TIMEOUT):
            raise OwnedElsewhere(
                f"the journal in {folder} is being opened by the process {lock.holder}, which does not finish",
                fix=f"see what it does, or end it: kill -9 {lock.holder}",
            )
        yield


class Journal:
    """The store of all runs of one project.  ``folder`` holds ``journal.sqlite`` and one folder per run."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(folder / "journal.sqlite", timeout=_TIMEOUT, isolation_level=None)
            self._synced = False
            self._sync(True)
            with _opening(folder):
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute(_SCHEMA)
                self._db.execute(_ORDER)
                # A process that finds every table writes nothing and waits for no writer.
                for row in self._db.execute(_UNLISTED).fetchall():
                    self._db.execute("INSERT OR IGNORE INTO runs (run) VALUES (?)", row)
        except sqlite3.Error as error:
            raise InfrastructureError(
                f"cannot open the journal {folder / 'journal.sqlite'}: {_why(error)}",
                fix="check the disk and the rights",
            ) from error

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def append(self, run: str, fact: Fact, stage: str = "") -> Event:
        """Append one fact to ``run`` and return it once it is on disk.

        Raises ValueError for an unknown kind, InfrastructureError when the disk refuses.
        """
        if fact.kind not in EVENT_KINDS:
            raise ValueError(f"unknown event kind {fact.kind!r}")
        try:
            self._sync(fact.kind not in FOLLOWED)
            with self._transaction():
                row = self._db.execute(
                    "SELECT seq, hash FROM events WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,)
                ).fetchone()
                seq, prev = (row[0] + 1, row[1]) if row else (1, GENESIS)
                event = Event(run, seq, self._clock.now(), fact, stage)
                kept = to_row(event)
                if not row:
                    self._db.execute("INSERT OR IGNORE INTO runs (run) VALUES (?)", (run,))
                self._db.execute(
                    "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (*kept, prev, chain(prev, kept)),
                )
        except sqlite3.Error as error:
            raise InfrastructureError(f"the journal refused an event: {_why(error)}", fix="check the disk") from error
        return event

    def rows(self, run: str) -> list[KeptRow]:
        """Return the rows of the run as they are kept: the columns of each event, the hash before it and its own."""
        query = f"SELECT {_COLUMNS}, prev, hash FROM events WHERE run = ? ORDER BY seq"  # noqa: S608 - constant columns
        return list(self._db.execute(query, (run,)))

    def take_in(self, rows: Sequence[KeptRow]) -> None:
        """Take in the whole journal of one run, which another machine kept.

        Raises ValueError when its chain does not hold or the run is known, InfrastructureError when the disk refuses.
        """
        prev = GENESIS
        for expected, row in enumerate(rows, start=1):
            if row[1] != expected or row[0] != rows[0][0] or row[6] != prev or not _fits(prev, row):
                raise ValueError(f"event {expected} is missing or was altered")
            prev = row[7]
        if not rows:
            raise ValueError("it holds no event")
        try:
            self._sync(True)
            with self._transaction():
                if self._db.execute("SELECT 1 FROM events WHERE run = ?", (rows[0][0],)).fetchone():
                    raise ValueError(f"run {rows[0][0]} is known already")
                self._db.execute("INSERT OR IGNORE INTO runs (run) VALUES (?)", (rows[0][0],))
                self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise InfrastructureError(f"the journal refused a run: {_why(error)}", fix="check the disk") from error

    def take_on(self, rows: Sequence[KeptRow]) -> int:
        """Append what another machine recorded of a run that is known here; return how many events are new.

        Raises ValueError when the two do not have one beginning, or its chain does not hold, InfrastructureError when the disk
        refuses.  When this machine has more, nothing is new.
        """
        try:
            with self._transaction():
                known = self.rows(rows[0][0])
                both = min(len(known), len(rows))
                if known[:both] != list(rows[:both]):
                    raise ValueError(f"run {rows[0][0]} went on in two places")
                prev = known[-1][7] if known else GENESIS
                for expected, row in enumerate(rows[len(known) :], start=len(known) + 1):
                    if row[1] != expected or row[6] != prev or not _fits(prev, row):
                        raise ValueError(f"event {expected} is missing or was altered")
                    prev = row[7]
                self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows[len(known) :])
        except sqlite3.Error as error:
            raise InfrastructureError(f"the journal refused a run: {_why(error)}", fix="check the disk") from error
        return max(0, len(rows) - len(known))

    def events(self, run: str, after: int = 0) -> list[Event]:
        """Return the run's events with a number above ``after``, in order."""
        query = f"SELECT {_COLUMNS} FROM events WHERE run = ? AND seq > ? ORDER BY seq"  # noqa: S608 - constant columns
        return [_event(row) for row in self._db.execute(query, (run, after))]

    def of_kinds(self, kinds: Sequence[EventKind]) -> list[Event]:
        """Return the events of these kinds of all runs, in the order in which they came."""
        marks = ", ".join("?" for _ in kinds)
        query = f"SELECT {_COLUMNS} FROM events WHERE kind IN ({marks}) ORDER BY at, run, seq"  # noqa: S608 - marks only
        return [_event(row) for row in self._db.execute(query, tuple(kinds))]

    def state(self) -> tuple[int, int]:
        """Return a value that differs from an earlier one when somebody, in this process or another, has appended since."""
        return self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes

    def news(self, number: int, reached: Mapping[str, int]) -> tuple[list[Event], int]:
        """Return what came after a position, and the number of the last run: its events and those of earlier runs go on there.

        The position: the number of the last run whose beginning was read, and of each run that is still to be read on its last
        event.  The events of a run come in their order; of its samples only the newest comes, because there may be thousands.
        """
        found: list[tuple[float, Event]] = []
        with self._snapshot():
            begun = self._db.execute(
                "SELECT number, run FROM runs WHERE number > ? ORDER BY number", (number,)
            ).fetchall()
            for run, after in (*reached.items(), *((row[1], 0) for row in begun)):
                latest = 0.0
                for event in self._without_old_samples(run, after):
                    # The clock may be set back within a run.
                    latest = max(latest, event.at)
                    found.append((latest, event))
        found.sort(key=lambda each: (each[0], each[1].run, each[1].seq))
        return [event for _, event in found], begun[-1][0] if begun else number

    def _without_old_samples(self, run: str, after: int) -> list[Event]:
        query = f"SELECT {_COLUMNS} FROM events WHERE run = ? AND seq > ? AND kind"  # noqa: S608 - constant columns
        rows = self._db.execute(f"{query} != 'rollout_sampled'", (run, after)).fetchall()
        rows += self._db.execute(f"{query} = 'rollout_sampled' ORDER BY seq DESC LIMIT 1", (run, after)).fetchall()
        return [_event(row) for row in sorted(rows, key=lambda row: int(row[1]))]

    def mark(self, number: int) -> tuple[str, int, str]:
        """Return the run with this number, or the last before it, with the number and the hash of its first event, by which
        ``reaches`` knows this journal again."""
        query = (
            "SELECT runs.run, seq, hash FROM runs JOIN events ON events.run = runs.run AND seq = 1 WHERE number <= ?"
        )
        row = self._db.execute(f"{query} ORDER BY number DESC LIMIT 1", (number,)).fetchone()
        return (row[0], row[1], row[2]) if row else ("", 0, "")

    def runs(self) -> list[str]:
        """Return the ids of all runs in the order in which they began."""
        query = "SELECT run FROM runs WHERE EXISTS (SELECT 1 FROM events WHERE events.run = runs.run AND seq = 1)"
        return [row[0] for row in self._db.execute(f"{query} ORDER BY number")]

    def head(self, run: str) -> tuple[int, str]:
        """Return the number of events and the hash of the last one."""
        row = self._db.execute(
            "SELECT seq, hash FROM events WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,)
        ).fetchone()
        return (row[0], row[1]) if row else (0, GENESIS)

    def reaches(self, run: str, count: int, digest: str) -> bool:
        """Return whether the run's event number ``count`` has the hash ``digest``."""
        row = self._db.execute("SELECT hash FROM events WHERE run = ? AND seq = ?", (run, count)).fetchone()
        return row is not None and row[0] == digest

    def anchor(self, run: str, path: Path, **summary: Any) -> None:
        """Write the run's summary with the head of its chain, so that a cut tail is detected later."""
        count, digest = self.head(run)
        write_json(path, {**summary, "run": run, "events": count, "head": digest}, durable=True)

    def verify(self, run: str, anchor: Path | None = None) -> list[str]:
        """Return what is wrong with the run's chain, one line each; an empty list means that it is intact."""
        problems: list[str] = []
        prev = GENESIS
        hashes = {}
        query = f"SELECT {_COLUMNS}, prev, hash FROM events WHERE run = ? ORDER BY seq"  # noqa: S608 - constant columns
        for expected, row in enumerate(self._db.execute(query, (run,)), start=1):
            if row[1] != expected:
                problems.append(f"event {expected} is missing")
                break
            if row[6] != prev or not _fits(prev, row):
                problems.append(f"event {row[1]} ({row[3]}) was altered")
                break
            prev = hashes[row[1]] = row[7]
        if anchor is not None and anchor.exists():
            try:
                summary = json.loads(anchor.read_bytes())
                reached = hashes.get(summary["events"]) == summary["head"]
            except (ValueError, TypeError, LookupError):
                return [*problems, f"{anchor.name} cannot be read: it was altered"]
            if not reached:
                problems.append(
                    f"the chain does not reach the head anchored in {anchor.name}: events were cut off or replaced"
                )
        return problems

    def _sync(self, at_once: bool) -> None:
        """Say whether the next commit waits for the disk.  With a write-ahead log both settings keep the order of commits."""
        if at_once != self._synced:
            self._db.execute(f"PRAGMA synchronous={'FULL' if at_once else 'NORMAL'}")
            self._synced = at_once

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Let the statements within see the journal as it was at the first of them.  Raises InfrastructureError."""
        try:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise InfrastructureError(
                f"cannot read the journal: {error}", fix="check the disk and the rights"
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # After some errors, as of a full disk, SQLite has rolled back itself; a second time would fail and hide the error.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
