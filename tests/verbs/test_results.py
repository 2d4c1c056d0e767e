"""``results``: one job saves, the next loads, and a file that is refused takes nothing of the ones before it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.runs.project import Project, find_project
from dawsos.verbs.results import load, save
from projects import TinyProject


def test_what_is_saved_here_can_be_loaded_elsewhere(good: TinyProject, tmp_path: Path) -> None:
    assert good.dawsos("ship", "lint").code == 0
    here, there = find_project(good.path), Project(good.path, tmp_path / "there")
    saved = save(here, tmp_path / "results.tgz")
    assert [(one.stage, one.doubt) for one in saved.results] == [("lint", "")]
    (loaded,) = load(there, [tmp_path / "results.tgz"])
    assert (loaded.commit, loaded.here) == (saved.commit, 0)
    # Nothing there believes the key that signed it.
    assert [(one.stage, one.key, bool(one.doubt)) for one in loaded.results] == [("lint", saved.results[0].key, True)]


def test_files_are_taken_in_one_after_the_other_up_to_the_first_that_is_refused(
    good: TinyProject, tmp_path: Path
) -> None:
    assert good.dawsos("ship", "lint").code == 0
    save(find_project(good.path), tmp_path / "results.tgz")
    there = Project(good.path, tmp_path / "there")
    with pytest.raises(BadInput, match="there is no"):
        load(there, [tmp_path / "results.tgz", tmp_path / "none.tgz"])
    assert [path.parent.name for path in there.cache.glob("*/*")] == ["lint"]
