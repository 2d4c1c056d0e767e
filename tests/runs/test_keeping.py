"""A run that a cluster keeps is taken in on another machine when a believed key signed it, as it was signed, and not else."""

from __future__ import annotations

import asyncio
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.platforms.contract import KeptHead
from dawsos.runs import keeping
from dawsos.runs.keeping import Keeper, kept_elsewhere, take
from dawsos.runs.project import load_run
from support.facts import fact
from support.memory_journal import MemoryJournal, everywhere
from support.paper import Paper

RUN = "20260301-120000-c0ffee0-aa"


class Machines:
    """Two machines with homes of their own, of which the second believes the first, and what a cluster keeps."""

    def __init__(self, folder: Path) -> None:
        self.first, self.second, self.journal = Paper(folder / "first"), Paper(folder / "second"), MemoryJournal()
        self.session = self.first.session(RUN)
        self.keeper = Keeper(self.first.tools, RUN, self.journal)
        evidence = self.first.project.evidence(RUN)
        evidence.mkdir(parents=True)
        (evidence / "lint.json").write_text("signed")

    def believe(self) -> None:
        self.first.tools.signer()
        self.second.project.keys.mkdir(parents=True, exist_ok=True)
        for path in self.first.project.keys.glob("*.pub"):
            shutil.copy(path, self.second.project.keys)

    def more(self, number: int = 1) -> None:
        for _ in range(number):
            self.session.record(fact("stage_started", attempt=1), "lint")

    def keep(self) -> None:
        asyncio.run(self.keeper.keep())

    @property
    def head(self) -> KeptHead:
        return self.journal.kept[RUN]

    def take(self) -> int:
        return asyncio.run(take(self.second.tools, self.journal, self.head))


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path)


def test_another_machine_takes_the_run_in_with_its_evidence_and_later_what_is_new(machines: Machines) -> None:
    machines.believe()
    machines.more()
    machines.keep()
    assert machines.take() == 2
    assert load_run(machines.second.tools, RUN).unfinished
    assert (machines.second.project.evidence(RUN) / "lint.json").read_text() == "signed"
    assert machines.second.tools.journal.rows(RUN) == machines.first.tools.journal.rows(RUN)
    assert machines.take() == 0
    machines.more(3)
    machines.keep()
    assert machines.take() == 3
    assert machines.second.tools.journal.verify(RUN) == []


def test_nothing_is_sent_when_nothing_is_new_and_samples_go_in_batches(machines: Machines) -> None:
    machines.keep()
    calls = machines.journal.calls
    machines.keep()
    assert machines.journal.calls == calls
    machines.more()
    asyncio.run(machines.keeper.follow())
    assert machines.journal.calls == calls
    asyncio.run(machines.first.clock.sleep(11))
    machines.journal.away = True
    asyncio.run(machines.keeper.follow())
    machines.journal.away = False
    asyncio.run(machines.keeper.follow())
    assert machines.journal.calls > calls
    machines.more()
    machines.journal.away = True
    with pytest.raises(InfrastructureError):
        machines.keep()


def test_a_full_part_is_left_and_the_next_one_begun(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_FULL", 300)
    machines.believe()
    for _ in range(4):
        machines.more(3)
        machines.keep()
    assert machines.head.parts > 2
    machines.take()
    assert machines.second.tools.journal.rows(RUN) == machines.first.tools.journal.rows(RUN)


def test_evidence_that_is_too_large_stays_at_home(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_EVIDENCE", 5)
    machines.believe()
    machines.keep()
    machines.take()
    assert not (machines.second.project.evidence(RUN) / "lint.json").exists()


def test_a_run_that_no_believed_key_signed_is_not_taken_in(machines: Machines) -> None:
    machines.keep()
    with pytest.raises(BadInput, match="which is not believed here"):
        machines.take()
    assert machines.second.tools.journal.runs() == []


def test_what_is_not_as_it_was_signed_is_refused_as_a_whole(machines: Machines) -> None:
    machines.believe()
    machines.more(2)
    machines.keep()
    kept, head = dict(machines.journal.parts), machines.head
    altered = keeping._packed(keeping._unpacked(kept[RUN, 1])[:2])
    strange = keeping._packed({"../lint.json": ""})
    for part, content in (
        (1, altered), (1, b"nonsense"), (1, keeping._packed([[1, 2]])), (0, keeping._packed({})), (0, strange),
        (1, zlib.compress(b"[]")[:-2]),
    ):  # fmt: skip
        machines.journal.parts = {**kept, (RUN, part): content}
        with pytest.raises(BadInput, match="is not as it was signed"):
            machines.take()
    machines.journal.parts = kept
    machines.journal.kept[RUN] = replace(head, run="20260301-120000-c0ffee0-bb")
    with pytest.raises(BadInput, match="signed about something else"):
        machines.take()
    machines.journal.kept[RUN] = replace(head, statement="nonsense")
    with pytest.raises(BadInput, match="proves nothing"):
        machines.take()
    assert machines.second.tools.journal.runs() == []


def test_a_run_that_went_on_in_two_places_is_not_joined(machines: Machines) -> None:
    machines.believe()
    machines.keep()
    machines.take()
    machines.second.session(RUN)  # records run_started once more, as another owner's fact would be
    machines.more()
    machines.keep()
    with pytest.raises(BadInput, match="went on in two places"):
        machines.take()


def test_what_is_kept_depends_on_the_platform(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere(monkeypatch, machines.journal)

    async def kept(platform: str) -> object:
        names = {"context": "c", "namespace": "n", "release": "r", "chart": "x"} if platform == "kubernetes" else {}
        settings = EnvironmentSettings.model_validate({"platform": platform, **names})
        async with kept_elsewhere(machines.first.tools, settings, RUN) as keeper:
            if keeper is not None:
                await keeper.keep()
            return keeper

    assert asyncio.run(kept("local")) is None
    assert isinstance(asyncio.run(kept("kubernetes")), Keeper)
    assert RUN in machines.journal.kept
