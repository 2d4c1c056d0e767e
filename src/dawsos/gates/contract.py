"""The contract of a gate kind: its options, the evidence it reads, and a pure evaluation.

Each module ends in ``GATE = GateKind(Options, files, evaluate)``.  mypy solves ``OptionsT`` from the three arguments, so a
function that takes the options of another kind, returns something else, or lacks a parameter is a type error in that line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from dawsos.model.findings import Finding
from dawsos.model.pipeline import GateOptions
from dawsos.model.verdicts import GateResult

# Path below the stage's artifact folder -> content of the file.
Evidence: TypeAlias = Mapping[str, bytes]

OptionsT = TypeVar("OptionsT", bound=GateOptions)


@dataclass(frozen=True)
class Measurement:
    """What a gate measured in its evidence, and whether that is within the limit.

    ``message`` is the one line to show.  ``evidence`` names the files that were read, ``findings`` are worth a line each, and
    ``places`` are those of the findings that lie in a file.  ``valid_until`` (seconds since the epoch) is set by a gate that
    passed on a waiver or on dated data, ``unchecked`` by one that let something pass which it did not check.
    """

    result: GateResult
    measured: str
    limit: str
    message: str
    evidence: tuple[str, ...]
    findings: tuple[str, ...] = ()
    valid_until: float | None = None
    places: tuple[Finding, ...] = ()
    unchecked: bool = False


@dataclass(frozen=True)
class GateKind(Generic[OptionsT]):
    """One kind of gate.

    ``files`` returns the globs of the evidence, relative to the stage's artifact folder.  ``evaluate`` does no I/O and reads no
    clock; it raises Missing for evidence that is not there and Malformed for evidence that it cannot read.
    """

    options: type[OptionsT]
    files: Callable[[OptionsT], tuple[str, ...]]
    evaluate: Callable[[OptionsT, Evidence], Measurement]
