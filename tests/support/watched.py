"""A small service that is shipped while a real Prometheus looks: ``tests/pipelines/watched`` in a repository of its own.

Prometheus scrapes ``dawsos metrics --listen``, and finds the replicas by its service discovery.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.clone import ROOT, Clone, git
from support import monitoring
from support.locked import BUILDING, locked


@dataclass(frozen=True)
class Watched:
    """The project, the Prometheus that looks at it, and the address of the tool's page."""

    project: Clone
    prometheus: monitoring.Prometheus
    page: str

    def change(self, name: str, old: str, new: str) -> None:
        """Commit ``new`` in the place of ``old`` in the file ``name``."""
        self.project.edit(name, old, new)
        self.project.commit(f"{name}: {new}")


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Make the project below ``folder``, look at it, and stop everything at the end of the block."""
    project = _project(folder / "shop")
    try:
        with project.running("metrics", "--listen", "0") as listening:
            page = _address(listening)
            with monitoring.prometheus(folder / "prometheus", _scrapes(page)) as prometheus:
                # What is counted from here on grows from 0, as `increase` needs it.
                prometheus.until("dora_deployments_total")
                yield Watched(project, prometheus, page)
    finally:
        left = project.end()
    assert left == [], "down left these processes"


def _project(path: Path) -> Clone:
    shutil.copytree(ROOT / "tests" / "pipelines" / "watched", path)
    (path / "tools.txt").write_text(locked(*BUILDING))
    (path / "requirements.txt").write_text(locked("pluggy"))
    git(path.parent, "init", "--quiet", "--initial-branch=main", str(path))
    toolchains = ROOT / ".dawsos" / "toolchains"
    toolchains.mkdir(parents=True, exist_ok=True)
    (path / ".dawsos").mkdir()
    (path / ".dawsos" / "toolchains").symlink_to(toolchains)
    project = Clone(path)
    project.commit("the shop")
    return project


def _address(listening: subprocess.Popen[str]) -> str:
    assert listening.stdout is not None
    line = listening.stdout.readline()
    found = re.search(r"http://(127\.0\.0\.1:\d+)/metrics", line)
    assert found, line
    # The second line is read too: nothing may be left in the pipe.
    listening.stdout.readline()
    return found[1]


def _scrapes(page: str) -> list[dict[str, Any]]:
    return [
        {"job_name": "dawsos", "static_configs": [{"targets": [page]}]},
        {"job_name": "service", "http_sd_configs": [{"url": f"http://{page}/targets", "refresh_interval": "1s"}]},
    ]
