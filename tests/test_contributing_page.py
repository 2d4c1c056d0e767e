"""docs/contributing.md says where things are as the code has them now."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script() -> Any:
    spec = spec_from_file_location("contributing_page", ROOT / "scripts" / "contributing_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_as_the_code(script: Any) -> None:
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    assert page == script.page(), "run scripts/contributing_page.py"


def test_every_question_has_an_answer(script: Any) -> None:
    rows = script.table().splitlines()[2:]
    assert len(rows) == len(script.ROWS)
    assert all(line.split("|")[3].strip() for line in rows)


def test_a_place_that_is_gone_is_named(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "ROWS", (("Where?", "src/dawsos/errors.py", "no_such_name"),))
    with pytest.raises(SystemExit, match=r"there is no no_such_name in src/dawsos/errors\.py"):
        script.table()
