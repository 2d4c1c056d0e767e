"""``./dawsos test kubernetes`` leaves out no test that needs a cluster, and runs none twice."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cluster_tests", ROOT / "scripts" / "cluster_tests.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def test_every_file_with_tests_of_a_cluster_is_run_once(script: ModuleType) -> None:
    found = [path for group in script.side_by_side() for path in group.paths]
    found += [script.KUBERNETES / name for name in script.ALONE]
    wanted = [script.CONFORMANCE, *(ROOT / "tests" / "kubernetes").glob("test_*.py")]
    assert sorted(found) == sorted(wanted)


def test_no_other_folder_has_tests_of_a_cluster(script: ModuleType) -> None:
    places = (script.CONFORMANCE, script.KUBERNETES)
    marked = [
        path
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"mark\.kubernetes", path.read_text()) and not any(path.is_relative_to(place) for place in places)
    ]
    assert marked == []


def test_one_red_group_is_red_and_the_others_run_to_their_end(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        script, "_PYTEST", (sys.executable, "-c", "import sys; print(sys.argv[1]); sys.exit(sys.argv[1][-1] == '1')")
    )
    groups = [script.Group((tmp_path / f"test_{number}",)) for number in (1, 2)]
    assert not script.run(groups)
    said = capsys.readouterr().out
    assert re.search(r"-- 1: RED.*test_1.*-- 2: green.*test_2", said, re.DOTALL)
    assert script.run(groups[1:])
