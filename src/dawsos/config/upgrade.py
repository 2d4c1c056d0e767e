"""Version 1 of ``pipeline.yaml`` as version 2: what changes, as values and as text that keeps its comments.  Pure.

Version 1 had one ``replicas``, ``services`` and ``env`` for every environment, below ``service``, and wrote the limits of the
rollout and of gates beside the SLOs.  Version 2 means the same after an upgrade: the same stages, gates, limits and variables.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.comments import CommentedMap

from dawsos.config.documents import Path, is_version_1, line_of, parse, plain
from dawsos.config.rewriting import Unusual, rewrite
from dawsos.errors import BadInput
from dawsos.model.units import parse_duration, parse_share

OLD, NEW = 1, 2
_MOVED = ("replicas", "services", "env")
_LIMITS: tuple[tuple[str, str, Callable[[object], float]], ...] = (
    ("error_rate", "error_rate", parse_share),
    ("p95", "warm_p95", parse_duration),
)
_OBJECTIVES: tuple[tuple[str, str, Callable[[object], float]], ...] = (
    ("cold_p95", "s", parse_duration),
    ("warm_p95", "s", parse_duration),
    ("error_rate", "", parse_share),
)


@dataclass(frozen=True)
class Change:
    """One thing that version 2 writes differently: its place in version 1, and what it becomes."""

    place: Path
    message: str


@dataclass(frozen=True)
class Upgrade:
    """A version 1 document as version 2, in plain values, with what was changed in the order of the file's sections."""

    document: dict[str, Any]
    changes: tuple[Change, ...]


def upgrade(document: dict[str, Any]) -> Upgrade:
    """Return the version 1 ``document`` (plain values, which may be wrong in any way) as version 2."""
    made: dict[str, Any] = {**copy.deepcopy(document), "version": NEW}
    return Upgrade(made, (*_to_environments(made), *_to_objectives(made), *_gates_to_objectives(made)))


def _to_environments(document: dict[str, Any]) -> Iterator[Change]:
    """Move what the service said of every environment to each environment that a stage names."""
    service = document.get("service")
    if not isinstance(service, dict) or "environments" in document:
        return
    settings = {key: service.pop(key) for key in _MOVED if key in service}
    names = _environments(document) or (["staging", "production"] if settings else [])
    if names:
        document["environments"] = {name: copy.deepcopy(settings) for name in names}
    for key in settings:
        targets = " and ".join(f"environments.{name}.{key}" for name in names)
        yield Change(("service", key), f"service.{key} moves to {targets}")
    if names and not settings:
        yield Change(("service",), f"environments names what the stages act on: {', '.join(names)}")


def _environments(document: dict[str, Any]) -> list[str]:
    stages = document.get("stages")
    found = (
        [stage.get("environment") for stage in stages if isinstance(stage, dict)] if isinstance(stages, list) else []
    )
    return list(dict.fromkeys(name for name in found if name in ("staging", "production")))


def _to_objectives(document: dict[str, Any]) -> Iterator[Change]:
    """Make the limits of the rollout the SLOs, because the SLOs beside them had no effect."""
    rollout, slo = document.get("rollout"), document.get("slo")
    if not isinstance(rollout, dict) or not isinstance(slo, dict):
        return
    for key, objective, number in _LIMITS:
        if key not in rollout:
            continue
        limit, before = rollout.pop(key), slo.get(objective)
        if _same(limit, before, number):
            message = f"rollout.{key} goes: slo.{objective} is the limit"
        else:
            slo[objective] = limit
            message = f"rollout.{key} moves to slo.{objective}, which was {before} and bound nothing"
        yield Change(("rollout", key), message)


def _gates_to_objectives(document: dict[str, Any]) -> Iterator[Change]:
    """Let a gate whose maximum is an SLO refer to it: one on a path that has the SLO's name, with the same number and unit."""
    slo = document.get("slo")
    for place, gate in _gates(document):
        for objective, unit, number in _OBJECTIVES:
            measures_it = objective in str(gate.get("path")) and gate.get("unit", "") == unit
            if isinstance(slo, dict) and measures_it and _same(gate.get("max"), slo.get(objective), number):
                items = list(gate.items())
                gate.clear()
                gate |= {"slo" if key == "max" else key: value for key, value in items if key != "unit"}
                gate["slo"] = objective
                yield Change(place, f"the limit of the gate {gate.get('name', 'threshold')!r} is slo: {objective}")


def _gates(document: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield place and gate of every gate of the kind ``threshold`` that has a maximum of its own."""
    stages = document.get("stages")
    for number, stage in enumerate(stages if isinstance(stages, list) else ()):
        gates = stage.get("gates") if isinstance(stage, dict) else None
        for index, gate in enumerate(gates if isinstance(gates, list) else ()):
            if isinstance(gate, dict) and gate.get("kind") == "threshold" and "max" in gate and "slo" not in gate:
                yield ("stages", number, "gates", index), gate


def _same(one: object, other: object, number: Callable[[object], float]) -> bool:
    try:
        return number(one) == number(other)
    except ValueError:
        return False


def refusal(document: CommentedMap, path: str) -> BadInput:
    """Return the refusal of a version 1 document: one line for each change that version 2 needs."""
    changes = upgrade(plain(document)).changes
    lines = sorted((line_of(document, change.place), change.message) for change in changes)
    first = f"{path}:{line_of(document, ('version',))}: version {OLD} is no longer supported; write version {NEW}"
    return BadInput(
        "\n".join([first, *(f"{path}:{line}: {message}" for line, message in lines)]),
        fix="dawsos lint --fix rewrites the file and keeps its comments; docs/pipeline-yaml.md explains every key",
    )


def upgrade_text(text: str, path: str) -> tuple[str, list[str]]:
    """Return the text of a version 1 file as version 2, comments kept, and what was changed, a line each.

    A file of another version is returned as it is, with no changes.  Raises BadInput for what is not YAML, and when the text
    has a form that is not rewritten (anchors over several sections, merge keys): nothing is returned that was not read back
    and compared.
    """
    document = parse(text, path)
    if not is_version_1(document):
        return text, []
    wanted = upgrade(plain(document))
    try:
        rewritten = rewrite(text, wanted.document)
        good = plain(parse(rewritten, path)) == wanted.document
    except (Unusual, BadInput, LookupError, TypeError, AttributeError):
        # Also a file that lacks keys or has others in their place, which is no valid version 1 either.
        good = False
    if not good:
        raise BadInput(
            f"{refusal(document, path).message}\n{path}:1: the file has a form that cannot be rewritten",
            fix="make the changes by hand; docs/pipeline-yaml.md explains every key",
        )
    return rewritten, [f"version {OLD} is {NEW}", *(change.message for change in wanted.changes)]
