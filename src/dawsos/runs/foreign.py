"""Runs of other machines: what of a run travels in a file of results, and what of it is believed.

    runs/RUN/         its evidence, its report, and the folder of each stage that the journal has the digests of
    journal/RUN.json  its journal, event by event

A run that waits for an approval is so resumed on another machine, and reports and metrics know what other jobs did.  A believed
key must have signed the run's summary: the summary holds the head of the journal and the digest of every file of the evidence, and
the journal that of every other file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dawsos.adapters.archive import regular_files
from dawsos.adapters.digests import tree_digests
from dawsos.adapters.files import write_json
from dawsos.errors import InfrastructureError
from dawsos.model.events import ApprovalGiven, Event, RunFinished
from dawsos.model.fold import fold
from dawsos.model.run import Run
from dawsos.provenance import envelope as dsse
from dawsos.provenance import statements
from dawsos.provenance.certificate import Confirmed
from dawsos.runs.codec import from_row
from dawsos.runs.evidence import SUMMARY_FILE, summary_problems
from dawsos.runs.journal import Journal, KeptRow
from dawsos.runs.project import Project, Tools

# The files of a run's folder that its signed summary lists, beside those of the evidence.
_SUMMED = ("report.html", "findings.sarif", "summary.json")
# So many seconds may the clocks of two machines differ.
_CLOCKS = 86400.0
NAMES = r"runs/[0-9]{8}-[0-9]{6}-[0-9a-f]{7}-[0-9a-f]{2}"
JOURNALS = NAMES.replace("runs/", "journal/") + r"\.json"


class Damaged(Exception):
    """A run is not as it was signed; the text says what is wrong."""


@dataclass(frozen=True)
class Foreign:
    """A run that another machine saved; ``doubt`` says why it is not believed, and then nothing of it is taken in."""

    run: str
    key: str
    doubt: str = ""


def packed(tools: Tools, run: Run) -> dict[str, Path | bytes]:
    """Return the files of ``run`` that travel; raises ValueError when one of them is a link or a device."""
    folder = tools.project.run_folder(run.id)
    parts = ["evidence", *(statements.evidence_folder(stage) for stage in run.stages.values() if stage.evidence)]
    files: dict[str, Path | bytes] = {
        f"runs/{run.id}/{part}/{name}": path for part in parts for name, path in regular_files(folder / part)
    }
    files |= {f"runs/{run.id}/{name}": folder / name for name in _SUMMED if (folder / name).is_file()}
    rows = [list(row) for row in tools.journal.rows(run.id)]
    return {**files, f"journal/{run.id}.json": json.dumps(rows).encode()}


def travels(run: Run) -> bool:
    """Return whether the run has come to its end, or waits for an approval: its summary is signed."""
    return bool(run.result)


def check(tools: Tools, folder: Path, keys: Mapping[str, bytes]) -> list[Foreign]:
    """Check the runs unpacked into ``folder``; raises Damaged for one that is not as a believed key signed it.

    ``keys`` maps a run to the key that a certificate proves for it.
    """
    there = replace(
        tools, project=Project(tools.project.root, folder), journal=Journal(folder / "checked", tools.clock)
    )
    try:
        names = sorted(path.stem for path in folder.glob("journal/*.json"))
        lost = {path.name for path in folder.glob("runs/*")} - set(names)
        if lost:
            raise Damaged(f"run {min(lost)} has no journal")
        return [_check(tools, there, name, keys.get(name, b"")) for name in names]
    finally:
        there.journal.close()


def _check(tools: Tools, there: Tools, run: str, certified: bytes) -> Foreign:
    """Check one run; ``there`` is the folder it was unpacked into, with a journal of its own."""
    path = there.project.evidence(run) / SUMMARY_FILE
    text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
    # Whom to believe is asked here, not in a folder that a stranger filled.
    keyring, key = tools.keyring(certified), dsse.signer_of(text)
    try:
        predicate = dsse.open_envelope(text, keyring).statement.get("predicate", {})
    except dsse.UnknownKey:
        return Foreign(run, key, f"it is signed by the key {key[:12]}, which is not believed here")
    except dsse.Untrusted as reason:
        raise Damaged(f"the summary of run {run} proves nothing: {reason}") from reason
    try:
        rows = _rows(there.project.home, run)
        there.journal.take_in(rows)
        _must_end_as_signed([from_row((run, *row[1:6])) for row in rows], predicate, tools.clock.now())
        told = fold(there.journal.events(run))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, InfrastructureError) as error:
        raise Damaged(f"the journal of run {run} cannot be read: {error}") from error
    problems = summary_problems(there, told, Confirmed(key=certified), keyring) + _files(there.project, told)
    if problems or told.id != run:
        raise Damaged(f"run {run}: {(*problems, 'it is another run')[0]}")
    return Foreign(run, key)


def _rows(folder: Path, run: str) -> list[KeptRow]:
    rows = json.loads((folder / "journal" / f"{run}.json").read_bytes())
    kinds = (str, int, float, str, str, str, str, str)
    for row in rows:
        if len(row) != len(kinds) or any(type(value) is not kind for value, kind in zip(row, kinds, strict=True)):
            raise ValueError("it does not hold events")
        if row[0] != run:
            raise ValueError(f"it has an event of run {row[0]}")
    return [tuple(row) for row in rows]


def _must_end_as_signed(events: Sequence[Event], summary: Mapping[str, Any], now: float) -> None:
    """Raise ValueError for an event after the signed head of the journal that could change what the run came to.

    The end of a run is recorded after its summary, and an approval, which is signed itself, may come while it waits.  Nobody signed
    when they came: no calendar has some times, and one far ahead would stay in the metrics.
    """
    signed = int(summary["journal"]["events"])
    earliest = min((event.at for event in events[:signed]), default=0.0) - _CLOCKS
    for event in events[signed:]:
        if not earliest <= event.at <= now + _CLOCKS:
            raise ValueError(f"event {event.seq} ({event.kind}) has a time at which it cannot have come")
        fact = event.fact
        same = isinstance(fact, RunFinished) and (fact.result, fact.exit_code, fact.reason) == (
            summary["result"], summary["exitCode"], summary["reason"],
        )  # fmt: skip
        if not same and not isinstance(fact, ApprovalGiven):
            raise ValueError(f"event {event.seq} ({event.kind}) came after its signed summary")


def _files(project: Project, run: Run) -> list[str]:
    """Return what is wrong with the files of the run that its signed journal and summary do not list themselves."""
    folder, problems, listed = project.run_folder(run.id), [], {*_SUMMED}
    for stage in run.stages.values():
        name = statements.evidence_folder(stage)
        found = tree_digests(folder / name) if stage.evidence else {}
        listed |= {f"{name}/{file}" for file in found}
        if found != stage.evidence:
            problems.append(f"the evidence of {stage.id} was altered")
    strange = [name for name in tree_digests(folder) if name not in listed and not name.startswith("evidence/")]
    return problems + [f"{name} is nothing that its journal knows" for name in strange]


def take(tools: Tools, folder: Path, run: str) -> bool:
    """Take a checked run in, unless it is known here; return whether it was taken in.

    Its folder comes first: a run is there when its journal is.
    """
    if run in tools.journal.runs():
        return False
    rows, target = _rows(folder, run), tools.project.run_folder(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    # What lies there without a journal is of a take that was killed.
    shutil.rmtree(target, ignore_errors=True)
    (folder / "runs" / run).rename(target)
    write_json(tools.project.taken(run), {"events": len(rows)})
    tools.journal.take_in(rows)
    return True
