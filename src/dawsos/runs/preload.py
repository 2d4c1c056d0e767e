"""Loads what the end of a run needs while its stages wait for their first commands."""

from __future__ import annotations

import threading
from importlib import import_module

# The library behind the report takes tens of milliseconds to load, the metrics ten, in which the run would do nothing else.
_LATER = ("dawsos.runs.report", "dawsos.runs.metrics")


def preload() -> threading.Thread:
    """Start to load the modules in a thread and return it; code that needs them earlier waits by importing them."""
    # A daemon thread: a run that ends at once does not wait for it.
    thread = threading.Thread(target=lambda: [import_module(name) for name in _LATER], name="preload", daemon=True)
    thread.start()
    return thread
