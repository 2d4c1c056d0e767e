"""The linters' own output holds no more findings than allowed, each with its file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field

from dawsos.gates.evidence import EvidencePath, Malformed, several, text, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict

# ruff --output-format concise, mypy, flake8, tsc --pretty false: path:line[:col]: message
_LINE = re.compile(r"(?P<path>[^\s:][^:\n]*):(?P<line>\d+)(?::\d+)?: (?P<message>\S.*)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Options(Strict):
    """Lines of the form path:line:col: message in the text files that ``files`` names; at most ``max`` of them."""

    files: EvidencePath
    max: int = Field(default=0, ge=0)


def files(options: Options) -> tuple[str, ...]:
    return (options.files,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    """An empty file is a linter that found nothing; a linter that did not run leaves no file.

    A linter that crashed leaves neither finding nor place, so a stage has exit_status beside this gate.
    """
    outputs = several(evidence, options.files)
    found = [line for path, content in outputs.items() for line in _found(path, content)]
    good = len(found) <= options.max
    places = len({line.partition(":")[0] for line in found})
    return verdict(
        (name, "findings"),
        good,
        f"{len(found)} findings in {places} files" if found else "0 findings",
        f"at most {options.max}",
        message=found[0] if found else "nothing found",
        evidence=outputs,
        findings=found,
    )


def _found(path: str, content: bytes) -> list[str]:
    output = _COLOUR.sub("", text(path, content))
    if "\0" in output:
        raise Malformed(f"{path} is not the text output of a linter")
    # mypy explains a finding in notes below it: they belong to it and are not findings of their own.
    matches = (_LINE.fullmatch(line.rstrip()) for line in output.splitlines())
    found = [match[0] for match in matches if match and not match["message"].startswith("note:")]
    if not found and "Traceback (most recent call last)" in output:
        raise Malformed(f"{path} holds a traceback: the linter crashed")
    return found
