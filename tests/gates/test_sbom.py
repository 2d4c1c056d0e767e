"""SBOM: there, of a known form, and not empty."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.gates.sbom import Options
from gates.samples import ask, cyclonedx


def test_both_forms_are_read() -> None:
    verdict = ask("sbom", {"sbom.json": cyclonedx("a", "b")}, min_packages=2)
    assert (verdict.result, verdict.measured, verdict.limit) == ("pass", "2 packages (CycloneDX)", "at least 2")
    assert verdict.evidence == ("sbom.json",)
    spdx = {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a"}]}
    assert ask("sbom", {"sbom.json": spdx}).measured == "1 packages (SPDX)"


@pytest.mark.parametrize(
    "document",
    [cyclonedx(), cyclonedx("a"), cyclonedx("a", "a"), cyclonedx("a", ""), {"bomFormat": "CycloneDX"}],
    ids=["none", "one", "twice the same", "one without a name", "no list"],
)
def test_too_few_packages_fail(document: Any) -> None:
    verdict = ask("sbom", {"sbom.json": document}, min_packages=2)
    assert verdict.result == "fail"
    assert "did not see the dependencies" in verdict.message


def test_no_file_is_no_data() -> None:
    assert ask("sbom", {}).result == "no_data"


@pytest.mark.parametrize(
    "content", ["", "{", [], {}, {"bomFormat": "other"}, {"bomFormat": "CycloneDX", "components": {}},
                {"bomFormat": "CycloneDX", "components": ["a"]}, {"spdxVersion": "SPDX-2.3", "packages": None}],
    ids=["empty", "cut", "list", "nothing", "another form", "mapping", "words", "null"],
)  # fmt: skip
def test_a_malformed_file_is_an_error(content: Any) -> None:
    assert ask("sbom", {"sbom.json": content}).result == "error"


@pytest.mark.parametrize("least", [0, -1])
def test_a_floor_that_nothing_can_fall_below_is_refused(least: int) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate({"kinds": {"pypi": least}})
