"""The linters, formatters and type checkers found no more than allowed, each finding with its file and line."""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Malformed, decode, matching_files, required_file
from dawsos.gates.readers.linters import LinterName, read_linter
from dawsos.model.findings import Finding
from dawsos.model.pipeline import GateOptions

# ruff --output-format concise, mypy, flake8, tsc --pretty false: path:line[:col]: message
_LINE = re.compile(r"(?P<path>[^\s:][^:\n]*):(?P<line>\d+)(?::(?P<column>\d+))?: (?P<message>\S.*)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Options(GateOptions):
    """``tools`` maps a tool to the file with its JSON (``ruff: ruff.json``).

    ``files`` are text files of lines path:line:col: message, of any other linter.
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
    for tool, path in options.tools.items():
        found += read_linter(tool, path, required_file(evidence, path))
        read.append(path)
    lines: list[str] = []
    for path, content in matching_files(evidence, options.files).items() if options.files else ():
        matches = _matches(path, content)
        lines += [match[0] for match in matches]
        found += [_finding(match) for match in matches]
        read.append(path)
    shown = [str(finding) for finding in found[: len(found) - len(lines)]] + lines
    places = len({finding.path for finding in found})
    return Measurement(
        "pass" if len(found) <= options.max else "fail",
        _measured(found, places, options),
        f"at most {options.max}",
        message=shown[0] if shown else "nothing found",
        evidence=tuple(read),
        findings=tuple(shown),
        places=tuple(found),
    )


def _measured(found: list[Finding], places: int, options: Options) -> str:
    if found:
        return f"{len(found)} findings in {places} files"
    return f"0 findings of {', '.join(options.tools)}" if options.tools else "0 findings"


def _matches(path: str, content: bytes) -> list[re.Match[str]]:
    output = _COLOUR.sub("", decode(path, content))
    if "\0" in output:
        raise Malformed(f"{path} is not the text output of a linter")
    # mypy explains a finding in notes below it: they are part of it and not findings of their own.
    matches = (_LINE.fullmatch(line.rstrip()) for line in output.splitlines())
    found = [match for match in matches if match and not match["message"].startswith("note:")]
    if not found and "Traceback (most recent call last)" in output:
        raise Malformed(f"{path} holds a traceback: the linter crashed")
    return found


def _finding(match: re.Match[str]) -> Finding:
    return Finding("linter", "", match["message"], match["path"], int(match["line"]), int(match["column"] or 0))


GATE = GateKind(Options, files, evaluate)
