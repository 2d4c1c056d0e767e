"""Fingerprints: whatever decides a result changes them, and nothing else does."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.model.pipeline import Approval, Gate, Retry, Stage, Step
from dawsos.model.plan import UNSURE, Fingerprint
from dawsos.planning.fingerprint import fingerprint, matches, uncertain, unmatched
from engine.stages import stage
from gates.samples import gate

STAGE = stage("unit", inputs=("backend/**", "!backend/docs/**"), env={"TZ": "UTC"}, pass_env=("PROXY",))
INPUTS: dict[str, Any] = {
    "files": {"backend/app.py": "1", "backend/docs/a.md": "2", "README.md": "3"},
    "tools": {"python": "3.12"},
    "environ": {"PROXY": "p", "HOME": "/root"},
    "upstream": {"release": "r"},
}
BEFORE = fingerprint(STAGE, **INPUTS)


def changed(which: Stage = STAGE, **inputs: Any) -> tuple[str, ...]:
    """Return what ``--explain`` says after the change; a changed digest and a changed input are one thing."""
    after: Fingerprint = fingerprint(which, **(INPUTS | inputs))
    lines = after.changes_since(BEFORE.manifest)
    assert (after.digest != BEFORE.digest) is bool(lines)
    return lines


@pytest.mark.parametrize(
    ("inputs", "line"),
    [
        ({"files": {**INPUTS["files"], "backend/app.py": "9"}}, "changed  file backend/app.py"),
        ({"files": {**INPUTS["files"], "backend/new.py": "9"}}, "added    file backend/new.py"),
        ({"files": {"README.md": "3"}}, "removed  file backend/app.py"),
        ({"tools": {"python": "3.13"}}, "changed  tool python"),
        ({"environ": {"PROXY": "q"}}, "changed  passed env PROXY"),
        ({"environ": {}}, "changed  passed env PROXY"),
        ({"upstream": {"release": "s"}}, "changed  upstream release"),
    ],
)
def test_a_changed_input_is_named(inputs: dict[str, Any], line: str) -> None:
    assert changed(**inputs) == (line,)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"steps": (Step(run="false"),)}, "changed  step 1"),
        ({"steps": (Step(run="true", repeat=2),)}, "changed  step 1"),
        ({"steps": (Step(run="true", keep_going=True),)}, "changed  step 1"),
        ({"steps": (Step(run="true"), Step(run="true", name="more"))}, "added    step 2 more"),
        ({"env": {"TZ": "CET"}}, "changed  env TZ"),
        ({"env": {}}, "removed  env TZ"),
        ({"gates": (gate("junit", "exit_status"),)}, "changed  gate exit_status"),
        ({"services": ("postgres",)}, "changed  services"),
        ({"environment": "staging"}, "changed  uses"),
        ({"approval": Approval(role="tester")}, "changed  approval"),
    ],
)
def test_a_changed_definition_is_named(fields: dict[str, Any], line: str) -> None:
    assert changed(STAGE.model_copy(update=fields)) == (line,)


@pytest.mark.parametrize(
    ("made", "hashed"),
    [
        (gate("exit_status"), '["exit_status", {}]'),
        (
            gate("threshold", file="slo.json", path="p95", max="1.2"),
            '["threshold", {"file": "slo.json", "max": 1.2, "path": "p95"}]',
        ),
        (gate("pass_rate", min_rate="95%"), '["pass_rate", {"min_rate": 0.95}]'),
        (
            gate("scan", fail_on=["HIGH"], report="bandit.json"),
            '["scan", {"fail_on": ["HIGH"], "report": "bandit.json"}]',
        ),
        (
            gate("vulnerabilities", sources={"osv": "o.json"}, max_age="24h"),
            '["vulnerabilities", {"max_age": 86400.0, "sources": {"osv": "o.json"}}]',
        ),
    ],
)
def test_of_a_gate_the_options_that_the_file_sets_are_hashed(made: Gate, hashed: str) -> None:
    """A new default must not make every stage run again; the digests of older versions of the tool stay valid."""
    manifest = fingerprint(STAGE.model_copy(update={"gates": (made,)}), {}, {}, {}, {}).manifest
    assert manifest["gate gate"] == hashlib.sha256(hashed.encode()).hexdigest()


@pytest.mark.parametrize(
    ("fields", "inputs"),
    [
        ({}, {"files": {**INPUTS["files"], "README.md": "9"}}),
        ({}, {"files": {**INPUTS["files"], "backend/docs/a.md": "9"}}),
        ({}, {"environ": {"PROXY": "p", "HOME": "/home/ada", "LEAK": "x"}}),
        ({"title": "Other words"}, {}),
        ({"budget": 5.0, "cpus": 2, "retry": Retry(attempts=5)}, {}),
    ],
    ids=["another file", "an excluded file", "undeclared environment", "title", "budget and cores"],
)
def test_what_decides_nothing_changes_nothing(fields: dict[str, Any], inputs: dict[str, Any]) -> None:
    assert changed(STAGE.model_copy(update=fields), **inputs) == ()


def test_a_variable_that_is_empty_is_not_one_that_is_missing() -> None:
    empty, missing = (fingerprint(STAGE, **(INPUTS | {"environ": environ})) for environ in ({"PROXY": ""}, {}))
    assert empty.digest != missing.digest


def test_a_manifest_never_holds_a_value_of_the_environment() -> None:
    secret = fingerprint(stage("a", env={"A": "s3cret"}, pass_env=("B",)), **(INPUTS | {"environ": {"B": "t0ken"}}))
    assert "s3cret" not in str(secret)
    assert "t0ken" not in str(secret)


@given(st.dictionaries(st.text("ab/.", min_size=1, max_size=6), st.text(max_size=3)), st.randoms())
def test_the_order_of_the_inputs_does_not_matter(files: dict[str, str], random: Any) -> None:
    pairs = list(files.items())
    random.shuffle(pairs)
    one, two = (fingerprint(stage("a", inputs=("**",)), dict(each), {}, {}, {}) for each in (files.items(), pairs))
    assert one == two


@pytest.mark.parametrize(
    "pattern", ["*", "**", "a/*", "a/**", "**/*.py", "*.py", "a/**/x.py", "?.py", "a/b/x.py", "**/b/**"]
)
def test_a_pattern_means_what_pathlib_means(pattern: str, tmp_path: Path) -> None:
    files = ["x.py", "xy.py", "a/x.py", "a/b/x.py", "a/b/c/x.py", "a/x.txt", "b/x.py"]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    # Only where a trailing ** is concerned pathlib of this version names folders, not files.
    globbed = tmp_path.glob(pattern + "/*" if pattern.endswith("**") else pattern)
    expected = {path.relative_to(tmp_path).as_posix() for path in globbed if path.is_file()}
    assert {name for name in files if matches(name, (pattern,))} == expected


@pytest.mark.parametrize(
    ("path", "patterns", "included"),
    [
        ("a/x", ("a/**", "!a/x"), False),
        ("a/x", ("!a/x", "a/**"), True),
        ("a/x", ("a/**", "!a/**", "a/x"), True),
        ("a/x", (), False),
        ("a.c/x+y", ("a.c/x+y",), True),
        ("abc/x+y", ("a.c/x+y",), False),
        ("[a]", ("[a]",), True),
    ],
)
def test_the_last_pattern_that_matches_counts(path: str, patterns: tuple[str, ...], included: bool) -> None:
    assert matches(path, patterns) is included


def test_a_file_with_a_line_break_in_its_name_is_an_input_as_any_other() -> None:
    assert matches("backend/a\nb.py", ("backend/**",))
    assert matches("backend/a\nb.py", ("**",))


def test_a_pattern_without_a_file_is_named_unless_it_excludes() -> None:
    files = {"src/a.py": "1", "src/b.py": "1"}
    assert unmatched(files, ("src/**", "!docs/**", "source/**", "src/c.py")) == ("source/**", "src/c.py")
    # What a later pattern excludes is there all the same.
    assert unmatched(files, ("src/**", "!src/**")) == ()


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (("src/*",), ""),
        ((), ""),
        (("src/*", "lib/*"), "its input 'lib/*' matches no file"),
        (("**",), "an input is not known: link leads to a folder outside of the repository"),
        (("**", "!link"), ""),
    ],
)
def test_inputs_that_do_not_tell_what_decides_are_said(inputs: tuple[str, ...], reason: str) -> None:
    files = {"src/a.py": "1", "link": f"{UNSURE}link leads to a folder outside of the repository"}
    assert uncertain(stage("a", inputs=inputs), files) == reason
