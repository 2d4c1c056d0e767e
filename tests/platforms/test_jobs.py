"""Which platforms let a job conduct a rollout."""

from __future__ import annotations

from dawsos.platforms.jobs import JOBS
from dawsos.platforms.journals import JOURNALS


def test_a_job_finds_the_run_only_where_runs_are_kept() -> None:
    assert set(JOBS) <= set(JOURNALS)
