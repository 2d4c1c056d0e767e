"""There is no key, token or password in the commits, the files or the build output; findings never contain one in full."""

from __future__ import annotations

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Missing, get, get_number, get_text, parse_object, required_file, rows
from dawsos.gates.readers.context import CONTEXT, read_context
from dawsos.gates.readers.waivers import Waiver, earliest, read_waivers
from dawsos.model.findings import Finding
from dawsos.model.json import JsonObject
from dawsos.model.pipeline import GateOptions

_SCOPES = ("commits", "files")


class Options(GateOptions):
    """``report`` of ``dawsos scan secrets``: at least ``min_commits`` commits and ``min_files`` files scanned, no secret found.

    ``waivers`` is a YAML list of {id, by, why, until}; the id is the fingerprint that the finding shows.
    """

    report: EvidencePath = "secrets.json"
    waivers: EvidencePath | None = None
    min_commits: int = Field(default=1, ge=0)
    min_files: int = Field(default=1, ge=0)


def files(options: Options) -> tuple[str, ...]:
    return (options.report, options.waivers, CONTEXT) if options.waivers else (options.report,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    report = parse_object(options.report, required_file(evidence, options.report))
    scanned = get(options.report, report, "scanned")
    counts = {scope: get_number(f"{options.report}: scanned", scanned, scope) for scope in _SCOPES}
    found = rows(f"{options.report}: secrets", get(options.report, report, "secrets"))
    for scope, minimum in (("commits", options.min_commits), ("files", options.min_files)):
        if counts[scope] < minimum:
            raise Missing(f"{options.report}: {counts[scope]:.0f} {scope} scanned, at least {minimum} are required")
    waivers = _waivers(options, evidence)
    unwaived = [row for row in found if _fingerprint(options.report, row) not in waivers]
    waived = [row for row in found if row not in unwaived]
    scanned_text = ", ".join(f"{counts[scope]:.0f} {scope}" for scope in _SCOPES)
    places = [_finding(options.report, row) for row in unwaived]
    return Measurement(
        "fail" if unwaived else "pass",
        f"{len(unwaived)} secrets in {scanned_text}" + (f", {len(waived)} waived" if waived else ""),
        "0 secrets",
        message=str(places[0]) if places else "nothing found",
        evidence=files(options),
        findings=(
            *map(str, places), *(f"{_finding(options.report, row)}, {waivers[_fingerprint(options.report, row)]}" for row in waived),
        ),
        places=tuple(place for place, row in zip(places, unwaived, strict=True) if not row.get("commit")),
        valid_until=earliest(waivers[_fingerprint(options.report, row)] for row in waived),
    )  # fmt: skip


def _waivers(options: Options, evidence: Evidence) -> dict[str, Waiver]:
    if options.waivers is None:
        return {}
    day = read_context(evidence).day
    entries = read_waivers(options.waivers, required_file(evidence, options.waivers), "id", "by")
    return {entry.subject: entry for entry in entries if entry.until >= day}


def _fingerprint(name: str, row: JsonObject) -> str:
    return get_text(name, row, "fingerprint")


def _finding(name: str, row: JsonObject) -> Finding:
    line = row.get("line")
    commit = f" in commit {str(row['commit'])[:12]}" if row.get("commit") else ""
    message = f"{row.get('length', '?')} characters, fingerprint {_fingerprint(name, row)}{commit}"
    return Finding(
        "secrets", get_text(name, row, "kind"), message, get_text(name, row, "path"), line if type(line) is int else 0
    )


GATE = GateKind(Options, files, evaluate)
