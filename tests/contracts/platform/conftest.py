"""The platforms that the conformance suite runs on, and its report.

One file a behaviour.  A platform joins by one entry in ``SUBJECTS``.  What a platform may lack (faults) is skipped and shown as
``not supported``.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.platform.subjects import SUBJECTS, Subject

# (platform, behaviour) -> outcomes of its tests.
_RESULTS: dict[tuple[str, str], Counter[str]] = {}
_MARKS = {"local": [pytest.mark.e2e], "kubernetes": [pytest.mark.kubernetes]}


@pytest.fixture(params=[pytest.param(name, marks=_MARKS.get(name, [])) for name in SUBJECTS])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """One environment of one platform, taken down and purged at the end, whatever the test did."""
    if request.param == "kubernetes":
        request.getfixturevalue("cluster")
        request.getfixturevalue("tool_image")
    made = SUBJECTS[request.param](tmp_path)
    try:
        yield made
    finally:
        asyncio.run(made.platform().down(purge=True))


@pytest.fixture
def play(subject: Subject) -> Callable[[Callable[[Subject], Awaitable[None]]], None]:
    """Return what runs a scene in an event loop of its own."""
    return lambda scene: asyncio.run(scene(subject))  # type: ignore[arg-type]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    callspec = getattr(item, "callspec", None)
    name = callspec.params.get("subject") if callspec is not None else None
    if name is None or "contracts/platform" not in item.path.as_posix():
        return
    if report.when == "call" or report.skipped or report.failed:
        behaviour = item.path.stem.removeprefix("test_").replace("_", " ")
        _RESULTS.setdefault((name, behaviour), Counter())[report.outcome] += 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the conformance report: for each behaviour whether each platform shows it; also to the file that is asked for."""
    if not _RESULTS:
        return
    platforms = [name for name in SUBJECTS if any(name == key[0] for key in _RESULTS)]
    behaviours = sorted({key[1] for key in _RESULTS})
    rows = [[behaviour, *(_cell(_RESULTS.get((name, behaviour))) for name in platforms)] for behaviour in behaviours]
    terminalreporter.section("platform conformance")
    for row in [["behaviour", *platforms], *rows]:
        terminalreporter.write_line(f"{row[0]:24}" + "".join(f"{cell:16}" for cell in row[1:]))
    asked = os.environ.get("DAWSOS_CONFORMANCE")
    if asked:
        lines = [["Behaviour", *platforms], ["---"] * (1 + len(platforms)), *rows]
        Path(asked).write_text("".join(f"| {' | '.join(row)} |\n" for row in lines))


def _cell(results: Counter[str] | None) -> str:
    if results is None:
        return "not run"
    if results["failed"]:
        return f"FAILED {results['failed']}"
    return f"{results['passed']} passed" if results["passed"] else "not supported"
