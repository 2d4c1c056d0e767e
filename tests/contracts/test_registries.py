"""Every registry has an entry for every name that pipeline.yaml may use, and none besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest

from contracts.platform.subjects import SUBJECTS
from dawsos.actions import ACTIONS
from dawsos.adapters.services import SERVICES
from dawsos.executors.contract import ExecutorName
from dawsos.executors.registry import EXECUTORS
from dawsos.exporters.registry import EXPORTERS
from dawsos.model.environment import PlatformName, ServiceName
from dawsos.model.exports import ExporterName, Exports
from dawsos.model.pipeline import Uses
from dawsos.platforms.observers import OBSERVERS
from dawsos.platforms.registry import PLATFORMS


@pytest.mark.parametrize(
    ("registry", "names"),
    [
        (ACTIONS, Uses),
        (PLATFORMS, PlatformName),
        (OBSERVERS, PlatformName),
        (SERVICES, ServiceName),
        (EXECUTORS, ExecutorName),
    ],
    ids=["actions", "platforms", "observers", "services", "executors"],
)
def test_a_registry_has_what_may_be_named(registry: Mapping[str, Any], names: Any) -> None:
    assert set(registry) == set(get_args(names))


def test_every_platform_runs_the_conformance_suite() -> None:
    assert set(PLATFORMS) <= set(SUBJECTS)


def test_every_exporter_may_be_named() -> None:
    assert set(EXPORTERS) <= set(get_args(ExporterName))
    assert set(get_args(ExporterName)) == set(Exports.model_fields)
