"""The statements of a release as a table.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from dawsos.model.run import Run
from dawsos.provenance.verification import StatementCheck
from dawsos.reporting import formatting as words


def render_evidence(run: Run, findings: Iterable[StatementCheck]) -> Table:
    """Return one row per statement: what it is about, what it says, who signed it."""
    table = Table(
        title=f"release {words.short(run.release)} of commit {words.short(run.commit, 8)}, run {run.id}",
        title_justify="left", box=None, pad_edge=False,
    )  # fmt: skip
    for column in ("stage", "says", "gates", "evidence", "signed by", "statement"):
        table.add_column(column)
    for one in findings:
        said = one.predicate
        gates, files = said.get("gates", ()), said.get("evidence", {})
        cells = (
            one.stage, _says(one), str(len(gates)) if gates else "", f"{len(files)} files" if files else "",
            one.key_id[:12] or "nobody", one.name,
        )  # fmt: skip
        # As they are: rich would read what a person wrote in square brackets as markup, and fail at some of it.
        table.add_row(*map(Text, cells))
    return table


def _says(finding: StatementCheck) -> str:
    said = finding.predicate
    if said.get("identity"):
        return words.one_line(f"{finding.result}: {said['identity']} (issuer {said['issuer']})")
    if finding.result == "restored":
        return f"passed in run {words.one_line(said['restored']['run'])}"
    if said.get("name"):
        return f"{finding.result} by {words.one_line(said['name'])}: {words.one_line(said['reason'])}"
    if finding.result == "skipped":
        return words.one_line(f"skipped: {said.get('reason', '')}")
    return finding.result
