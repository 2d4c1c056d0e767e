"""Loads what the end of a run needs while its beginning waits for git and for the first commands."""

from __future__ import annotations

import threading
from importlib import import_module

# The keys sign what the first stage leaves, the report is written at the end; the libraries behind them take tens of
# milliseconds to load, in which the run would do nothing else.
_LATER = ("dawsos.provenance.keys", "dawsos.runs.report")


def preload() -> threading.Thread:
    """Start to load them in a thread, which is returned; who needs one of them earlier waits for it by importing it."""
    # A daemon: a run that ends at once does not wait for what it needs no more.
    thread = threading.Thread(target=_load, name="preload", daemon=True)
    thread.start()
    return thread


def _load() -> None:
    for name in _LATER:
        import_module(name)
