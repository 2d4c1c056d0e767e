"""``dawsos metrics``: the metrics of the project as a page for Prometheus, once or served on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dawsos.adapters.pages import Page, serve_pages
from dawsos.errors import BadInput
from dawsos.model.metrics import Known
from dawsos.model.pipeline import Pipeline
from dawsos.platforms.contract import EnvironmentStatus
from dawsos.platforms.observers import OBSERVERS
from dawsos.reporting.prometheus import CONTENT_TYPE, render_metrics
from dawsos.runs.metrics import MetricsReader
from dawsos.runs.project import PIPELINE_FILE, Project, load, open_tools

# The states of a replica that answers, or did a moment ago.
_ANSWERING = frozenset({"ready", "unready"})


def metrics(project: Project) -> str:
    """Return the page of metrics.  Raises BadInput for a wrong pipeline.yaml, InfrastructureError for an unreadable journal."""
    return _Pages(project).metrics().text


def listen(project: Project, port: int, ready: Callable[[int], None]) -> None:
    """Serve the metrics, and the replicas for Prometheus' service discovery, on 127.0.0.1 until Ctrl-C or TERM.

    ``ready`` gets the port once it is listened on; ``port`` 0 takes a free one.  Raises BadInput for a wrong pipeline.yaml at
    the start; one that becomes wrong later leaves the last right one in force.
    """
    pages = _Pages(project)
    pages.metrics()
    served = {
        "/metrics": pages.metrics,
        "/targets": pages.targets,
        "/-/healthy": lambda: Page("dawsos metrics is healthy\n"),
    }
    asyncio.run(serve_pages(served, port, ready))


def targets(pipeline: Pipeline, environments: Iterable[EnvironmentStatus]) -> list[dict[str, Any]]:
    """Return the replicas that answer, as Prometheus' HTTP service discovery takes them.

    One group for each role of each environment: ``deployment`` is the service's name with the role, as in
    ``dawsos-backend-canary``.  https://prometheus.io/docs/prometheus/latest/http_sd/
    """
    groups: list[dict[str, Any]] = []
    for seen in environments:
        roles = {"stable": seen.roles.stable, "canary": seen.roles.canary, "standby": seen.roles.standby}
        for role, deployment in roles.items():
            replicas = [
                process.address
                for process in seen.processes
                if process.group == deployment and process.address and process.state in _ANSWERING
            ]
            labels = {
                "environment": seen.name,
                "deployment": f"{pipeline.service_name}-{role}",
                "release": seen.release_of(deployment),
                "__metrics_path__": pipeline.service.metrics_page,
            }
            if replicas:
                groups.append({"targets": replicas, "labels": labels})
    return groups


@dataclass
class _Pages:
    """The pages of one project."""

    project: Project
    _pipeline: Pipeline = field(init=False)
    _written: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._tools = open_tools(self.project)
        self._reader = MetricsReader(self.project, self._tools.journal)
        self._written, self._pipeline = self._stamp(), load(self.project.root)

    def metrics(self) -> Page:
        known = Known.of(self._current())
        return Page(render_metrics(self._reader.read(), known, self._tools.clock.now()), CONTENT_TYPE)

    def targets(self) -> Page:
        environments = [OBSERVERS["local"](path) for path in self.project.environments()]
        return Page(json.dumps(targets(self._current(), environments)), "application/json; charset=utf-8")

    def _current(self) -> Pipeline:
        stamp = self._stamp()
        if stamp != self._written:
            self._written = stamp
            with suppress(BadInput):
                self._pipeline = load(self.project.root)
        return self._pipeline

    def _stamp(self) -> tuple[int, int]:
        """Return what changes when somebody writes pipeline.yaml."""
        try:
            found = (self.project.root / PIPELINE_FILE).stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size
