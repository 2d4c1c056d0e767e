"""A run that another machine brought to its end gets its report and its signed summary here, from what is known here."""

from __future__ import annotations

from dawsos.adapters.locks import owned
from dawsos.errors import BadInput
from dawsos.model.run import Run
from dawsos.model.status import RunResult
from dawsos.provenance import envelope as dsse
from dawsos.runs.evidence import SUMMARY_FILE, sign_summary
from dawsos.runs.project import Tools, load_at, load_run


def seal(tools: Tools, run_id: str) -> bool:
    """Write the report of a run that has ended elsewhere, and sign its summary; return False when there is nothing to do.

    What was taken in was compared with what a believed key signed.  Without the commit, nothing is written.
    """
    run = load_run(tools, run_id)
    if run.result in (RunResult.UNFINISHED, RunResult.WAITING) or _says(tools, run):
        return False
    try:
        pipeline = load_at(tools.project, run.commit)
    except BadInput:
        return False
    from dawsos.runs.report import write_report  # the library behind it is loaded only for a report

    with owned(tools.project.run_lock(run_id), f"run {run_id}"):
        write_report(tools, pipeline, run)
        tools.journal.anchor(
            run_id, tools.project.summary(run_id), result=run.result, release=run.release, commit=run.commit
        )
        sign_summary(tools, run)
    return True


def _says(tools: Tools, run: Run) -> bool:
    """Return whether a signed summary here has the end of the run."""
    path = tools.project.evidence(run.id) / SUMMARY_FILE
    if not path.is_file():
        return False
    try:
        opened = dsse.open_envelope(path.read_bytes().decode(errors="replace"), tools.keyring())
    except dsse.Untrusted:
        # Somebody altered it: whoever shows the run says so.
        return True
    return bool(opened.statement.get("predicate", {}).get("result") == run.result)
