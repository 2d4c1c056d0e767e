"""One suite over the registry of gates: whatever a new gate measures, it keeps these promises."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dawsos.gates
from config.test_load import SMALL
from dawsos.config.load import load_pipeline
from dawsos.errors import BadInput
from dawsos.gates import GATES, evaluate_gate, files_of
from dawsos.gates.contract import GateKind
from dawsos.model.pipeline import Gate, GateOptions
from dawsos.model.verdicts import GateKindName
from gates.samples import CASES, encoded, gate

# An empty report of a linter is a linter that found nothing, and any other text is talk around its findings.
TEXT = {"findings"}
OPTIONS = {name: kind.options for name, kind in GATES.items()}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
every_kind = pytest.mark.parametrize("kind", sorted(GATES))


def sample(kind: GateKindName) -> Gate:
    return gate(kind, "the gate", **CASES[kind].options)


def test_every_module_of_the_package_is_in_the_registry_under_its_own_name() -> None:
    modules = {path.stem for path in Path(dawsos.gates.__file__).parent.glob("*.py")} - {
        "__init__",
        "contract",
        "documents",
    }
    assert set(GATES) == modules == set(CASES) == set(get_args(GateKindName))
    # Modules are loaded by name, where mypy cannot see them; what each offers it checks in the module's own last line.
    assert all(isinstance(kind, GateKind) for kind in GATES.values())
    assert all(kind.options.__module__ == f"dawsos.gates.{name}" for name, kind in GATES.items())


@every_kind
def test_a_gate_names_the_files_it_reads_and_explains_itself(kind: GateKindName) -> None:
    options = GATES[kind].options
    assert sys.modules[options.__module__].__doc__
    assert options.__doc__
    files = files_of(sample(kind))
    assert files
    assert all(isinstance(name, str) for name in files)


@every_kind
def test_a_gate_with_the_options_of_another_kind_is_a_defect_and_no_verdict(kind: GateKindName) -> None:
    """The evidence is not to blame, so this is neither ``error`` nor ``no_data``."""
    other = Gate(kind=kind, name="the gate", options=GateOptions())
    for call in (lambda: files_of(other), lambda: evaluate_gate(other, encoded(CASES[kind].good))):
        with pytest.raises(TypeError, match=f"GateOptions is not the options model of the kind '{kind}'"):
            call()


@every_kind
def test_passing_evidence_passes_and_failing_evidence_fails(kind: GateKindName) -> None:
    case = CASES[kind]
    good, bad = (evaluate_gate(sample(kind), encoded(evidence)) for evidence in (case.good, case.bad))
    assert (good.result, bad.result) == ("pass", "fail")
    for verdict in (good, bad):
        assert (verdict.gate, verdict.kind) == ("the gate", kind)
        assert verdict.measured
        assert verdict.limit
        assert verdict.message
        assert set(verdict.evidence) == set(case.good)
    assert good.measured != bad.measured
    assert good.limit == bad.limit


@every_kind
def test_a_gate_is_pure(kind: GateKindName) -> None:
    """Twice the same answer, and the evidence is as it was."""
    evidence = encoded(CASES[kind].bad)
    before = dict(evidence)
    assert evaluate_gate(sample(kind), evidence) == evaluate_gate(sample(kind), evidence)
    assert evidence == before


@every_kind
def test_without_evidence_there_is_no_data(kind: GateKindName) -> None:
    verdict = evaluate_gate(sample(kind), {})
    assert verdict.result == "no_data"
    assert verdict.limit
    assert "there is no " in verdict.message


@every_kind
def test_each_missing_file_alone_is_no_data(kind: GateKindName) -> None:
    evidence = encoded(CASES[kind].good)
    for name in evidence:
        rest = {other: content for other, content in evidence.items() if other != name}
        assert evaluate_gate(sample(kind), rest).result == "no_data"


@every_kind
def test_evidence_that_cannot_be_read_is_an_error_that_names_the_file(kind: GateKindName) -> None:
    evidence = encoded(CASES[kind].good)
    for name in evidence:
        verdict = evaluate_gate(sample(kind), evidence | {name: b"\xff\xfe"})
        assert (verdict.result, verdict.measured) == ("error", "unreadable")
        assert verdict.message.startswith(f"{name} is not UTF-8 text"), verdict.message
        assert verdict.limit == f"a readable {', '.join(files_of(sample(kind)))}"
        assert verdict.evidence == tuple(evidence)


@every_kind
def test_the_evidence_of_another_gate_is_not_taken_for_its_own(kind: GateKindName) -> None:
    verdict = evaluate_gate(sample(kind), {"other.txt": b"all is well"})
    assert verdict.result == "no_data"


GARBAGE = {
    "empty": b"", "utf-16": b"\xff\xfe", "nul": b"\0", "brace": b"{", "angle": b"<", "null": b"null", "empty object": b"{}",
    "empty list": b"[]", "xml": b"<a/>", "numbers": b"[1]", "another object": b'{"a": 1}', "deep": b"[" * 9000,
}  # fmt: skip
BINARY = ("utf-16", "nul")


@pytest.mark.parametrize(
    ("kind", "what"), [(k, w) for k in sorted(GATES) for w in GARBAGE if k not in TEXT or w in BINARY]
)
def test_a_file_that_is_not_what_the_gate_reads_never_passes(kind: GateKindName, what: str) -> None:
    verdict = evaluate_gate(sample(kind), dict.fromkeys(CASES[kind].good, GARBAGE[what]))
    assert verdict.result in ("error", "no_data"), verdict
    assert verdict.message


@every_kind
@settings(max_examples=25, deadline=None)
@given(
    content=st.binary(max_size=80) | st.text(max_size=80).map(str.encode) | JUNK.map(lambda v: json.dumps(v).encode())
)
def test_any_bytes_are_an_answer_and_never_a_pass(kind: GateKindName, content: bytes) -> None:
    verdict = evaluate_gate(sample(kind), dict.fromkeys(CASES[kind].good, content))
    assert kind in TEXT or not verdict.passed


@pytest.mark.parametrize("kind", sorted(set(GATES) - TEXT))
def test_a_report_that_was_cut_short_never_passes(kind: GateKindName) -> None:
    evidence = encoded(CASES[kind].good)
    for name, content in evidence.items():
        for length in range(len(content.rstrip()) - (name == "requirements.txt") * len(content)):
            assert not evaluate_gate(sample(kind), evidence | {name: content[:length]}).passed, content[:length]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return ``document`` with the value at ``path`` replaced."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(document, dict):
        return {**document, key: replaced(document[key], rest, value)}
    return [*document[:key], replaced(document[key], rest, value), *document[key + 1 :]]


def kind_of(value: Any) -> str:
    """Return what JSON calls the type of ``value``; an integer is a number, true is not."""
    if isinstance(value, bool) or value is None:
        return str(value)
    return "number" if isinstance(value, (int, float)) else type(value).__name__


@pytest.mark.parametrize(
    ("kind", "path"), [(kind, path) for kind in sorted(CASES) for path in CASES[kind].vital], ids=str
)
@settings(max_examples=15, deadline=None)
@given(junk=JUNK)
def test_a_value_of_another_type_in_a_place_that_matters_never_passes(
    kind: GateKindName, path: tuple[Any, ...], junk: Any
) -> None:
    case = CASES[kind]
    name = next(name for name in case.good if name.endswith(".json"))
    old = case.good[name]
    for key in path:
        old = old[key]
    if kind_of(junk) != kind_of(old):
        verdict = evaluate_gate(sample(kind), encoded({**case.good, name: replaced(case.good[name], path, junk)}))
        assert not verdict.passed, verdict
        assert verdict.message


@every_kind
def test_an_unknown_option_is_refused_by_its_name_and_line(kind: GateKindName) -> None:
    options = {**CASES[kind].options, "nonsense": 1}
    text = SMALL.replace("gates: [exit_status]", f"gates: [{{kind: {kind}, {json.dumps(options)[1:-1]}}}]", 1)
    with pytest.raises(BadInput) as refused:
        load_pipeline(text, "pipeline.yaml", OPTIONS)
    assert refused.value.message.startswith("pipeline.yaml:17: ")
    assert "unknown key 'nonsense'" in refused.value.message
