"""Golden files: compared byte for byte; `--golden-update=always` writes them instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsondiff  # type: ignore[import-untyped]  # no stubs exist
import pytest

FILES = Path(__file__).parent / "files"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """`golden(name, document)`: the document in canonical form must be the file."""

    def check(name: str, document: object) -> None:
        file = FILES / f"{name}.json"
        found = (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
        if request.config.getoption("--golden-update") == "always":
            file.write_bytes(found)
            return
        approved = file.read_bytes()
        if approved != found:
            # The difference in words; without one it is white space or order, which counts too.
            pytest.fail(f"{name} differs: {jsondiff.diff(json.loads(approved), document, dump=True)}", pytrace=False)

    return check
