"""Golden files: compared byte for byte; rewritten only by somebody who says who they are and why.

`--golden-update=interactive` shows each difference and asks, `always` takes all; both need `--golden-by` and
`--golden-reason` and add a line to `files/approvals.jsonl`. Where GOLDEN_REPORT names a file, the outcome of each
golden is written there, for the gate that shows what differs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import jsondiff  # type: ignore[import-untyped]  # no stubs exist
import pytest

FILES = Path(__file__).parent / "files"
APPROVALS = "approvals.jsonl"
RESULTS = pytest.StashKey[dict[str, dict[str, object]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = {}
    if config.getoption("--golden-update") == "never":
        return
    for option in ("--golden-by", "--golden-reason"):
        if not str(config.getoption(option)).strip():
            raise pytest.UsageError(f"--golden-update needs {option}: an approved output has a name and a reason")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report; a file that no test compared would be an approval of nothing, but only a whole run can tell."""
    target = os.environ.get("GOLDEN_REPORT")
    if not target:
        return
    results = session.config.stash[RESULTS]
    if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        for file in FILES.glob("*.json"):
            results.setdefault(file.stem, {"result": "unused"})
    Path(target).write_text(json.dumps({"goldens": results}, indent=1, sort_keys=True) + "\n")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """`golden(name, document)`: the document in canonical form must be the file."""

    def check(name: str, document: object) -> None:
        file = FILES / f"{name}.json"
        found = (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
        approved = file.read_bytes() if file.exists() else b""
        lines: list[str] = []
        if approved == found:
            outcome: dict[str, object] = {"result": "same"}
        else:
            lines = list(differences(json.loads(approved), document)) if approved else []
            outcome = {"result": "differs" if approved else "missing", "diff": lines}
        if outcome["result"] != "same" and _wanted(request.config, name, outcome):
            file.write_bytes(found)
            _record(request.config, name, approved, found)
            outcome = {**outcome, "result": "updated"}
        request.config.stash[RESULTS][name] = outcome
        if outcome["result"] in ("differs", "missing"):
            # The difference in words; without one it is white space or order, which counts too.
            pytest.fail(f"{name} {outcome['result']}: {'; '.join(lines) or 'in white space or order'}", pytrace=False)

    return check


def differences(old: object, new: object) -> Iterator[str]:
    """Yield one line for each place that differs: `packs.2023-09-29.hash: "a" became "b"`."""
    yield from _walk(jsondiff.diff(old, new, syntax="symmetric"), "")


def _walk(diff: object, path: str) -> Iterator[str]:
    if isinstance(diff, list) and len(diff) == 2:
        yield f"{path or 'it'}: {_shown(diff[0])} became {_shown(diff[1])}"
        return
    if not isinstance(diff, dict):
        return
    for key, change in diff.items():
        if key is jsondiff.insert or key is jsondiff.delete:
            word = "added" if key is jsondiff.insert else "removed"
            for place, value in change.items() if isinstance(change, dict) else change:
                yield f"{_join(path, place)}: {word} {_shown(value)}"
        else:
            yield from _walk(change, _join(path, key))


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _shown(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _wanted(config: pytest.Config, name: str, outcome: dict[str, object]) -> bool:
    mode = config.getoption("--golden-update")
    if mode != "interactive":
        return bool(mode == "always")
    lines = outcome["diff"] if isinstance(outcome["diff"], list) else []
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    capture.suspend_global_capture(in_=True)
    try:
        shown = "\n  ".join([f"\n{name} {outcome['result']}:", *map(str, lines)])
        return input(f"{shown}\napprove the new output? [y/N] ").strip().lower() in ("y", "yes")
    finally:
        capture.resume_global_capture()


def _record(config: pytest.Config, name: str, before: bytes, after: bytes) -> None:
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": config.getoption("--golden-by"),
        "golden": name,
        "reason": config.getoption("--golden-reason"),
        "from": hashlib.sha256(before).hexdigest() if before else None,
        "to": hashlib.sha256(after).hexdigest(),
    }
    with (FILES / APPROVALS).open("a") as log:
        log.write(json.dumps(entry, sort_keys=True) + "\n")
