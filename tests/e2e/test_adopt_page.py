"""docs/adopt.md: every command of the page is run, and says what the page shows, but for times, numbers and names of a run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.clone import ROOT, Clone

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PAGE = (ROOT / "docs" / "adopt.md").read_text()
SECTIONS: dict[str, str] = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE, re.MULTILINE))
# Section -> the folder with its service, and the programs that it needs.
SERVICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Node": ("node", ("node", "npm")),
    "Java": ("java", ("java", "javac")),
    "A program of one file": ("program", ("python3",)),
}
_WITHIN = 240.0
# The drill of a fault that is found ends with the code of a rollback.
_ROLLED_BACK = 4
_HEX, _NUMBER = (
    re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b"),
    re.compile(r"\d+(?:\.\d+)?(?: [mk]?s\b| kB\b)?"),
)


@pytest.fixture
def person(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a person who has the tool on PATH."""
    tool = tmp_path / "bin" / "dawsos"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT / "src"} exec {sys.executable} -m dawsos.cli "$@"\n')
    tool.chmod(0o755)
    known = {"NAME": "Ada", "EMAIL": "ada@example.org"}
    name = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in known.items()}
    yield {**os.environ, **name, "PATH": f"{tool.parent}:{os.environ['PATH']}", "COLUMNS": "200", "TERM": "dumb"}
    for path in tmp_path.iterdir():
        Clone(path).end() if (path / ".dawsos").is_dir() else None


def commands(section: str) -> list[tuple[str, list[str]]]:
    """Return each command of a section with the lines that the page shows below it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def alike(line: str) -> str:
    """Return a line without what differs from run to run."""
    return re.sub(r"\s+", " ", _NUMBER.sub("#", _HEX.sub("#", line))).strip()


def must_show(said: str, shown: list[str], command: str) -> None:
    """Fail unless ``said`` has the lines of the page in their order; after ``...`` any lines may follow, within a line any words."""
    lines, gap = [alike(line) for line in said.splitlines()], False
    for wanted in shown:
        if wanted == "...":
            gap = True
            continue
        pattern = re.compile(".*".join(re.escape(alike(part)) for part in wanted.split("...")))
        place = next((index for index, line in enumerate(lines) if pattern.fullmatch(line)), None)
        assert place is not None, f"`{command}` does not say {wanted!r}:\n{said}"
        assert gap or place == 0, f"`{command}` says {lines[:place]} before {wanted!r}, which the page does not show"
        lines, gap = lines[place + 1 :], False
    assert gap or not lines, f"`{command}` says more than the page shows: {lines}"


def walk(section: str, folder: Path, person: dict[str, str]) -> None:
    """Do what a section of the page says in a copy of its service."""
    source, programs = SERVICES[section]
    lacking = [name for name in programs if shutil.which(name) is None]
    if lacking:
        pytest.skip(f"needs {', '.join(lacking)} on PATH")
    path = folder / "shop"
    shutil.copytree(ROOT / "tests" / "pipelines" / "foreign" / source, path)
    for text in re.findall(r"^```yaml\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL):
        (path / "pipeline.yaml").write_text(text)
    done = [_done(command, shown, path, person) for command, shown in commands(section)]
    assert done[-2:] == [_ROLLED_BACK, 0] or done[-3:] == [_ROLLED_BACK, 0, 0]
    assert [process.cmdline() for process in Clone(path).processes()] == []


def _done(command: str, shown: list[str], path: Path, person: dict[str, str]) -> int:
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=path, env=person, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=_WITHIN, check=False,
    )  # fmt: skip
    wanted = _ROLLED_BACK if "dawsos drill" in command else 0
    assert done.returncode == wanted, f"`{command}` ended {done.returncode}:\n{done.stdout}"
    must_show(done.stdout, shown, command)
    return done.returncode


def test_a_program_from_nothing_to_a_rolled_back_drill(tmp_path: Path, person: dict[str, str]) -> None:
    walk("A program of one file", tmp_path, person)


@pytest.mark.slow
@pytest.mark.parametrize("section", ["Node", "Java"])
def test_a_service_from_nothing_to_a_rolled_back_drill(section: str, tmp_path: Path, person: dict[str, str]) -> None:
    walk(section, tmp_path, person)


@pytest.mark.slow
def test_a_go_service_from_nothing_to_a_rolled_back_drill(tmp_path: Path, person: dict[str, str]) -> None:
    if shutil.which("go") is None:
        pytest.skip("needs go on PATH")
    path = tmp_path / "shop"
    shutil.copytree(ROOT / "tests" / "pipelines" / "foreign" / "go", path)
    # The standard library is compiled once for this machine, and not for each test.
    cache = subprocess.run(["go", "env", "GOCACHE"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    goes = {**person, "GOCACHE": cache, "GOFLAGS": "-buildvcs=false"}
    for command, shown in (
        ('git init -q -b main && git add . && git commit -qm "the shop"', []),
        ("dawsos init", ["...", "version   header X-Version", "..."]),
        ('git add . && git commit -qm "its pipeline"', []),
        ("dawsos run", ["...", "result   passed in 1 s", "..."]),
        ('dawsos ship --approve-as Ada --reason "it opens"', ["...", "00:00:00  canary       rollout promoted", "..."]),
        ("dawsos verify", ["pass         health                 200  (wanted 200)", "pass version ...", "..."]),
        ("dawsos drill --fault errors=100%", ["...", "00:00:00  canary       rollout rolled back; ...", "..."]),
        ("dawsos down --purge", ["down: production, staging"]),
    ):
        _done(command, shown, path, goes)
    assert [process.cmdline() for process in Clone(path).processes()] == []


def test_the_page_has_three_services_each_with_its_commands() -> None:
    for section in SERVICES:
        said = [command.split()[1] for command, _ in commands(section) if command.startswith("dawsos ")]
        assert said[-1] == "down"
        assert {"run", "ship", "drill"} <= set(said)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\nb\n", ["b"]), ("a\n", ["a", "b"]), ("b\na\n", ["...", "a", "...", "b", "..."]), ("a\nb\n", ["a"]),
        ("passed\n", ["failed"]), ("version none\n", ["version header"]),
    ],
)  # fmt: skip
def test_what_the_page_does_not_say_rightly_is_seen(said: str, shown: list[str]) -> None:
    with pytest.raises(AssertionError):
        must_show(said, shown, "dawsos")
