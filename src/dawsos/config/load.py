"""Reads ``pipeline.yaml`` and reports all problems at once, each with file, line, place and fix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml.comments import CommentedMap

from dawsos.config.documents import Path, is_version_1, line_of, parse, plain
from dawsos.config.semantics import semantic_problems
from dawsos.errors import BadInput
from dawsos.model.names import did_you_mean
from dawsos.model.pipeline import Gate, GateOptions, Pipeline, Slo
from dawsos.model.verdicts import GateKindName

# Gate kind -> the model of its options.
GateModels = Mapping[GateKindName, type[GateOptions]]

# Keys of version 1 that moved: the message about one names its new place.
_MOVED: dict[Path, str] = {
    ("rollout", "error_rate"): "the limit is slo.error_rate, which is written once",
    ("rollout", "p95"): "the limit is slo.warm_p95, which is written once",
    ("service", "replicas"): "replicas belong to an environment: environments.NAME.replicas",
    ("service", "services"): "services belong to an environment: environments.NAME.services",
    ("service", "env"): "variables belong to an environment: environments.NAME.env",
}

_Location = tuple[int | str, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where in the document."""

    place: Path
    message: str


def load_pipeline(text: str, path: str, gate_options: GateModels, *, accept_old: bool = False) -> Pipeline:
    """Return the pipeline written in ``text``; ``path`` names the file in messages.

    Raises BadInput with one line per problem.  With ``accept_old`` a file of version 1 means what it meant; without, it is
    refused with the lines to change.
    """
    document = parse(text, path)
    shaped = plain(document)
    if is_version_1(shaped):
        # Only an older file pays for it.
        from dawsos.config.upgrade import refusal, upgrade

        if not accept_old:
            raise refusal(document, path)
        shaped = upgrade(shaped).document
    problems = [*_gates_in_place(shaped, gate_options), *_objectives_in_env(shaped)]
    pipeline: Pipeline | None = None
    try:
        pipeline = Pipeline.model_validate(shaped)
    except ValidationError as error:
        problems += _from_pydantic(error, ())
    if pipeline is not None and not problems:
        problems += [Problem(place, message) for place, message in semantic_problems(pipeline)]
    if problems or pipeline is None:
        lines = sorted({(line_of(document, problem.place), _describe(path, document, problem)) for problem in problems})
        raise BadInput(
            "\n".join(text for _, text in lines), fix=f"correct {path}; docs/pipeline-yaml.md explains every key"
        )
    return pipeline


def _gates_in_place(document: dict[str, object], gate_options: GateModels) -> list[Problem]:
    """Replace each gate as the file writes it by a ``Gate`` with validated options; return what is wrong."""
    problems: list[Problem] = []
    stages, limits = document.get("stages"), _objectives(document.get("slo"))
    for number, stage in enumerate(stages if isinstance(stages, list) else ()):
        gates = stage.get("gates") if isinstance(stage, dict) else None
        if not isinstance(gates, list):
            continue
        names: set[str] = set()
        made = []
        for index, gate in enumerate(gates):
            place: Path = ("stages", number, "gates", index)
            good, found = _gate(gate, place, gate_options, limits)
            problems += found
            if good is not None:
                made.append(good.model_copy(update={"name": _unique(good.name, names)}))
        # A placeholder for gates that were refused above: their stage must not be reported as one without gates as well, nor as
        # one whose only gate is exit_status.
        stage["gates"] = made or [Gate(kind="findings", name="refused", options=GateOptions()) for _ in gates[:1]]
    return problems


def _unique(name: str, taken: set[str]) -> str:
    unique, count = name, 2
    while unique in taken:
        unique, count = f"{name} {count}", count + 1
    taken.add(unique)
    return unique


def _objectives(written: object) -> dict[str, dict[str, Any]]:
    """Return SLO -> the limit that it is to a gate; nothing when what is written is refused elsewhere."""
    try:
        slo = Slo.model_validate(written)
    except ValidationError:
        return {}
    seconds = {"warm_p95": slo.warm_p95, "cold_p95": slo.cold_p95}
    return {"error_rate": {"max": slo.error_rate}} | {
        key: {"max": value, "unit": "s"} for key, value in seconds.items()
    }


# Whatever follows the dot: what is no objective is reported, and does not reach the stage as text.
_OBJECTIVE = re.compile(r"\{slo\.([^{}]*)\}")


