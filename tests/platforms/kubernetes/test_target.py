"""Where an environment is, and what the user's programs get to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentSettings
from dawsos.platforms.kubernetes.target import Target, given, program

SETTINGS = {"platform": "kubernetes", "context": "c", "namespace": "prod", "release": "shop", "chart": "charts/shop"}


def test_files_are_of_the_checkout_and_the_secret_is_named_by_the_release() -> None:
    settings = EnvironmentSettings.model_validate({**SETTINGS, "values": ["prod.yaml"]})
    target = Target.of("production", settings, Path("/co"))
    assert (target.chart, target.values) == (Path("/co/charts/shop"), (Path("/co/prod.yaml"),))
    assert (target.secret, target.own_secret) == ("shop-env", False)
    own = Target.of("production", settings.model_copy(update={"secret": "mine"}), Path("/co"))
    assert (own.secret, own.own_secret) == ("mine", True)


def test_a_key_that_is_missing_is_named() -> None:
    with pytest.raises(BadInput, match=r"environments\.production lacks namespace"):
        Target.of(
            "production",
            EnvironmentSettings.model_validate({key: value for key, value in SETTINGS.items() if key != "namespace"}),
            Path(),
        )


def test_kubectl_is_told_its_context_and_not_within_the_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kubectl").write_text("#!/bin/sh\n")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Target("c", "prod", "shop", Path()).kubectl[1:] == ("--context", "c", "--namespace", "prod")
    assert Target("in-cluster", "prod", "shop", Path()).kubectl[1:] == ("--namespace", "prod")


def test_a_program_that_is_not_there_is_bad_input_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="no helm on PATH") as caught:
        program("helm")
    assert "install Helm 3 or 4" in caught.value.fix


def test_programs_get_what_plugins_need_and_no_secret_of_the_environment() -> None:
    environ = {"AWS_PROFILE": "a", "POLYGON_KEY": "s", "HELM_NAMESPACE": "x", "DAWSOS_SIGNING_KEY": "k"}
    assert given(environ, frozenset({"POLYGON_KEY"})) == {"AWS_PROFILE": "a"}
