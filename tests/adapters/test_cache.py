"""The cache: only whole results, found by their fingerprint; what is damaged is not there."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.cache import StageCache, read_result
from dawsos.adapters.digests import tree_digests
from dawsos.model.plan import Fingerprint
from dawsos.model.run import StageRecord
from dawsos.model.status import StageState
from dawsos.model.verdicts import GateVerdict

PRINT = Fingerprint("f" * 64, {"file a": "1"})
GATES = (GateVerdict("junit", "junit", "pass", "3 tests", "0 failed", "", ("junit.xml",)),)


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    folder = tmp_path / "artifacts"
    (folder / "deep").mkdir(parents=True)
    (folder / "junit.xml").write_text("<testsuite/>")
    (folder / "deep" / "log").write_text("log")
    return folder


def _doubts(fingerprint: str, kept: dict[str, Any]) -> str:
    return "" if kept["statement"] == f"signed {fingerprint}" else "it is signed by somebody"


@pytest.fixture
def cache(tmp_path: Path) -> StageCache:
    return StageCache(tmp_path / "cache", _doubts)


def keep(
    cache: StageCache,
    artifacts: Path,
    *,
    at: float = 100.0,
    began: float | None = None,
    print_: Fingerprint = PRINT,
    run: str = "r1",
) -> None:
    evidence = tree_digests(artifacts) if artifacts.exists() else {}
    record = StageRecord("unit", StageState.PASSED, began, at, gates=GATES, evidence=evidence)
    cache.keep(record, print_, artifacts, run=run, statement=f"signed {print_.digest}")


def kept_run(cache: StageCache) -> str:
    kept = cache.lookup("unit", PRINT.digest)
    assert kept is not None
    return str(kept["run"])


def test_what_was_kept_comes_back_with_its_evidence(cache: StageCache, artifacts: Path, tmp_path: Path) -> None:
    keep(cache, artifacts)
    kept = cache.lookup("unit", PRINT.digest)
    assert kept is not None
    assert (kept["run"], kept["finished_at"], kept["manifest"]) == ("r1", 100.0, {"file a": "1"})
    assert kept["gates"][0]["measured"] == "3 tests"
    cache.restore("unit", PRINT.digest, tmp_path / "again")
    assert (tmp_path / "again" / "junit.xml").read_text() == "<testsuite/>"
    assert (tmp_path / "again" / "deep" / "log").read_text() == "log"


def test_another_stage_or_fingerprint_is_not_there(cache: StageCache, artifacts: Path) -> None:
    keep(cache, artifacts)
    assert cache.lookup("unit", "0" * 64) is None
    assert cache.lookup("lint", PRINT.digest) is None
    assert cache.latest_manifest("lint") is None


def test_of_two_runs_at_the_same_time_the_first_result_stays(cache: StageCache, artifacts: Path) -> None:
    keep(cache, artifacts, at=100.0)
    keep(cache, artifacts, run="r2", began=90.0, at=200.0)
    assert kept_run(cache) == "r1"
    # Nor does one that began later, and ended earlier, stand in the way of anything.
    keep(cache, artifacts, run="r3", began=100.0, at=100.0)
    assert kept_run(cache) == "r1"


def test_a_result_that_was_there_and_did_not_hold_any_more_is_replaced(
    cache: StageCache, artifacts: Path, tmp_path: Path
) -> None:
    """A waiver had run out or an approval had expired.  The stale result stayed, and the stage ran every time from then on."""
    keep(cache, artifacts, at=100.0)
    (artifacts / "junit.xml").write_text("<testsuite name='again'/>")
    keep(cache, artifacts, run="r2", began=150.0, at=200.0)
    assert kept_run(cache) == "r2"
    cache.restore("unit", PRINT.digest, tmp_path / "again")
    assert "again" in (tmp_path / "again" / "junit.xml").read_text()


def test_the_newest_manifest_is_compared_with(cache: StageCache, artifacts: Path) -> None:
    keep(cache, artifacts, at=200.0, print_=Fingerprint("a" * 64, {"file a": "new"}))
    keep(cache, artifacts, at=100.0, print_=Fingerprint("b" * 64, {"file a": "old"}))
    assert cache.latest_manifest("unit") == {"file a": "new"}


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("finished_at", "x"), ("finished_at", 1e300), ("finished_at", float("inf")), ("finished_at", float("nan")),
        ("finished_at", -1e18), ("finished_at", None), ("manifest", 5), ("manifest", {"file a": 1}), ("evidence", []),
        ("run", {}), ("statement", 7), ("gates", {}), ("gates", ["x"]),
    ],
)  # fmt: skip
def test_a_result_of_a_stranger_that_is_none_stands_in_nobody_s_way(
    part: str, value: object, cache: StageCache, artifacts: Path, tmp_path: Path
) -> None:
    keep(cache, artifacts)
    keep(cache, artifacts, print_=Fingerprint("a" * 64, {"file a": "old"}), at=50.0)
    path = tmp_path / "cache" / "unit" / PRINT.digest / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), part: value}))
    assert read_result(path) is None
    assert cache.lookup("unit", PRINT.digest) is None
    assert cache.latest_manifest("unit") == {"file a": "old"}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"run": "r1"}'])
def test_a_damaged_result_is_not_there(text: str, cache: StageCache, artifacts: Path, tmp_path: Path) -> None:
    keep(cache, artifacts)
    (tmp_path / "cache" / "unit" / PRINT.digest / "result.json").write_text(text)
    assert cache.lookup("unit", PRINT.digest) is None
    assert cache.latest_manifest("unit") is None


def test_a_result_whose_evidence_is_gone_is_not_there(cache: StageCache, artifacts: Path, tmp_path: Path) -> None:
    keep(cache, artifacts)
    (tmp_path / "cache" / "unit" / PRINT.digest / "artifacts" / "junit.xml").unlink()
    assert cache.lookup("unit", PRINT.digest) is None


def test_a_result_whose_evidence_was_changed_is_not_there(cache: StageCache, artifacts: Path, tmp_path: Path) -> None:
    keep(cache, artifacts)
    (tmp_path / "cache" / "unit" / PRINT.digest / "artifacts" / "junit.xml").write_text("<other/>")
    assert cache.lookup("unit", PRINT.digest) is None
    keep(cache, artifacts, run="r2")
    kept = cache.lookup("unit", PRINT.digest)
    assert kept is not None
    assert kept["run"] == "r2"


def test_what_could_not_be_kept_whole_leaves_nothing(cache: StageCache, tmp_path: Path) -> None:
    keep(cache, tmp_path / "no such folder")
    assert cache.lookup("unit", PRINT.digest) is None
    assert list((tmp_path / "cache" / "unit").iterdir()) == []


def test_a_result_from_before_evidence_was_digested_is_not_there(
    cache: StageCache, artifacts: Path, tmp_path: Path
) -> None:
    keep(cache, artifacts)
    path = tmp_path / "cache" / "unit" / PRINT.digest / "result.json"
    kept = json.loads(path.read_text())
    del kept["evidence"]
    path.write_text(json.dumps(kept))
    assert cache.lookup("unit", PRINT.digest) is None


def test_a_result_whose_statement_is_not_genuine_is_not_there(
    cache: StageCache, artifacts: Path, tmp_path: Path
) -> None:
    keep(cache, artifacts)
    path = tmp_path / "cache" / "unit" / PRINT.digest / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "statement": "signed by somebody"}))
    assert cache.lookup("unit", PRINT.digest) is None
    assert cache.doubt("unit", PRINT.digest) == "it is signed by somebody"


def test_what_is_altered_is_doubted_and_what_is_not_there_is_not(cache: StageCache, artifacts: Path) -> None:
    assert cache.doubt("unit", PRINT.digest) == ""
    keep(cache, artifacts)
    assert cache.doubt("unit", PRINT.digest) == ""
    (cache.artifacts("unit", PRINT.digest) / "junit.xml").write_text("<testsuite tests='9'/>")
    assert cache.doubt("unit", PRINT.digest) == "its evidence was altered"


def test_a_disk_that_refuses_does_not_turn_a_passed_stage_red(
    cache: StageCache, artifacts: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "unit").write_text("a file where a folder belongs\n")
    keep(cache, artifacts)
    assert cache.lookup("unit", PRINT.digest) is None


def test_many_threads_may_keep_look_up_and_restore_the_same_result(
    cache: StageCache, artifacts: Path, tmp_path: Path
) -> None:
    def use(number: int) -> bool:
        keep(cache, artifacts)
        found = cache.lookup("unit", PRINT.digest)
        cache.restore("unit", PRINT.digest, tmp_path / f"again-{number}")
        return found is not None and tree_digests(tmp_path / f"again-{number}") == found["evidence"]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(32)))
    assert [path.name for path in (tmp_path / "cache" / "unit").iterdir()] == [PRINT.digest]
