"""The linters, formatters and type checkers found no more than allowed, each finding with its file and line."""

from __future__ import annotations

from pydantic import Field, model_validator

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, decode, matching_files, required_file
from dawsos.gates.readers.baseline import split
from dawsos.gates.readers.context import CONTEXT
from dawsos.gates.readers.lines import read_lines
from dawsos.gates.readers.linters import LinterName, read_linter
from dawsos.gates.readers.reports import is_structured, read_report
from dawsos.gates.readers.waivers import earliest
from dawsos.model.findings import Finding
from dawsos.model.pipeline import GateOptions


class Options(GateOptions):
    """``tools`` maps a tool to the file with its JSON (``ruff: ruff.json``).

    ``files`` are of any other linter: text with lines path:line:col: message (or as black, isort, pyright, ruff, shellcheck and
    tsc print), SARIF 2.1.0, Checkstyle, JSON of pyright, eslint, mypy, ruff, shellcheck or sqlfluff, code quality of GitHub or
    GitLab.  A file of which nothing is understood is an error, and lines that are not understood are counted.

    ``waivers`` is a YAML list of {id, most, by, why, until}; the id is ``path: rule``, and an entry waives at most ``most`` findings.
    """

    tools: dict[LinterName, EvidencePath] = Field(default_factory=dict)
    files: EvidencePath | None = None
    max: int = Field(default=0, ge=0)
    waivers: EvidencePath | None = None

    @model_validator(mode="after")
    def _something(self) -> Options:
        if not self.tools and self.files is None:
            raise ValueError("give tools, files or both: without them there is nothing to read")
        return self


def files(options: Options) -> tuple[str, ...]:
    waivers = (options.waivers, CONTEXT) if options.waivers else ()
    return (*dict.fromkeys(options.tools.values()), *([options.files] if options.files else []), *waivers)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """A tool that did not run leaves no file or an empty one: that is ``no_data``, not a pass.

    An empty text file counts as a linter that found nothing, and a crash leaves no finding in it: a stage that reads text needs
    exit_status beside this gate.
    """
    found: list[Finding] = []
    read: list[str] = []
    unknown: list[str] = []
    for tool, path in options.tools.items():
        found += read_linter(tool, path, required_file(evidence, path))
        read.append(path)
    shown = [str(finding) for finding in found]
    for path, content in matching_files(evidence, options.files).items() if options.files else ():
        read.append(path)
        if is_structured(decode(path, content)):
            listed = read_report(path, content)
            found, shown = found + listed, shown + [str(finding) for finding in listed]
            continue
        output = read_lines(path, content)
        found, shown = found + output.found, shown + output.lines
        unknown += [f"{path}: {output.unknown} lines are not understood"] if output.unknown else []
    parts = split(found, options.waivers, evidence)
    open_ones = [found[index] for index in parts.blocking]
    lines = [shown[index] + parts.notes.get(index, "") for index in parts.blocking]
    # A waiver that has effect is shown: the finding is there, and somebody answers for it.
    waived = [f"{shown[index]}, {waiver}" for index, waiver in parts.waived.items()]
    return Measurement(
        "pass" if len(open_ones) <= options.max else "fail",
        _measured(open_ones, options)
        + (f", {len(waived)} waived" if waived else "")
        + (f"; {', '.join(unknown)}" if unknown else ""),
        f"at most {options.max}",
        message=lines[0] if lines else ", ".join(["nothing found", *unknown]),
        evidence=(*read, *([options.waivers] if options.waivers else [])),
        findings=(*lines, *waived),
        places=tuple(open_ones),
        valid_until=earliest(parts.waived.values()),
        unchecked=bool(unknown),
    )


def _measured(found: list[Finding], options: Options) -> str:
    if found:
        return f"{len(found)} findings in {len({finding.path for finding in found})} files"
    return f"0 findings of {', '.join(options.tools)}" if options.tools else "0 findings"


GATE = GateKind(Options, files, evaluate)
