"""The journal keeps what it was told, in order, and shows every alteration."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dawsos.adapters.locks import FileLock
from dawsos.errors import InfrastructureError, OwnedElsewhere
from dawsos.model.events import RunFinished, Unknown
from dawsos.model.status import RunResult
from dawsos.runs import journal as journal_module
from dawsos.runs.journal import Journal
from fakes import VirtualClock
from support.facts import fact


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, VirtualClock())


def _fill(journal: Journal) -> None:
    journal.append("r1", fact("run_started", command="ship", stages=["lint"]))
    journal.append("r1", fact("stage_started", attempt=1), "lint")
    journal.append("r1", fact("run_finished", result="passed", exit_code=0))


def test_events_come_back_in_order_and_per_run(journal: Journal) -> None:
    _fill(journal)
    journal.append("r2", fact("run_started", command="run"))
    assert [(event.seq, event.kind) for event in journal.events("r1")] == [
        (1, "run_started"), (2, "stage_started"), (3, "run_finished"),
    ]  # fmt: skip
    assert journal.events("r1", after=2)[0].fact == RunFinished(RunResult.PASSED, 0)
    assert journal.runs() == ["r1", "r2"]


def test_the_last_run_is_the_one_that_began_last_also_when_the_clock_was_set_back(tmp_path: Path) -> None:
    clock = VirtualClock()
    journal = Journal(tmp_path, clock)
    for name in ("20260301-120100", "20260301-120200"):
        journal.append(name, fact("run_started", command="ship"))
        clock.elapsed -= 3600
    journal.append("20260301-110000", fact("run_started", command="ship"))
    journal.append("20260301-120100", fact("run_finished", result="passed"))
    began = ["20260301-120100", "20260301-120200", "20260301-110000"]
    assert journal.runs() == began
    journal.close()
    again = Journal(tmp_path, clock)
    assert again.runs() == began
    again.close()


def test_runs_that_an_older_dawsos_wrote_are_taken_into_the_order(journal: Journal, tmp_path: Path) -> None:
    _fill(journal)
    for name in ("r3", "r2"):
        journal.append(name, fact("run_started", command="run"))
    with sqlite3.connect(tmp_path / "journal.sqlite") as other:
        other.execute("DROP TABLE runs")
    other.close()
    journal.close()
    again = Journal(tmp_path, VirtualClock())
    # By the clock of that time, which is all there is, and by name where that is the same.
    assert again.runs() == ["r1", "r2", "r3"]
    again.append("r0", fact("run_started", command="run"))
    assert again.runs()[-1] == "r0"
    again.close()


def test_an_intact_chain_verifies(journal: Journal, tmp_path: Path) -> None:
    _fill(journal)
    journal.anchor("r1", tmp_path / "summary.json", result="passed")
    assert journal.verify("r1", tmp_path / "summary.json") == []


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ('UPDATE events SET body = \'{"command":"run"}\' WHERE seq = 1', "event 1 (run_started) was altered"),
        ("UPDATE events SET at = at + 1 WHERE seq = 2", "event 2 (stage_started) was altered"),
        ("DELETE FROM events WHERE seq = 2", "event 2 is missing"),
        ("DELETE FROM events WHERE seq = 3", "the chain does not reach the head anchored in summary.json"),
    ],
)
def test_every_alteration_is_found(journal: Journal, tmp_path: Path, statement: str, problem: str) -> None:
    _fill(journal)
    journal.anchor("r1", tmp_path / "summary.json", result="passed")
    with sqlite3.connect(tmp_path / "journal.sqlite") as other:
        other.execute(statement)
    other.close()
    assert journal.verify("r1", tmp_path / "summary.json")[0].startswith(problem)


def test_an_unknown_kind_is_refused(journal: Journal) -> None:
    with pytest.raises(ValueError, match="unknown event kind"):
        journal.append("r1", Unknown("gossip", {}))


def test_writers_in_parallel_make_one_chain(tmp_path: Path) -> None:
    def write() -> None:
        own = Journal(tmp_path, VirtualClock())
        for _ in range(20):
            own.append("r1", fact("rollout_sampled", at=0))
        own.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal = Journal(tmp_path, VirtualClock())
    assert journal.head("r1")[0] == 80
    assert journal.verify("r1") == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(2, 8), st.data())
def test_two_events_that_change_places_are_found(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, VirtualClock())
    for number in range(count):
        journal.append("r1", fact("rollout_sampled", at=number), "canary")
    one = data.draw(st.integers(1, count - 1))
    two = data.draw(st.integers(one + 1, count))
    with sqlite3.connect(folder / "journal.sqlite") as other:
        for old, new in ((one, 1000), (two, one), (1000, two)):
            other.execute("UPDATE events SET seq = ? WHERE seq = ?", (new, old))
    other.close()
    problems = journal.verify("r1")
    journal.close()
    assert problems == [f"event {one} (rollout_sampled) was altered"]


@pytest.mark.parametrize("cut", [1, 2])
def test_a_cut_tail_is_found_by_the_anchor(journal: Journal, tmp_path: Path, cut: int) -> None:
    _fill(journal)
    journal.anchor("r1", tmp_path / "summary.json", result="passed")
    with sqlite3.connect(tmp_path / "journal.sqlite") as other:
        other.execute("DELETE FROM events WHERE seq > ?", (3 - cut,))
    other.close()
    assert journal.verify("r1") == [], "the chain alone cannot show it"
    (problem,) = journal.verify("r1", tmp_path / "summary.json")
    assert problem.startswith("the chain does not reach the head anchored in summary.json")


_WRITER = """
import sys
from pathlib import Path
from dawsos.adapters.clock import SystemClock
from dawsos.model.events import RolloutSampled
from dawsos.runs.journal import Journal
journal = Journal(Path(sys.argv[1]), SystemClock())
while True:
    print(journal.append("r1", RolloutSampled(at=0)).seq, flush=True)
