"""One spelling for each name that is compared, kept or misspelt."""

from __future__ import annotations

import pytest

from dawsos.model.names import canonical_package, deployment_id, did_you_mean


@pytest.mark.parametrize(
    "name", ["Typing_Extensions", "typing-extensions", "typing..extensions", "TYPING-_.extensions"]
)
def test_a_package_has_one_name_however_it_is_spelt(name: str) -> None:
    assert canonical_package(name) == "typing-extensions"


def test_a_deployment_is_named_by_its_release_and_its_run() -> None:
    run = "20261129-210251-93f6014-a7"
    assert deployment_id("0123456789abcdef", run) == "01234567-3f6014-a7"
    assert deployment_id("0123456789abcdef", run, drill=True) == "01234567-3f6014-a7-drill"
    assert deployment_id("0123456789abcdef", "20261129-210251-93f6014-a8") != deployment_id("0123456789abcdef", run)


def test_only_a_near_name_is_proposed() -> None:
    assert did_you_mean("linnt", ["unit", "lint"]) == "; did you mean 'lint'?"
    assert did_you_mean("linnt", {"lint": 1, "unit": 2}) == "; did you mean 'lint'?"
    assert did_you_mean("deploy", ["unit", "lint"]) == ""
    assert did_you_mean("deploy", []) == ""
