"""A command that cannot be run in the cluster is the cluster's fault; tests/contracts/platform runs real ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import Cluster, Object, Unreachable
from dawsos.adapters.redactor import Masker
from dawsos.errors import DawsosError, ReleaseFailed
from dawsos.platforms.kubernetes.connection import Connection
from dawsos.platforms.kubernetes.release_commands import ClusterCommands
from support.workloads import TARGET


def _commands(error: DawsosError) -> ClusterCommands:
    async def template(_cluster: Cluster) -> Object:
        raise error

    return ClusterCommands(Connection("c"), TARGET, template, {}, SystemClock(), Masker())


def test_a_cluster_that_does_not_answer_is_no_fault_of_the_command(tmp_path: Path) -> None:
    commands = _commands(Unreachable("nobody answers"))
    outcome = asyncio.run(commands.run("python -m x", tmp_path / "log", {}))
    assert (outcome.classification, outcome.message) == ("infrastructure", "nobody answers")
    captured, text = asyncio.run(commands.capture("python -m x", tmp_path / "log", {}))
    assert (captured.classification, text) == ("infrastructure", "")


def test_a_chart_that_makes_no_pod_is_the_release_s_fault(tmp_path: Path) -> None:
    with pytest.raises(ReleaseFailed, match="no Deployment"):
        asyncio.run(_commands(ReleaseFailed("no Deployment")).run("python -m x", tmp_path / "log", {}))
