"""A run of another machine is taken in as a believed key signed it, or not at all."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dawsos.model.fold import fold
from dawsos.model.status import RunResult
from dawsos.runs import evidence
from dawsos.runs.codec import GENESIS, canonical, chain
from dawsos.runs.foreign import Damaged, Foreign, check, packed, take, travels
from dawsos.runs.lifecycle import finish
from dawsos.runs.project import load_run
from runs.test_evidence import shipped
from support.facts import fact
from support.world import World, world

RUN = "20260301-120000-c0ffee0-aa"


@dataclass
class Journey:
    """A run that ended ``there``, what of it travelled into ``folder``, and the machine ``here``, which knows no run."""

    there: World
    here: World
    folder: Path

    def unpacked(self) -> Path:
        for name, content in packed(self.there.tools, self.there.session.refresh()).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        return self.folder

    def rows(self) -> list[list[Any]]:
        rows: list[list[Any]] = json.loads((self.folder / "journal" / f"{RUN}.json").read_text())
        return rows

    def write_rows(self, rows: list[list[Any]]) -> None:
        """Write the journal with a chain that holds, as anybody can."""
        prev = GENESIS
        for number, row in enumerate(rows, start=1):
            row[1], row[6] = number, prev
            row[7] = prev = chain(prev, tuple(row[:6]))
        (self.folder / "journal" / f"{RUN}.json").write_text(json.dumps(rows))


@pytest.fixture
def journey(tmp_path: Path) -> Journey:
    there = shipped(tmp_path / "there")
    finish(there.session, there.pipeline, RunResult.WAITING, "Ada has not approved yet")
    here = world(tmp_path / "here")
    # The run that the helper began has the same name.
    with sqlite3.connect(here.tools.project.journal / "journal.sqlite") as database:
        database.execute("DELETE FROM events")
        database.execute("DELETE FROM runs")
    shutil.rmtree(here.folder, ignore_errors=True)
    shutil.copytree(there.tools.project.keys, here.tools.project.keys, ignore=shutil.ignore_patterns("*.pem"))
    made = Journey(there, here, tmp_path / "unpacked")
    made.unpacked()
    return made


def test_a_run_is_here_as_it_was_there(journey: Journey) -> None:
    told = journey.there.session.refresh()
    assert travels(told)
    key = journey.there.tools.signer().key_id
    assert check(journey.here.tools, journey.folder, {}) == [Foreign(RUN, key)]
    assert take(journey.here.tools, journey.folder, RUN)
    assert load_run(journey.here.tools, RUN) == told
    assert evidence.summary_problems(journey.here.tools, told) == []
    assert json.loads(journey.here.tools.project.taken(RUN).read_text()) == {"events": told.last_seq}
    wanted = evidence.recorded_demands(journey.here.tools, told, evidence.attested(told))
    assert [one.problems for one in evidence.examine(journey.here.tools, told, wanted) if one.problems] == []


def test_a_run_that_is_known_here_is_left_as_it_is(journey: Journey) -> None:
    check(journey.here.tools, journey.folder, {})
    assert take(journey.here.tools, journey.folder, RUN)
    journey.here.tools.journal.append(RUN, fact("run_resumed", pid=1))
    shutil.rmtree(journey.folder)
    journey.unpacked()
    check(journey.here.tools, journey.folder, {})
    assert not take(journey.here.tools, journey.folder, RUN)
    assert journey.here.tools.journal.events(RUN)[-1].kind == "run_resumed"


def test_a_run_without_an_end_does_not_travel(tmp_path: Path) -> None:
    assert not travels(world(tmp_path).session.state)


def test_a_run_of_a_stranger_is_doubted(journey: Journey) -> None:
    shutil.rmtree(journey.here.tools.project.keys)
    key = journey.there.tools.signer().key_id
    (one,) = check(journey.here.tools, journey.folder, {})
    assert one == Foreign(RUN, key, f"it is signed by the key {key[:12]}, which is not believed here")
    # Also where the key lies beside it, in the place in which this machine keeps those that it believes.
    shutil.copytree(journey.there.tools.project.keys, journey.folder / "keys")
    assert check(journey.here.tools, journey.folder, {})[0].doubt


def test_a_key_that_a_certificate_proves_is_believed_for_its_run_only(journey: Journey) -> None:
    shutil.rmtree(journey.here.tools.project.keys)
    key = journey.there.tools.signer().public_key
    assert not check(journey.here.tools, journey.folder, {RUN: key})[0].doubt
    assert check(journey.here.tools, journey.folder, {"another-run": key})[0].doubt


def more(kind: str, stage: str = "", at: float | None = None, **body: Any) -> Callable[[Journey], None]:
    """Return what appends an event to the journal, by default at the time of the last one."""

    def change(journey: Journey) -> None:
        rows = journey.rows()
        said = canonical(fact(kind, **body).body())
        when = rows[-1][2] if at is None else at
        journey.write_rows([*rows, [RUN, 0, when, kind, stage, said, "", ""]])

    return change


def altered(journey: Journey) -> None:
    rows = journey.rows()
    rows[1][5] = rows[1][5].replace("{", '{"more":1,', 1)
    journey.write_rows(rows)


def broken(journey: Journey) -> None:
    rows = journey.rows()
    rows[1][7] = "0" * 64
    (journey.folder / "journal" / f"{RUN}.json").write_text(json.dumps(rows))


def cut(journey: Journey) -> None:
    journey.write_rows(journey.rows()[:3])


def of_another_run(journey: Journey) -> None:
    journey.write_rows([["20260301-120000-c0ffee0-bb", *row[1:]] for row in journey.rows()])


def no_journal(journey: Journey) -> None:
    (journey.folder / "journal" / f"{RUN}.json").unlink()


def nonsense(journey: Journey) -> None:
    (journey.folder / "journal" / f"{RUN}.json").write_text('[["a"], 7]')


def deep(journey: Journey) -> None:
    (journey.folder / "journal" / f"{RUN}.json").write_text("[" * 200_000)


def deep_within(journey: Journey) -> None:
    rows = journey.rows()
    rows[-1][5] = '{"a":' * 200_000
    (journey.folder / "journal" / f"{RUN}.json").write_text(json.dumps(rows))


def file(name: str, text: str | None) -> Callable[[Journey], None]:
    """Return what writes a file of the run, or removes it."""

    def change(journey: Journey) -> None:
        path = journey.folder / "runs" / RUN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink() if text is None else path.write_text(text)

    return change


def given_at(at: float) -> Callable[[Journey], None]:
    """Return what appends an approval of the time ``at``, which nobody signed."""
    return more("approval_given", "uat", at, digest="d", decision="approved", name="Eve", statement="{}")


_NO_TIME = r"\(approval_given\) has a time at which it cannot have come"
ATTACKS: dict[str, tuple[Callable[[Journey], None], str]] = {
    "a stage that is said to have passed": (
        more("stage_finished", "canary", result="passed", seconds=1.0, reason="", evidence={}),
        r"\(stage_finished\) came after its signed summary",
    ),
    "another end": (more("run_finished", result="passed", exit_code=0, reason=""), "came after its signed summary"),
    "a release": (more("release_built", "build", release="cd" * 32), "came after its signed summary"),
    "an approval in the year 30000": (given_at(9e11), _NO_TIME),
    "an approval at the end of time": (given_at(float("inf")), _NO_TIME),
    "an approval before the run": (given_at(-1e18), _NO_TIME),
    "an event altered": (altered, "the chain does not reach the head"),
    "a hash altered": (broken, "event 2 is missing or was altered"),
    "events cut off": (cut, "the chain does not reach the head"),
    "the journal of another run": (of_another_run, "it has an event of run 20260301-120000-c0ffee0-bb"),
    "no journal": (no_journal, f"run {RUN} has no journal"),
    "no events": (nonsense, "cannot be read"),
    "a journal that is too deep": (deep, "cannot be read"),
    "an event that is too deep": (deep_within, "cannot be read"),
    "no summary": (file("evidence/summary.json", None), "the summary of run"),
    "another summary": (file("evidence/summary.json", "{}"), "the summary of run"),
    "a statement altered": (file("evidence/lint.json", "{}"), r"evidence/lint\.json is not what was signed"),
    "a statement more": (file("evidence/canary.json", "{}"), r"evidence/canary\.json is not what was signed"),
    "evidence altered": (file("uat/attempt-1/steps.json", "[] "), "the evidence of uat was altered"),
    "evidence removed": (file("unit/attempt-1/junit.xml", None), "the evidence of unit was altered"),
    "evidence added": (file("unit/attempt-1/more.xml", "x"), "the evidence of unit was altered"),
    "a file more": (file("owner.lock", "1"), r"owner\.lock is nothing that its journal knows"),
    "a mark of ours": (file("taken.json", "{}"), r"taken\.json is nothing that its journal knows"),
    "the report altered": (file("report.html", "<script>"), r"report\.html is not what was signed"),
}


@pytest.mark.parametrize(("attack", "words"), ATTACKS.values(), ids=ATTACKS)
def test_what_is_not_as_it_was_signed_is_damaged(
    attack: Callable[[Journey], None], words: str, journey: Journey
) -> None:
    attack(journey)
    with pytest.raises(Damaged, match=words):
        check(journey.here.tools, journey.folder, {})
    assert journey.here.tools.journal.runs() == []


def test_an_approval_that_came_while_it_waited_travels(journey: Journey) -> None:
    """It counts by a signature of its own, which is looked at when the run is resumed."""
    given = journey.there.session.state.approvals[-1]
    body: dict[str, Any] = {
        "digest": given.digest,
        "decision": "approved",
        "name": "Eve",
        "reason": "",
        "how": "",
        "statement": "{}",
    }
    more("approval_given", "uat", **body)(journey)
    assert not check(journey.here.tools, journey.folder, {})[0].doubt
    assert take(journey.here.tools, journey.folder, RUN)
    told = fold(journey.here.tools.journal.events(RUN))
    assert told.approvals[-1].name == "Eve"
    again = evidence.examine(journey.here.tools, told, evidence.recorded_demands(journey.here.tools, told, ["uat"]))
    assert [one.problems for one in again if one.problems] == []
    assert "Eve" not in {one.predicate.get("name") for one in again}


def test_a_take_that_was_killed_is_begun_again(journey: Journey) -> None:
    left = journey.here.tools.project.run_folder(RUN)
    left.mkdir(parents=True)
    (left / "half").touch()
    check(journey.here.tools, journey.folder, {})
    assert take(journey.here.tools, journey.folder, RUN)
    assert not (left / "half").exists()


def test_a_link_does_not_travel(journey: Journey) -> None:
    (journey.there.session.artifacts("uat") / "link").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="link is no regular file"):
        packed(journey.there.tools, journey.there.session.refresh())
