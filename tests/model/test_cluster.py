"""The settings of an environment on Kubernetes: one way for its images, and names that Kubernetes takes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dawsos.model.cluster import Delivery
from dawsos.model.environment import EnvironmentChanges, EnvironmentSettings

PLACE = {"context": "c", "namespace": "n", "release": "r", "chart": "charts/x"}


def test_images_go_one_way() -> None:
    assert Delivery.model_validate({"import": "ctr images import -"}).import_ == "ctr images import -"
    for wrong in ({}, {"import": "x", "registry": "y/z"}):
        with pytest.raises(ValidationError, match="registry, or import"):
            Delivery.model_validate(wrong)


def test_what_kubernetes_needs_is_missing_until_it_is_there() -> None:
    assert EnvironmentSettings(platform="kubernetes", context="c").missing == ("namespace", "release", "chart")
    assert EnvironmentSettings.model_validate({"platform": "kubernetes", **PLACE}).missing == ()
    assert EnvironmentSettings().missing == ()


def test_a_profile_takes_an_environment_to_a_cluster() -> None:
    changed = EnvironmentSettings().changed_by(EnvironmentChanges.model_validate({"platform": "kubernetes", **PLACE}))
    assert (changed.missing, changed.namespace, changed.driver) == ((), "n", "dawsos")


def test_another_platform_knows_no_key_of_kubernetes() -> None:
    assert EnvironmentSettings.model_validate(PLACE).foreign == ("chart", "context", "namespace", "release")


@pytest.mark.parametrize("name", ["Production", "a_b", "-a", "a" * 60])
def test_a_name_that_kubernetes_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        EnvironmentSettings.model_validate({**PLACE, "platform": "kubernetes", "namespace": name})
