"""``dawsos evidence``: the signed statements about a release, and their problems."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from dawsos.errors import BadInput
from dawsos.model.run import Run
from dawsos.provenance.verification import StatementCheck
from dawsos.runs import evidence as run_evidence
from dawsos.runs.certification import confirm
from dawsos.runs.project import Project, load, load_run, open_tools


@dataclass(frozen=True)
class ReleaseEvidence:
    """The statements of the run that built a release.  ``problems`` is None when nobody asked to check them."""

    run: Run
    statements: tuple[StatementCheck, ...]
    folder: Path
    problems: tuple[str, ...] | None


def evidence(project: Project, name: str, *, check: bool) -> ReleaseEvidence:
    """Return the statements about the release, commit or run called ``name``; raises BadInput when that built no release."""
    tools = open_tools(project)
    run = run_evidence.find_run([load_run(tools, known) for known in tools.journal.runs()], name) or load_run(
        tools, name
    )
    if not run.release:
        raise BadInput(f"run {run.id} built no release, so there is no evidence of one", fix="see dawsos history")
    certified = asyncio.run(confirm(tools, load(project.root, accept_old=True).signing, project.root, run))
    demands = run_evidence.recorded_demands(tools, run, run_evidence.attested(run), certified)
    found = run_evidence.examine(tools, run, demands, certified)
    problems = None
    if check:
        stage_problems = [f"{one.stage}: {problem}" for one in found for problem in one.problems]
        problems = (
            *stage_problems,
            *(f"summary: {problem}" for problem in run_evidence.summary_problems(tools, run, certified)),
        )
    return ReleaseEvidence(run, tuple(found), project.evidence(run.id), problems)
