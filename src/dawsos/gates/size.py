"""The build output is not too large."""

from __future__ import annotations

import re

from pydantic import field_validator

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, get_number, parse_object, required_file
from dawsos.model.pipeline import GateOptions

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class Options(GateOptions):
    """``bytes`` in the JSON ``file`` is below ``max``, written like 500MB (decimal units)."""

    file: EvidencePath = "release.json"
    max: str = "500MB"

    @field_validator("max")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse_size(value)
        return value


def parse_size(text: str) -> int:
    """Return bytes for ``500MB`` or ``1.5GB``; raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write it like 500MB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def files(options: Options) -> tuple[str, ...]:
    return (options.file,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """Zero bytes fail too: they mean that the build left no result."""
    size = get_number(options.file, parse_object(options.file, required_file(evidence, options.file)), "bytes")
    good = 0 < size < parse_size(options.max)
    measured = f"{size / 1e6:.1f} MB ({size:.0f} bytes)"
    wrong = f"too large: {measured}" if size > 0 else "the build left nothing"
    return Measurement(
        "pass" if good else "fail",
        measured,
        f"< {options.max}, not empty",
        message="small enough" if good else wrong,
        evidence=(options.file,),
    )


GATE = GateKind(Options, files, evaluate)
