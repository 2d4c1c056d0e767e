"""The symbol of a state in its colour.  A module of its own, because a list of runs needs only this."""

from __future__ import annotations

from rich.text import Text

from dawsos.reporting import formatting

STYLES = {"good": "green", "bad": "bold red", "warn": "yellow", "busy": "cyan", "idle": "dim"}


def mark(state: str, *, ascii_only: bool) -> Text:
    """Return the symbol of ``state`` in its colour."""
    shown = formatting.look(state)
    return Text(shown.ascii if ascii_only else shown.symbol, style=STYLES[shown.tone])
