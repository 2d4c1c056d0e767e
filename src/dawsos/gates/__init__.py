"""Exit criteria: one pure module for each kind, and ``GATES``, the mapping of all kinds.

A new kind is one module here that defines ``GATE``, and its name in ``model.verdicts.GateKindName``.  ``GATES`` loads a kind on
first use, because a pipeline uses few of them and each has its parsers.  ``contract.GateKind`` says what a module offers.
Evidence that is missing is ``no_data``, evidence that cannot be read is ``error``; neither passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, TypeVar, get_args

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import Malformed, Missing
from dawsos.model.pipeline import Gate, GateOptions
from dawsos.model.verdicts import GateKindName, GateVerdict

_ValueT = TypeVar("_ValueT")
_NAMES: tuple[GateKindName, ...] = get_args(GateKindName)


class _OfEachKind(Mapping[GateKindName, _ValueT]):
    """Every name of ``GateKindName`` -> what ``load`` returns for it."""

    def __init__(self, load: Callable[[GateKindName], _ValueT]) -> None:
        self._load = load

    def __getitem__(self, name: GateKindName) -> _ValueT:
        if name not in _NAMES:
            raise KeyError(name)
        return self._load(name)

    def __contains__(self, name: object) -> bool:
        return name in _NAMES

    def __iter__(self) -> Iterator[GateKindName]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


def _load(name: GateKindName) -> GateKind[Any]:
    """Return the kind of the module ``name``: mypy checks the line ``GATE = GateKind(...)`` there."""
    kind: GateKind[Any] = import_module(f"{__name__}.{name}").GATE
    return kind


# Only the kind itself knows the type of its options; ``_kind_of`` checks it where a gate meets its kind.
GATES: Mapping[GateKindName, GateKind[Any]] = _OfEachKind(_load)
OPTIONS: Mapping[GateKindName, type[GateOptions]] = _OfEachKind(lambda name: GATES[name].options)

# What reading a foreign document of unforeseen shape raises.  A gate names the usual cases itself; this is the net below,
# because one odd report must turn one gate red and not end the run.
_UNFORESEEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def files_of(gate: Gate) -> tuple[str, ...]:
    """Return the globs of the evidence that ``gate`` reads, relative to the stage's artifact folder."""
    return _kind_of(gate).files(gate.options)


def evaluate_gate(gate: Gate, evidence: Evidence) -> GateVerdict:
    """Return the verdict of ``gate`` on ``evidence``; never raises for what the evidence holds."""
    kind = _kind_of(gate)
    wanted, given = ", ".join(kind.files(gate.options)), tuple(evidence)
    try:
        found = kind.evaluate(gate.options, evidence)
    except Missing as missing:
        found = Measurement("no_data", "nothing", wanted, str(missing), given)
    except Malformed as malformed:
        found = Measurement("error", "unreadable", f"a readable {wanted}", str(malformed), given)
    except _UNFORESEEN as error:
        reason = f"{', '.join(evidence)}: {type(error).__name__}: {error}"
        found = Measurement("error", "unreadable", f"a readable {wanted}", reason, given)
    return GateVerdict(
        gate=gate.name,
        kind=gate.kind,
        result=found.result,
        measured=found.measured,
        limit=found.limit,
        message=found.message,
        evidence=found.evidence,
        findings=found.findings,
        valid_until=found.valid_until,
        places=found.places,
        unchecked=found.unchecked,
    )


def _kind_of(gate: Gate) -> GateKind[Any]:
    kind = GATES[gate.kind]
    if not isinstance(gate.options, kind.options):
        model = type(gate.options).__qualname__
        raise TypeError(f"gate {gate.name!r}: {model} is not the options model of the kind {gate.kind!r}")
    return kind
