"""One suite over the registry of builders: each is known to pipeline.yaml and says openly why it cannot build."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.service import Image, Service
from dawsos.releases.builders import BUILDERS
from dawsos.releases.builders.common import BuildTools

IMAGE = Image(name="backend", dockerfile="Dockerfile", base="localhost/nobody-made-this")
every_builder = pytest.mark.parametrize("name", sorted(BUILDERS))


def test_the_file_s_words_are_the_registry_s() -> None:
    words = get_args(Service.model_fields["builder"].annotation)
    assert words == ("auto", *BUILDERS, "bundle")


@every_builder
def test_a_builder_is_registered_under_its_own_name(name: str) -> None:
    assert BUILDERS[name].name == name


@every_builder
def test_a_machine_without_its_program_is_told_apart(name: str, tmp_path: Path) -> None:
    """Run for real, with a PATH on which nothing is."""
    runner = ProcessRunner(SystemClock(), Masker())
    tools = BuildTools(runner, {"PATH": str(tmp_path)}, tmp_path / "log", tmp_path)
    assert asyncio.run(BUILDERS[name].problem((IMAGE,), tools)) == "not installed"
