"""The published schema is the one that the program checks with."""

from __future__ import annotations

import json
from pathlib import Path

from dawsos.config.schema import schema_text
from dawsos.runs.project import gate_options

PUBLISHED = Path(__file__).resolve().parents[2] / "pipeline.schema.json"


def test_the_published_schema_is_the_program_s_own() -> None:
    assert PUBLISHED.read_text() == schema_text(gate_options()), "renew it: scripts/schema"


def test_the_schema_names_every_gate_and_refuses_unknown_keys() -> None:
    schema = json.loads(PUBLISHED.read_text())
    assert schema["additionalProperties"] is False
    for kind in gate_options():
        assert f'"{kind}"' in PUBLISHED.read_text()
