"""``dawsos verify``: check that production serves the shipped release, and that every journal is intact."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dawsos.actions.environments import serving_profile
from dawsos.actions.verification import verify_deployment
from dawsos.model.events import CheckResult
from dawsos.provenance.certificate import Confirmed
from dawsos.runs import evidence
from dawsos.runs.certification import earlier_keys
from dawsos.runs.project import Project, load, load_run, open_tools


@dataclass(frozen=True)
class Verification:
    """Every check in the order in which they were made."""

    checks: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed; one that was not made did neither."""
        return not any(check.failed for check in self.checks)

    def counts(self) -> dict[str, int]:
        """Return how many checks passed, failed, and were not made."""
        passed, failed = sum(check.passed for check in self.checks), sum(check.failed for check in self.checks)
        return {"passed": passed, "failed": failed, "not_checked": len(self.checks) - passed - failed}


def verify(project: Project) -> Verification:
    """Check production, which is started when it is down, and every journal; raises InfrastructureError when nothing serves."""
    tools = open_tools(project)
    pipeline = load(project.root, accept_old=True)
    environment = pipeline.rollout_stage().environment

    async def look() -> tuple[list[CheckResult], dict[str, bytes]]:
        profile = await serving_profile(tools, pipeline, environment)
        checks = await verify_deployment(tools, pipeline, (environment, profile), project.home / "verify", project.root)
        # Runs that came from other machines may be signed by keys that only a certificate proves.
        return checks, await earlier_keys(tools, pipeline.signing, project.root, project.home)

    found, keys = asyncio.run(look())
    broken = [
        CheckResult(f"journal {run}", "fail", "; ".join(problems), "intact")
        for run in tools.journal.runs()
        if (problems := evidence.summary_problems(tools, load_run(tools, run), Confirmed(keys.get(run, b""))))
    ]
    return Verification((*found, *(broken or [CheckResult("journals", "pass", "intact", "intact")])))
