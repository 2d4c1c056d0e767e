"""How a service is written: what belongs together, and what a key may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.model.service import Service

GOOD: dict[str, Any] = {"project": ".", "requirements": "requirements.txt", "command": "python -m shop"}
BUILT: dict[str, Any] = {"project": ".", "build": {"run": "npm ci"}, "command": "node server.js"}


def test_a_service_is_a_python_package_or_is_built_or_both() -> None:
    assert Service.model_validate(GOOD).build is None
    assert Service.model_validate(BUILT).requirements is None
    both = Service.model_validate({**BUILT, "build": {}, "requirements": "requirements.txt"})
    assert (both.build is not None and both.build.run, both.requirements) == (None, "requirements.txt")
    with pytest.raises(ValidationError, match="requirements, the hash-locked file of a Python project, or build"):
        Service.model_validate({"project": ".", "command": "x"})


@pytest.mark.parametrize("folder", ["/etc", "..", "out/../..", ""])
def test_what_is_built_lies_below_the_project(folder: str) -> None:
    with pytest.raises(ValidationError):
        Service.model_validate({**BUILT, "build": {"run": "make", "folder": folder}})


@pytest.mark.parametrize("version", ["health", "none", "/version", "header X-Version"])
def test_a_version_is_looked_for_where_the_service_says(version: str) -> None:
    assert Service.model_validate({**GOOD, "version": version}).version == version


@pytest.mark.parametrize("version", ["", "any", "version", "header", "header X Version", "header X:", "/a b"])
def test_any_other_place_of_a_version_is_refused(version: str) -> None:
    with pytest.raises(ValidationError, match="version"):
        Service.model_validate({**GOOD, "version": version})


def test_a_page_of_metrics_that_is_not_written_is_the_usual_one() -> None:
    assert Service.model_validate(GOOD).metrics_page == "/metrics"
    assert Service.model_validate({**GOOD, "metrics": "/m"}).metrics_page == "/m"
