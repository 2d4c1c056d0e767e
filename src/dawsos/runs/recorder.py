"""The recorder of one run: it writes facts to the journal, tells the reporters and keeps the state."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dawsos.adapters.digests import storable
from dawsos.adapters.redactor import Masker
from dawsos.model.events import Event, Fact, fact_of
from dawsos.model.fold import fold
from dawsos.model.run import Run
from dawsos.ports import Reporter
from dawsos.runs.project import Tools


class Session:
    """Implements ``ports.Recorder`` for one run: journal first, then the reporters, then the folded state."""

    def __init__(self, tools: Tools, run: str, reporters: Sequence[Reporter]) -> None:
        self.tools = tools
        self.id = run
        self.reporters = tuple(reporters)
        self.state = fold(tools.journal.events(run))

    @property
    def masker(self) -> Masker:
        return self.tools.masker

    def record(self, fact: Fact, stage: str = "") -> Event:
        event = self.tools.journal.append(self.id, fact_of(fact.kind, _clean(fact.body(), self.masker)), stage)
        # Another process may have appended meanwhile (an approval): take everything since what we know.
        self.refresh()
        return event

    def refresh(self) -> Run:
        """Take in what others appended and return the state."""
        for event in self.tools.journal.events(self.id, self.state.last_seq):
            self.state = fold([event], self.state)
            self.tell(event)
        return self.state

    def tell(self, event: Event) -> None:
        """Tell every reporter.  A terminal that is gone or a full disk behind the output does not end the run."""
        for reporter in self.reporters:
            with suppress(OSError):
                reporter.notice(event)

    def suspend_reporters(self) -> None:
        """Release the terminal for a question."""
        for reporter in self.reporters:
            with suppress(OSError):
                reporter.suspend()

    def close_reporters(self) -> None:
        """Let every reporter print how the run ended."""
        for reporter in self.reporters:
            with suppress(OSError):
                reporter.close()

    def since(self, seq: int) -> list[Event]:
        return self.tools.journal.events(self.id, seq)

    def artifacts(self, stage: str, attempt: int = 1) -> Path:
        """Return the folder for the evidence of one attempt at a stage."""
        return self.tools.project.run_folder(self.id) / stage / f"attempt-{attempt}"


def _clean(value: Any, masker: Masker) -> Any:
    """Mask secrets in every text of a body: what the journal does not have cannot get into a report.

    Half a surrogate pair, which the JSON of a tool may hold, is replaced: the journal would refuse it and the run would end.
    """
    if isinstance(value, str):
        return storable(masker.clean(value))
    if isinstance(value, dict):
        return {key: _clean(item, masker) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item, masker) for item in value]
    return value
