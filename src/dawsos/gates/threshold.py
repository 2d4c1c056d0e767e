"""A measured number is within its limit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import EvidencePath, Malformed, Missing, number, parse_object, required_file
from dawsos.model.json import Json, JsonObject
from dawsos.model.pipeline import GateOptions

# An infinite limit would be a gate that cannot fail.
_Limit = Annotated[float, Field(allow_inf_nan=False)]


class Options(GateOptions):
    """The number at the dotted ``path`` of the JSON ``file`` is at least ``min`` and at most ``max``, or the SLO that ``slo``
    names (latencies in seconds, the error rate as a share)."""

    file: EvidencePath
    path: str = Field(min_length=1)
    min: _Limit | None = None
    max: _Limit | None = None
    unit: str = ""
    slo: Literal["error_rate", "warm_p95", "cold_p95"] | None = Field(
        default=None, description="The maximum is this objective of the pipeline's `slo`."
    )

    @model_validator(mode="after")
    def _limited(self) -> Options:
        if self.slo is not None and (self.max is not None or self.unit):
            raise ValueError(f"slo: {self.slo} gives the maximum and its unit: leave out max and unit, or slo")
        if self.min is None and self.max is None and self.slo is None:
            raise ValueError("give min, max, both, or slo: without a limit nothing can fail")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: nothing could pass")
        return self


def files(options: Options) -> tuple[str, ...]:
    return (options.file,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    measured = _measured(options, parse_object(options.file, required_file(evidence, options.file)))
    unit = f" {options.unit}" if options.unit else ""
    limits = []
    if options.min is not None:
        limits.append((f">= {options.min:g}{unit}", measured >= options.min))
    if options.max is not None:
        limits.append((f"<= {options.max:g}{unit}", measured <= options.max))
    limit = " and ".join(text for text, _ in limits)
    good = all(held for _, held in limits)
    # The shortest text that is still this number: rounding could show 2 for 2.00001 against a limit of 2.
    value = f"{measured:.4g}" if good else f"{measured:.10g}"
    return Measurement(
        "pass" if good else "fail",
        f"{value}{unit}",
        limit,
        message="within the limit" if good else f"{options.path} is {value}{unit}, not {limit}",
        evidence=(options.file,),
    )


def _measured(options: Options, document: JsonObject) -> float:
    if options.slo is not None:
        # Loading the pipeline replaces the name by the number; without a number nothing here could fail.
        raise Malformed(f"slo: {options.slo} has no number: load the gate with its pipeline, whose slo section has it")
    value: Json = document
    for part in options.path.split("."):
        if not isinstance(value, dict):
            raise Malformed(f"{options.file}: {options.path} does not lead to a number")
        value = value.get(part)
        if value is None:
            raise Missing(f"{options.file} has no {options.path}: it was not measured")
    return number(f"{options.file}: {options.path}", value)


GATE = GateKind(Options, files, evaluate)
