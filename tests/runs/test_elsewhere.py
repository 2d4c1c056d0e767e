"""A clone without a home finds the run in the cluster; a cluster that is away matters only to who knows nothing of the run."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from dawsos.errors import BadInput, InfrastructureError
from dawsos.runs.elsewhere import keeping_environments, take_kept
from dawsos.runs.keeping import Keeper
from support.memory_journal import MemoryJournal, everywhere
from support.paper import Paper
from support.world import pipeline_of

RUN = "20260301-120000-c0ffee0-aa"
CLUSTER = "platform: kubernetes, context: c, namespace: n, release: r, chart: charts/x"


def in_a_cluster(paper: Paper) -> Paper:
    """Let production of the project be in a cluster."""
    path = paper.project.root / "pipeline.yaml"
    text = path.read_text()
    begin = text.index('production: {"replicas"')
    path.write_text(text[:begin] + f"production: {{{CLUSTER}}}}}" + text[text.index("\n", begin) :])
    return paper


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Paper, MemoryJournal]:
    """Return a second machine that believes the first, and the journal in which the first has kept a run."""
    first, second, journal = Paper(tmp_path / "first"), in_a_cluster(Paper(tmp_path / "second")), MemoryJournal()
    first.session(RUN)
    asyncio.run(Keeper(first.tools, RUN, journal).keep())
    second.project.keys.mkdir(parents=True)
    for path in first.project.keys.glob("*.pub"):
        shutil.copy(path, second.project.keys)
    everywhere(monkeypatch, journal)
    return second, journal


def test_the_newest_run_or_the_named_one_is_taken_in(kept: tuple[Paper, MemoryJournal]) -> None:
    second, _ = kept
    assert take_kept(second.tools, "no-such-run") == []
    assert take_kept(second.tools, "") == [RUN]
    assert second.tools.journal.runs() == [RUN]
    assert take_kept(second.tools, RUN[-5:]) == []


def test_a_cluster_that_is_away_is_an_error_only_for_a_run_that_is_not_known_here(
    kept: tuple[Paper, MemoryJournal],
) -> None:
    second, journal = kept
    journal.away = True
    with pytest.raises(InfrastructureError):
        take_kept(second.tools, RUN)
    journal.away = False
    take_kept(second.tools, RUN)
    journal.away = True
    assert take_kept(second.tools, RUN) == []


def test_a_run_of_a_stranger_is_refused_with_what_to_do(kept: tuple[Paper, MemoryJournal]) -> None:
    second, _ = kept
    for path in second.project.keys.glob("*.pub"):
        path.unlink()
    with pytest.raises(BadInput, match="not believed here") as refused:
        take_kept(second.tools, "")
    assert "DAWSOS_TRUSTED_KEYS" in refused.value.fix


def test_a_project_on_one_machine_asks_nobody(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "one")
    assert take_kept(paper.tools, "") == []
    (paper.project.root / "pipeline.yaml").unlink()
    assert take_kept(paper.tools, "") == []


def test_each_place_is_asked_once_whatever_the_profiles_say(kept: tuple[Paper, MemoryJournal]) -> None:
    second, _ = kept
    text = (second.project.root / "pipeline.yaml").read_text()
    text += "profiles: {a: {}, b: {environments: {production: {namespace: other}}}}\n"
    found = keeping_environments(pipeline_of(text))
    assert [one.namespace for one in found] == ["n", "other"]


def test_a_machine_without_the_kubeconfig_goes_on_with_its_own_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    paper = in_a_cluster(Paper(tmp_path / "here"))
    with pytest.raises(BadInput, match="no kubeconfig"):
        take_kept(paper.tools, RUN)
    paper.session(RUN)
    assert take_kept(paper.tools, RUN) == []
