"""``dawsos resume``: resume a run whose owner is gone or which waited for an approval."""

from __future__ import annotations

from collections.abc import Callable

from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.run import Run
from dawsos.runs.elsewhere import take_kept
from dawsos.runs.lifecycle import RunOutcome, unfinished
from dawsos.runs.project import Project, Tools, load_run, open_tools
from dawsos.verbs.drill import resume_drill
from dawsos.verbs.execution import MakeReporters
from dawsos.verbs.resume_run import resume_run
from dawsos.verbs.rollback import resume_rollback

_RESUME: dict[str, Callable[[Tools, Run, MakeReporters], RunOutcome]] = {
    "ship": resume_run,
    "run": resume_run,
    "drill": resume_drill,
    "rollback": resume_rollback,
}


def resume(project: Project, run_name: str, make_reporters: MakeReporters) -> RunOutcome:
    """Resume the run called ``run_name``, or the newest unfinished one; raises BadInput, OwnedElsewhere."""
    tools = open_tools(project)
    _take_in(tools, run_name)
    run = load_run(tools, run_name) if run_name else _newest_unfinished(tools)
    if not run.unfinished:
        raise BadInput(f"run {run.id} has ended: {run.result}", fix="ship again, or see dawsos show")
    return _RESUME[run.command](tools, run, make_reporters)


def _take_in(tools: Tools, run_name: str) -> None:
    """Take in what clusters keep; raises BadInput and InfrastructureError when that fails and nothing is known here."""
    try:
        take_kept(tools, run_name)
    except (BadInput, InfrastructureError) as error:
        if run_name:
            raise
        # Who asked for no run by name may mean one of this machine, and has perhaps nothing to do with that cluster.
        kind = BadInput if isinstance(error, BadInput) else InfrastructureError
        raise kind(
            f"there is no unfinished run here, and none could be taken from a cluster: {error.message}", fix=error.fix
        ) from error


def _newest_unfinished(tools: Tools) -> Run:
    found = unfinished(tools)
    if not found:
        raise BadInput("there is no unfinished run", fix="dawsos ship starts one")
    return found[0]