"""


def test_what_was_told_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    """``append`` returned the number, so the fact is on disk; what it had not returned may be there or not, whole."""
    environment = {**os.environ, "PYTHONPATH": "src"}
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    ) as writer:
        assert writer.stdout is not None
        told = 0
        while told < 20:
            told = int(writer.stdout.readline())
        writer.kill()
        told = max([told, *map(int, writer.stdout.read().split(b"\n")[:-1])])
    journal = Journal(tmp_path, VirtualClock())
    count, _ = journal.head("r1")
    assert told <= count <= told + 1
    assert journal.verify("r1") == []
    assert journal.append("r1", fact("rollout_sampled", at=1)).seq == count + 1
    assert journal.verify("r1") == []
    journal.close()


def test_an_event_whose_body_was_made_unreadable_is_told_as_altered(journal: Journal, tmp_path: Path) -> None:
    _fill(journal)
    with sqlite3.connect(tmp_path / "journal.sqlite") as other:
        other.execute("UPDATE events SET body = '{' WHERE seq = 2")
    other.close()
    assert journal.verify("r1") == ["event 2 (stage_started) was altered"]
    with pytest.raises(InfrastructureError, match=r"event 2 \(stage_started\) was altered: what run r1 holds"):
        journal.events("r1")


def test_a_process_that_stands_still_while_it_opens_the_journal_is_named_and_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_TIMEOUT", 0.02)
    with FileLock(tmp_path / "journal.open") as held:
        assert held.take()
        with pytest.raises(OwnedElsewhere, match=f"being opened by the process {os.getpid()}"):
            Journal(tmp_path, VirtualClock())
    Journal(tmp_path, VirtualClock()).close()


def test_a_full_disk_is_named_and_the_journal_takes_facts_again_when_there_is_room(tmp_path: Path) -> None:
    journal = Journal(tmp_path, VirtualClock())
    journal.append("r1", fact("run_started", command="ship", stages=["unit"]))
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    # SQLite takes the transaction back itself when it has no room.
    journal._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(InfrastructureError, match="the disk is full"):
        journal.append("r1", fact("run_finished", result="failed", reason="x" * 200_000))
    journal._db.execute(f"PRAGMA max_page_count={pages + 1000}")
    journal.append("r1", fact("run_finished", result="failed", reason="x" * 200_000))
    assert journal.verify("r1") == []
    journal.close()


def test_a_run_of_another_journal_is_taken_in_whole(journal: Journal, tmp_path: Path) -> None:
    _fill(journal)
    other = Journal(tmp_path / "other", VirtualClock())
    other.append("r0", fact("run_started", command="run"))
    other.take_in(journal.rows("r1"))
    assert other.events("r1") == journal.events("r1")
    assert (other.head("r1"), other.verify("r1"), other.runs()) == (journal.head("r1"), [], ["r0", "r1"])
    with pytest.raises(ValueError, match="r1 is known already"):
        other.take_in(journal.rows("r1"))


@pytest.mark.parametrize("number", range(8))
def test_a_run_with_an_altered_row_is_not_taken_in(number: int, journal: Journal, tmp_path: Path) -> None:
    _fill(journal)
    rows = [list(row) for row in journal.rows("r1")]
    rows[1][number] = {1: 5, 2: 1.5, 5: "{}"}.get(number, "other")
    other = Journal(tmp_path / "other", VirtualClock())
    with pytest.raises(ValueError, match="event 2 is missing or was altered"):
        other.take_in([tuple(row) for row in rows])  # type: ignore[misc]
    with pytest.raises(ValueError, match="no event"):
        other.take_in([])
    assert other.runs() == []
