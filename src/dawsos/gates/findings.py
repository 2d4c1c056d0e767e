"""The linters, formatters and type checkers found no more than allowed, each finding with its file and line."""

from __future__ import annotations

from pydantic import Field, model_validator

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, decode, matching_files, required_file
from dawsos.gates.readers.lines import read_lines
from dawsos.gates.readers.linters import LinterName, read_linter
from dawsos.gates.readers.reports import is_structured, read_report
from dawsos.model.findings import Finding
from dawsos.model.pipeline import GateOptions


class Options(GateOptions):
    """``tools`` maps a tool to the file with its JSON (``ruff: ruff.json``).

    ``files`` are of any other linter: text with lines path:line:col: message (or as black, isort, pyright, ruff, shellcheck and
    tsc print), SARIF 2.1.0, Checkstyle, JSON of pyright, eslint, mypy, ruff, shellcheck or sqlfluff, code quality of GitHub or
    GitLab.  A file of which nothing is understood is an error, and lines that are not understood are counted.
    """

    tools: dict[LinterName, EvidencePath] = Field(default_factory=dict)
    files: EvidencePath | None = None
    max: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _something(self) -> Options:
        if not self.tools and self.files is None:
            raise ValueError("give tools, files or both: without them there is nothing to read")
        return self


def files(options: Options) -> tuple[str, ...]:
    return (*dict.fromkeys(options.tools.values()), *([options.files] if options.files else []))


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
    places = len({finding.path for finding in found})
    return Measurement(
        "pass" if len(found) <= options.max else "fail",
        _measured(found, places, options) + (f"; {', '.join(unknown)}" if unknown else ""),
        f"at most {options.max}",
        message=shown[0] if shown else ", ".join(["nothing found", *unknown]),
        evidence=tuple(read),
        findings=tuple(shown),
        places=tuple(found),
        unchecked=bool(unknown),
    )


def _measured(found: list[Finding], places: int, options: Options) -> str:
    if found:
        return f"{len(found)} findings in {places} files"
    return f"0 findings of {', '.join(options.tools)}" if options.tools else "0 findings"


GATE = GateKind(Options, files, evaluate)
