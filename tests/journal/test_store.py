"""The journal keeps what it was told, in order, and shows every alteration."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from dawsos.journal.store import Journal
from fakes import VirtualClock


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, VirtualClock())


def _fill(journal: Journal) -> None:
    journal.append("r1", "run_started", command="ship", stages=["lint"])
    journal.append("r1", "stage_started", "lint", attempt=1)
    journal.append("r1", "run_finished", result="passed", exit_code=0)


def test_events_come_back_in_order_and_per_run(journal: Journal) -> None:
    _fill(journal)
    journal.append("r2", "run_started", command="run")
    assert [(event.seq, event.kind) for event in journal.events("r1")] == [
        (1, "run_started"), (2, "stage_started"), (3, "run_finished"),
    ]  # fmt: skip
    assert journal.events("r1", after=2)[0].body["result"] == "passed"
    assert journal.runs() == ["r1", "r2"]


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
        journal.append("r1", "gossip")  # type: ignore[arg-type]


def test_writers_in_parallel_make_one_chain(tmp_path: Path) -> None:
    def write() -> None:
        own = Journal(tmp_path, VirtualClock())
        for _ in range(20):
            own.append("r1", "rollout_sampled", at=0)
        own.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal = Journal(tmp_path, VirtualClock())
    assert journal.head("r1")[0] == 80
    assert journal.verify("r1") == []
