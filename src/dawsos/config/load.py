"""Reads ``pipeline.yaml``: all problems at once, each with file, line, place and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from dawsos.config.semantics import semantic_problems
from dawsos.errors import BadInput
from dawsos.model.names import did_you_mean
from dawsos.model.pipeline import Gate, GateOptions, Pipeline, Slo
from dawsos.model.verdicts import GateKindName

Path = tuple[str | int, ...]
# Gate kind -> the model of its options.
GateModels = Mapping[GateKindName, type[GateOptions]]

# Keys of version 1 that stand elsewhere now: whoever writes them from memory is told where.
_MOVED: dict[Path, str] = {
    ("rollout", "error_rate"): "the limit is slo.error_rate, which is written once",
    ("rollout", "p95"): "the limit is slo.warm_p95, which is written once",
    ("service", "replicas"): "replicas belong to an environment: environments.NAME.replicas",
    ("service", "services"): "services belong to an environment: environments.NAME.services",
    ("service", "env"): "variables belong to an environment: environments.NAME.env",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where in the document."""

    place: Path
    message: str


def load_pipeline(text: str, path: str, gate_options: GateModels) -> Pipeline:
    """Return the pipeline written in ``text``; ``path`` names the file in messages.

    Raises BadInput with one line per problem.
    """
    document = _parse(text, path)
    shaped = plain(document)
    problems = _gates_in_place(shaped, gate_options)
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


def _parse(text: str, path: str) -> CommentedMap:
    yaml = YAML(typ="rt", pure=True)
    try:
        documents = list(yaml.load_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        problem = " ".join(str(error.problem or error.context).split())
        raise BadInput(
            f"{where}: not valid YAML: {problem}", fix="check the indentation, use spaces, write each key once"
        ) from error
    except YAMLError as error:
        raise BadInput(
            f"{path}: not valid YAML: {' '.join(str(error).split())}", fix="check the file's syntax"
        ) from error
    if not documents or documents[0] is None:
        raise BadInput(f"{path}: the file is empty", fix="write a pipeline: docs/pipeline-yaml.md")
    if len(documents) > 1 or not isinstance(documents[0], CommentedMap):
        raise BadInput(f"{path}: expected one mapping of keys", fix="start with version, name, stages ...")
    return documents[0]


def plain(value: Any) -> Any:
    """Return ruamel's annotated values as plain Python ones."""
    if isinstance(value, CommentedMap):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, CommentedSeq):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value


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
    return Gate(kind=kind, name=str(gate.get("name") or kind), options=validated), []


def _from_pydantic(error: ValidationError, prefix: Path, model: type[BaseModel] = Pipeline) -> list[Problem]:
    problems = []
    for detail in error.errors(include_url=False):
        place = (*prefix, *(part for part in detail["loc"] if not _is_tag(part)))
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            key = str(place[-1])
            message = (
                _MOVED.get(place) or f"unknown key {key!r}{did_you_mean(key, _known_keys(model, detail['loc'][:-1]))}"
            )
        elif detail["type"] == "missing":
            message = f"missing key {str(place[-1])!r}"
        elif detail["type"] == "literal_error":
            message = f"{detail['input']!r} is not known{did_you_mean(str(detail['input']), _choices(message))}; {message.lower()}"
        problems.append(Problem(place, message))
    return problems


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


def line_of(document: CommentedMap, place: Path) -> int:
    """Return the line (from 1) of the deepest part of ``place`` that is in the document."""
    line = 1
    current: Any = document
    for part in place:
        try:
            if isinstance(current, CommentedMap):
                line = current.lc.key(part)[0] + 1
                current = current[part]
            elif isinstance(current, CommentedSeq) and isinstance(part, int):
                line = current.lc.item(part)[0] + 1
                current = current[part]
            else:
                break
        except (KeyError, IndexError, TypeError):
            break
    return line


def _describe(path: str, document: CommentedMap, problem: Problem) -> str:
    place = ""
    for part in problem.place:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    text = f"{place + ': ' if place else ''}{problem.message}"
    # A key may be anything, also what would move the cursor or break the line.
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return f"{path}:{line_of(document, problem.place)}: {shown}"
