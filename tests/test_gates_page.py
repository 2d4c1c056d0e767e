"""docs/gates.md is what the registry says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from dawsos.gates import GATES

SCRIPT = Path(__file__).parent.parent / "scripts" / "gates_page.py"


def test_the_page_is_current_and_names_every_gate() -> None:
    spec = importlib.util.spec_from_file_location("gates_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    text = made.PAGE.read_text()
    assert text == made.page(), "renew it: scripts/gates_page.py"
    assert all(f"## {kind}\n" in text for kind in GATES)
