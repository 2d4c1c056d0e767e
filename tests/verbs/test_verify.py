"""``verify``: the checks on production, and every journal's chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.model.events import CheckResult
from dawsos.model.status import RunResult
from dawsos.runs.lifecycle import finish
from dawsos.verbs import verify as verb
from dawsos.verbs.verify import verify
from support.paper import Paper, alter
from support.world import written_as_version_1

RUN = "20260301-120000-c0ffee0-01"
WELL = CheckResult("health", "pass", "200 healthy", "200 healthy")
ILL = CheckResult("health", "fail", "503 degraded", "200 healthy")
INTACT = CheckResult("journals", "pass", "intact", "intact")


@pytest.mark.parametrize(("found", "passed"), [(WELL, True), (ILL, False)], ids=["well", "ill"])
def test_production_and_the_journals_are_checked(
    found: CheckResult, passed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def checks(*_: object) -> list[CheckResult]:
        return [found]

    monkeypatch.setattr(verb, "checks", checks)
    paper = Paper(tmp_path / "project", monkeypatch)
    finish(paper.session(RUN), paper.pipeline, RunResult.FAILED, "because of 01")
    written_as_version_1(paper.project.root)  # What runs may be of a commit from before version 2.
    seen = verify(paper.project)
    assert (seen.checks, seen.passed) == ((found, INTACT), passed)
    alter(paper)
    broken = verify(paper.project)
    assert [check.name for check in broken.checks] == ["health", f"journal {RUN}"]
    assert not broken.passed
