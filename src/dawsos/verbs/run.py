"""``dawsos run``: run stages on the working tree as it is."""

from __future__ import annotations

from dawsos.adapters import git
from dawsos.planning.selection import select
from dawsos.runs.lifecycle import RunOutcome
from dawsos.runs.project import Project, load
from dawsos.verbs.execution import MakeReporters, Options, begin, looking_at_environments, must_be_ready


def run(project: Project, options: Options, make_reporters: MakeReporters) -> RunOutcome:
    """Run the named stages (all command stages when none is named), with what they need.  Raises BadInput, OwnedElsewhere."""
    pipeline = load(project.root)
    chosen = select(pipeline, options.stages, "run")
    must_be_ready(pipeline, chosen, options, project.root)
    commit = git.commit(project.root)
    with looking_at_environments(project, chosen):
        return begin("run", project, (pipeline, chosen), (commit, project.root), options, make_reporters)
