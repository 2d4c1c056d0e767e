"""``verify``: the checks on what serves users, and every journal's chain."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.actions import verification
from dawsos.errors import InfrastructureError
from dawsos.model.events import CheckResult
from dawsos.model.status import RunResult
from dawsos.runs.lifecycle import finish
from dawsos.verbs.verify import verify
from support.paper import Paper, alter
from support.world import COMMIT, written_as_version_1

RUN = "20260301-120000-c0ffee0-01"
VERSION = CheckResult("version", "pass", COMMIT, COMMIT)
METRICS = CheckResult("metrics", "pass", "http_requests_total", "http_requests_total")
WELL = CheckResult("health", "pass", "200 healthy", "200 healthy")
ILL = CheckResult("health", "fail", "503 degraded", "200 healthy")
OBSERVED = ("metrics at Prometheus", "trace", "alerts", "dashboards")
INTACT = CheckResult("journals", "pass", "intact", "intact")


def answers(monkeypatch: pytest.MonkeyPatch, status: int, word: str) -> None:
    """Let the health page of what serves answer so, and its metrics page as it must."""

    async def get(url: str, *, token: str = "") -> dict[str, Any]:
        if url.endswith("/metrics"):
            return {"status_code": 200, "body": "http_requests_total 1\n", "headers": {}, "error": ""}
        return {"status_code": status, "body": {"status": word, "version": COMMIT}, "headers": {}, "error": ""}

    monkeypatch.setattr(verification, "get", get)


@pytest.mark.parametrize(
    ("status", "word", "found", "passed"),
    [(200, "healthy", WELL, True), (503, "degraded", ILL, False)],
    ids=["well", "ill"],
)
def test_production_and_the_journals_are_checked(
    status: int, word: str, found: CheckResult, passed: bool, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, status, word)
    paper.serve(paper.release())
    finish(paper.session(RUN), paper.pipeline, RunResult.FAILED, "because of 01")
    written_as_version_1(paper.project.root)  # What runs may be of a commit from before version 2.
    seen = verify(paper.project)
    assert ((*seen.checks[:3], seen.checks[-1]), seen.passed) == ((found, VERSION, METRICS, INTACT), passed)
    assert [(check.name, check.result) for check in seen.checks[3:-1]] == [(name, "not_checked") for name in OBSERVED]
    assert seen.counts() == {"passed": 3 + passed, "failed": 1 - passed, "not_checked": 4}
    alter(paper)
    broken = verify(paper.project)
    assert [check.name for check in broken.checks] == ["health", "version", "metrics", *OBSERVED, f"journal {RUN}"]
    assert not broken.passed


def test_where_nothing_serves_there_is_nothing_to_verify(paper: Paper) -> None:
    with pytest.raises(InfrastructureError, match="no release serves production"):
        verify(paper.project)
