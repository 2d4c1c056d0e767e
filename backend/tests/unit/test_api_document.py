"""docs/dawsos-api.md names every request that the service answers."""

from __future__ import annotations

import re
from pathlib import Path

from app.api.factory import create_app
from tests.support.memory import World

DOCUMENT = Path(__file__).parents[3] / "docs" / "dawsos-api.md"


def test_every_request_of_the_description_is_in_the_document() -> None:
    world = World()
    described = create_app(world.settings, world.connect).openapi()["paths"]
    requests = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    named = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", DOCUMENT.read_text()))
    assert requests - named == set(), "add a line to docs/dawsos-api.md"
    assert named - requests <= {"GET /openapi.json"}
