"""``dawsos resume``: resume a run whose owner is gone or which waited for an approval."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.run import Run
from dawsos.runs.elsewhere import take_kept
from dawsos.runs.lifecycle import RunOutcome, unfinished
from dawsos.runs.project import Project, Tools, load_run, open_tools
from dawsos.verbs.drill import resume_drill
from dawsos.verbs.execution import MakeReporters
from dawsos.verbs.handing_over import ended, must_be_free
from dawsos.verbs.resume_run import resume_run
from dawsos.verbs.rollback import resume_rollback

_RESUME: dict[str, Callable[[Tools, Run, MakeReporters], RunOutcome]] = {
    "run": resume_run,
    "drill": resume_drill,
    "rollback": resume_rollback,
}


def resume(project: Project, run_name: str, make_reporters: MakeReporters, *, here: bool = False) -> RunOutcome:
    """Resume the run called ``run_name``, or the newest unfinished one; raises BadInput, OwnedElsewhere.

    One whose rollout a job of the environment brought to its end has only to be taken in.  ``here``: this process conducts the
    rollout, also when a job was to do that.
    """
    tools = open_tools(project)
    taken = _take_in(tools, run_name)
    run = load_run(tools, run_name) if run_name else _newest_unfinished(tools, taken)
    if not run.unfinished:
        if run.in_cluster:
            return ended(tools, run)
        raise BadInput(f"run {run.id} has ended: {run.result}", fix="ship again, or see dawsos show")
    must_be_free(tools, run, here=here)
    if run.command == "ship":
        return resume_run(tools, run, make_reporters, here=here)
    return _RESUME[run.command](tools, run, make_reporters)


def _take_in(tools: Tools, run_name: str) -> list[str]:
    """Take in what clusters keep and return the runs that are new here, or have something new; raises BadInput and
    InfrastructureError when that fails and nothing is known here."""
    try:
        return take_kept(tools, run_name)
    except (BadInput, InfrastructureError) as error:
        if run_name:
            raise
        # Who asked for no run by name may mean one of this machine, and has perhaps nothing to do with that cluster.
        kind = BadInput if isinstance(error, BadInput) else InfrastructureError
        raise kind(
            f"there is no unfinished run here, and none could be taken from a cluster: {error.message}", fix=error.fix
        ) from error


def _newest_unfinished(tools: Tools, taken: Sequence[str]) -> Run:
    """Return the newest unfinished run, or else the newest of those that a job has just been found to have ended."""
    found = unfinished(tools) or [run for run in (load_run(tools, each) for each in reversed(taken)) if run.in_cluster]
    if not found:
        raise BadInput("there is no unfinished run", fix="dawsos ship starts one")
    return found[0]
