"""The textfile of node_exporter, kept up to date by the run that goes on.

What it is made with is loaded beside the stages (see ``preload``): the start of a run needs no metrics.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dawsos.adapters.files import write_text
from dawsos.errors import InfrastructureError
from dawsos.model.events import Event, RolloutSampled
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import Tools

if TYPE_CHECKING:
    from dawsos.runs.metrics import MetricsReader

# The kinds that change a live rollout's numbers, and the question to a person.
_SHOWN = frozenset({"rollout_started", "weight_confirmed", "rollout_finished", "approval_requested"})
# Seconds between two writings while samples come.
_EVERY = 15.0


class MetricsFile:
    """Implements ``ports.Reporter``: keeps the textfile of node_exporter up to date while a run goes on."""

    def __init__(self, tools: Tools, pipeline: Pipeline) -> None:
        self._tools, self._pipeline = tools, pipeline
        self._reader: MetricsReader | None = None
        self._written = 0.0

    def notice(self, event: Event) -> None:
        late = event.kind == RolloutSampled.KIND and self._tools.clock.monotonic() - self._written >= _EVERY
        if late or event.kind in _SHOWN:
            self.write()

    def suspend(self) -> None:
        """Do nothing: it uses no terminal."""

    def close(self) -> None:
        """Do nothing: the end of a run is recorded before the reporters are closed, and written by ``write``."""

    def write(self) -> None:
        """Write the metrics as the journal has them now.

        Neither a full disk nor an altered event of another run may stop this run; the page then says when it was written.
        """
        from dawsos.model.metrics import Known
        from dawsos.reporting.prometheus import render_metrics
        from dawsos.runs.metrics import MetricsReader

        with suppress(OSError, InfrastructureError):
            self._reader = self._reader or MetricsReader(self._tools.project, self._tools.journal)
            text = render_metrics(self._reader.read(), Known.of(self._pipeline), self._tools.clock.now())
            write_text(self._tools.project.metrics, text)
            self._reader.keep()
            self._written = self._tools.clock.monotonic()
