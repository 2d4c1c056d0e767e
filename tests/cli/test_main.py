"""The command line as a whole: exit codes, help with examples, errors with what, where and fix, never a traceback; a quick start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dawsos import errors
from dawsos.cli import main as cli
from dawsos.cli import reading
from dawsos.cli.grammar import VERBS as GRAMMAR
from projects import Said, TinyProject, called

Call = Callable[..., Said]
VERBS = sorted({verb.name.partition(" ")[0] for verb in GRAMMAR})
# What needs no project: the scanners look at what they are given, and a service of a cluster has none.
ANYWHERE = {"admission", "init", "scan"}
READING = ["plan", "status", "history", "show", "lint", "verify"]
# What a person needs an example for; the others take no argument that could be written wrongly.
WITH_EXAMPLE = ["drill", "rollback", "run", "ship"]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return lambda *arguments: called(monkeypatch, capsys, *arguments)


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> TinyProject:
    return TinyProject("good", tmp_path, monkeypatch, capsys)


def test_the_exit_codes_are_the_documented_ones() -> None:
    codes = (
        errors.EXIT_DONE, errors.EXIT_GATE_FAILED, errors.EXIT_BAD_INPUT, errors.EXIT_INFRASTRUCTURE,
        errors.EXIT_ROLLED_BACK, errors.EXIT_WAITING,
    )  # fmt: skip
    assert codes == (0, 1, 2, 3, 4, 75)
    kinds = (errors.ReleaseFailed, errors.BadInput, errors.InfrastructureError, errors.OwnedElsewhere)
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 3]
    readme = Path(__file__).parents[2].joinpath("README.md").read_text()
    for code in codes:
        assert f" {code} " in readme


def test_the_help_lists_every_command_and_the_exit_codes(call: Call) -> None:
    said = call("--help")
    assert said.code == 0
    assert all(f"  {verb}" in said.out for verb in VERBS)
    assert "75 waiting for approval" in said.out.replace("\n", " ").replace("  ", " ")


@pytest.mark.parametrize("verb", VERBS)
def test_each_command_explains_itself(verb: str, call: Call) -> None:
    said = call(verb, "--help")
    assert (said.code, said.err) == (0, "")
    assert "Exit codes:" in said.out
    if verb in WITH_EXAMPLE:
        assert f"Example: dawsos {verb}" in said.out


@pytest.mark.parametrize(
    "arguments",
    [("no-such-verb",), ("ship", "--no-such-option"), ("drill",), ("approve",), ("reject", "--as", "Ada")],
    ids=lambda arguments: " ".join(arguments),
)
def test_a_slip_of_the_command_line_is_bad_input(arguments: tuple[str, ...], call: Call) -> None:
    said = call(*arguments)
    assert said.code == 2
    assert "Traceback" not in said.out + said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "no-such-stage"),
        ("plan", "no-such-stage"),
        ("ship", "--profile", "no-such-profile"),
        ("ship", "--approve-as", "Ada"),
        ("show", "no-such-run"),
        ("show",),
        ("resume",),
        ("resume", "no-such-run"),
        ("approve", "--as", "Ada"),
        ("reject", "no-such-run", "--as", "Ada", "--reason", "no"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_bad_input_says_what_and_how_to_mend_it(arguments: tuple[str, ...], good: TinyProject) -> None:
    said = good.dawsos(*arguments)
    assert said.code == 2, said
    first, fix = said.err.splitlines()[:2]
    assert first.startswith("dawsos: ")
    assert fix.startswith("  fix: ")
    assert "Traceback" not in said.err


def test_outside_a_project_every_command_says_so(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    needed = {
        "drill": ("--fault", "crash"),
        "approve": ("--as", "A"),
        "reject": ("--as", "A", "--reason", "r"),
        "results": ("save", "file"),
    }
    for verb in sorted(set(VERBS) - ANYWHERE):
        said = call(verb, *needed.get(verb, ()))
        assert said.code == 2, (verb, said)
        assert f"there is no pipeline.yaml in {tmp_path}" in said.err


def test_outside_a_repository_is_bad_input(good: TinyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "pipeline.yaml").write_text((good.path / "pipeline.yaml").read_text())
    monkeypatch.chdir(alone)
    said = good.dawsos("run")
    assert said.code == 2
    assert "inside a git checkout" in said.err


@pytest.mark.parametrize("verb", ["plan", "status", "history", "lint"])
def test_the_reading_commands_print_json_and_nothing_else(verb: str, good: TinyProject) -> None:
    said = good.dawsos(verb, "--json")
    assert (said.code, said.err) == (0, "")
    json.loads(said.out)
    assert good.dawsos(verb).code == 0


def test_every_reading_command_has_json(call: Call) -> None:
    assert [verb for verb in READING if "--json" not in call(verb, "--help").out] == []


def test_a_defect_of_ours_is_called_one_and_asks_for_its_report(
    good: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a slip")

    monkeypatch.setattr(reading, "here", broken)
    said = good.dawsos("status")
    assert said.code == 3
    assert "this is a defect of dawsos; please report it" in said.err
    assert "RuntimeError: a slip" in said.err


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 0)])
def test_being_stopped_is_no_error(
    error: BaseException, code: int, good: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped() -> None:
        raise error

    monkeypatch.setattr(reading, "here", stopped)
    said = good.dawsos("status")
    assert said.code == code
    assert "Traceback" not in said.err


def test_words_of_a_person_are_not_markup(good: TinyProject) -> None:
    said = good.dawsos("show", "[bold]x[/nonsense]")
    assert said.code == 2
    assert "[bold]x[/nonsense]" in said.err


# Packages that only some verbs need, by what loading them costs.
HEAVY = (
    "aiohttp", "anyio", "asyncio", "concurrent.futures", "cryptography", "envoy", "httpx", "jinja2", "numpy", "psutil",
    "pydantic", "redis", "ruamel.yaml", "sqlite3", "typer",
)  # fmt: skip
# What a verb that deploys nothing must not load.
_DEPLOYING = frozenset({
    "aiohttp", "anyio", "envoy", "httpx", "numpy", "psutil", "redis", "tarfile", "typer",
    "dawsos.platforms.local.platform", "dawsos.releases.bundle",
})  # fmt: skip
# What each verb must not load, and how many modules it may load beyond those of the bare interpreter: in modules, because
# seconds depend on what else the machine does; bench/start.py has the seconds.
LIMITS: dict[str, tuple[frozenset[str], int]] = {
    "--help": (frozenset(HEAVY) | {"rich", "dataclasses", "json"}, 65),
    "history --json": (frozenset(HEAVY) - {"sqlite3"} | {"rich"}, 135),
    "history": (frozenset(HEAVY) - {"sqlite3"}, 200),
    "status --json": (frozenset(HEAVY) - {"sqlite3"} | {"rich"}, 140),
    "status": (frozenset(HEAVY) - {"sqlite3"}, 205),
    "plan": (_DEPLOYING | {"jinja2"}, 470),
    "run --no-cache": (_DEPLOYING, 560),
}
_MEASURE = """
import sys, json
before = set(sys.modules)
sys.argv = ["dawsos", *{words}]
import dawsos.cli.main
try:
    dawsos.cli.main.main()
except SystemExit as ended:
    code = ended.code
sys.stderr.write(json.dumps([code, sorted(set(sys.modules) - before)]))
"""


@pytest.mark.parametrize("line", LIMITS)
def test_a_verb_loads_only_what_it_needs(line: str, good: TinyProject) -> None:
    good.dawsos("run")
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    argv = [sys.executable, "-c", _MEASURE.format(words=line.split())]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=True, cwd=good.path)
    code, loaded = json.loads(done.stderr)
    assert code == 0
    forbidden, most = LIMITS[line]
    assert sorted(forbidden.intersection(loaded)) == []
    assert len(loaded) <= most, sorted(loaded)


def test_a_run_whose_output_nobody_reads_any_more_goes_on_to_its_end(good: TinyProject) -> None:
    """As in ``dawsos run | head -1``: the stages are run, and the exit code is theirs."""
    env = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    argv = [sys.executable, "-m", "dawsos.cli", "run"]
    with subprocess.Popen(argv, cwd=good.path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert (process.wait(60), said) == (0, b"")
    assert good.dawsos("show", "last", "--json").json["result"] == "passed"
