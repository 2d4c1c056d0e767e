"""Journals of rollouts in memory, and one of them as that of every environment on Kubernetes."""

from __future__ import annotations

import pytest

from dawsos.errors import InfrastructureError
from dawsos.platforms.contract import KeptHead
from dawsos.platforms.journals import JOURNALS


class MemoryJournal:
    """Implements ``contract.RolloutJournal``; nobody answers while ``away``."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, int], bytes] = {}
        self.kept: dict[str, KeptHead] = {}
        self.away = False
        self.calls = 0
        self.conductor = ""

    def _answering(self) -> None:
        if self.away:
            raise InfrastructureError("nobody answers", fix="")

    async def put(self, run: str, part: int, content: bytes) -> None:
        self._answering()
        self.calls += 1
        self.parts[run, part] = content

    async def put_head(self, head: KeptHead) -> None:
        self._answering()
        self.kept[head.run] = head

    async def heads(self) -> tuple[KeptHead, ...]:
        self._answering()
        # As they began: on paper, several begin within one second, in which their names have no order.
        return tuple(reversed(self.kept.values()))

    async def read(self, head: KeptHead) -> tuple[bytes, ...]:
        self._answering()
        return tuple(self.parts[head.run, part] for part in range(head.parts))

    async def claim(self) -> str:
        self._answering()
        return self.conductor

    async def close(self) -> None:
        pass


def everywhere(monkeypatch: pytest.MonkeyPatch, journal: MemoryJournal) -> None:
    """Let every environment on Kubernetes keep its journals in ``journal``."""
    monkeypatch.setitem(JOURNALS, "kubernetes", lambda _settings: journal)
