"""A measured number is within its limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from dawsos.gates.evidence import Malformed, Missing, number, one, parse_json, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict


class Options(Strict):
    """The number at the dotted ``path`` of the JSON ``file`` is at least ``min`` and at most ``max``."""

    file: str
    path: str
    min: float | None = None
    max: float | None = None
    unit: str = ""

    @model_validator(mode="after")
    def _limited(self) -> Options:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both: without a limit nothing can fail")
        return self


def files(options: Options) -> tuple[str, ...]:
    return (options.file,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    value: Any = parse_json(options.file, one(evidence, options.file))
    for part in options.path.split("."):
        if not isinstance(value, dict):
            raise Malformed(f"{options.file}: {options.path} does not lead to a number")
        if value.get(part) is None:
            raise Missing(f"{options.file} has no {options.path}: it was not measured")
        value = value[part]
    measured = number(f"{options.file}: {options.path}", value)
    low = options.min is None or measured >= options.min
    high = options.max is None or measured <= options.max
    unit = f" {options.unit}" if options.unit else ""
    limits = [(">=", options.min), ("<=", options.max)]
    limit = " and ".join(f"{sign} {value:g}{unit}" for sign, value in limits if value is not None)
    return verdict(
        (name, "threshold"), low and high, f"{measured:.4g}{unit}", limit,
        message="within the limit" if low and high else f"{measured:.4g}{unit} is not {limit}", evidence=[options.file],
    )  # fmt: skip