def _objectives_in_env(document: dict[str, object]) -> list[Problem]:
    """Replace ``{slo.NAME}`` in the variables of each stage by the number of the objective; return what names none."""
    stages, limits = document.get("stages"), _objectives(document.get("slo"))
    numbers = {name: f"{limit['max']:g}" for name, limit in limits.items()}
    problems: list[Problem] = []
    for number, stage in enumerate(stages if isinstance(stages, list) else ()):
        env = stage.get("env") if isinstance(stage, dict) else None
        if not isinstance(env, dict) or not numbers:
            continue
        for key, value in env.items():
            if isinstance(value, str):
                unknown = [name for name in _OBJECTIVE.findall(value) if name not in numbers]
                place: Path = ("stages", number, "env", key)
                problems += [
                    Problem(place, f"unknown objective {name!r}{did_you_mean(name, numbers)}") for name in unknown
                ]
                env[key] = _OBJECTIVE.sub(lambda match: numbers.get(match[1], match[0]), value)
    return problems


def _gate(
    gate: object, place: Path, gate_options: GateModels, limits: Mapping[str, dict[str, Any]]
) -> tuple[Gate | None, list[Problem]]:
    if isinstance(gate, str):
        gate = {"kind": gate}
    if not isinstance(gate, dict) or not isinstance(gate.get("kind"), str):
        return None, [Problem(place, "a gate is a name, or a mapping with a kind")]
    kind = gate["kind"]
    if kind not in gate_options:
        return None, [Problem((*place, "kind"), f"unknown gate {kind!r}{did_you_mean(kind, gate_options)}")]
    name = kind if gate.get("name") in (None, "") else gate["name"]
    if not isinstance(name, str):
        return None, [Problem((*place, "name"), f"the name of a gate is a text, not {name!r}")]
    options = {key: value for key, value in gate.items() if key not in ("kind", "name")}
    try:
        validated = gate_options[kind].model_validate(options)
        # An objective is written once: what refers to it gets its number here, so that the verdict shows a number.
        objective = str(getattr(validated, "slo", ""))
        if objective in limits:
            del options["slo"]
            validated = gate_options[kind].model_validate({**options, **limits[objective]})
    except ValidationError as error:
        return None, _from_pydantic(error, place, gate_options[kind])
    return Gate(kind=kind, name=name, options=validated), []


def _from_pydantic(error: ValidationError, prefix: Path, model: type[BaseModel] = Pipeline) -> list[Problem]:
    problems: list[Problem] = []
    details = error.errors(include_url=False)
    misspelled = _misspelled(details, model)
    for detail in details:
        if detail["loc"] in misspelled.values():
            # The key is there, and written wrongly: that is one problem, and it is told where the key is.
            continue
        place = (*prefix, *(part for part in detail["loc"] if not _is_tag(part)))
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            key = str(place[-1])
            hint = did_you_mean(key, _known_keys(model, detail["loc"][:-1]))
            if detail["loc"] in misspelled:
                hint = hint or f"; missing is {str(misspelled[detail['loc']][-1])!r}"
            message = _MOVED.get(place) or f"unknown key {key!r}{hint}"
        elif detail["type"] == "missing":
            message = f"missing key {str(place[-1])!r}"
        elif detail["type"] == "literal_error":
            message = f"{detail['input']!r} is not known{did_you_mean(str(detail['input']), _choices(message))}; {message.lower()}"
        problems.append(Problem(place, message))
    return problems


def _misspelled(details: Sequence[Mapping[str, Any]], model: type[BaseModel]) -> dict[_Location, _Location]:
    """Return where an unknown key is -> where the missing one is that it was meant to be.

    They are of one mapping, and resemble each other, or are the only ones of it.
    """
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    missing = [detail["loc"] for detail in details if detail["type"] == "missing"]
    meant: dict[_Location, _Location] = {}
    for place in unknown:
        near = did_you_mean(str(place[-1]), _known_keys(model, place[:-1]))
        lacking = [one for one in missing if one[:-1] == place[:-1]]
        alone = len(lacking) == 1 and [one[:-1] for one in unknown].count(place[:-1]) == 1
        found = [one for one in lacking if repr(one[-1]) in near] or (lacking if alone and not near else [])
        if found:
            meant[place] = found[0]
    return meant


def _is_tag(part: object) -> bool:
    return isinstance(part, str) and part.startswith(("function-", "constrained-"))


def _choices(message: str) -> list[str]:
    return message.split("'")[1::2]


def _known_keys(model: type[BaseModel], location: Iterable[str | int]) -> list[str]:
    """Return the keys allowed at ``location`` below ``model``, by following the annotations."""
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        if isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields:
            current = _inner_model(current.model_fields[part].annotation)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None


def _describe(path: str, document: CommentedMap, problem: Problem) -> str:
    place = ""
    for part in problem.place:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    text = f"{place + ': ' if place else ''}{problem.message}"
    # A key may be anything, also what would move the cursor or break the line.
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return f"{path}:{line_of(document, problem.place)}: {shown}"
