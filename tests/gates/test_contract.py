"""The contract: mypy refuses a gate module that does not keep it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Each line that ends in "# error" breaks the contract in one way; all other lines keep it.
MODULES = """
from dawsos.gates import junit, size
from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.model.pipeline import GateOptions


class Options(GateOptions):
    limit: int = 1


class NoModel:
    limit: int = 1


def files(options: Options) -> tuple[str, ...]:
    return ("a.json",)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    return Measurement("pass", str(options.limit), "1", "as it should be", ("a.json",))


def answers_bool(options: Options, evidence: Evidence) -> bool:
    return True


def reads_nothing(options: Options) -> Measurement:
    raise NotImplementedError


def text_for_bytes(options: Options, evidence: dict[str, str]) -> Measurement:
    raise NotImplementedError


def may_be_none(options: Options, evidence: Evidence) -> Measurement | None:
    return None


def one_name(options: Options) -> str:
    return "a.json"


GATE = GateKind(Options, files, evaluate)
GateKind(Options, files, answers_bool)  # error
GateKind(Options, files, reads_nothing)  # error
GateKind(Options, files, text_for_bytes)  # error
GateKind(Options, files, may_be_none)  # error
GateKind(Options, one_name, evaluate)  # error
GateKind(Options, junit.files, evaluate)  # error
GateKind(Options, files, size.evaluate)  # error
GateKind(junit.Options, files, evaluate)  # error
GateKind(NoModel, files, evaluate)  # error
GateKind(Options, files)  # error
Measurement("passed", "1", "1", "", ())  # error
Measurement("pass", "1", "1", "", "a.json")  # error
Measurement("pass", "1", "1", "", (), finding=("x",))  # error
"""


def test_mypy_refuses_what_breaks_the_contract_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(MODULES)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir", str(tmp_path / "cache")]
    checked = subprocess.run(
        [*command, str(tmp_path / "wrong.py")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    expected = {number for number, line in enumerate(MODULES.splitlines(), start=1) if line.endswith("# error")}
    found = {int(line) for line in re.findall(r"wrong\.py:(\d+): error", checked.stdout)}
    assert found == expected, checked.stdout + checked.stderr
