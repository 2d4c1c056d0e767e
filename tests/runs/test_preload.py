"""What the end of a run needs is loaded in a thread, and not when the verb's module is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dawsos

_MEASURE = """
import json, sys
import dawsos.verbs.ship
from dawsos.runs.preload import _LATER, preload
before = [name in sys.modules for name in (*_LATER, "jinja2")]
preload().join()
print(json.dumps([before, [name in sys.modules for name in (*_LATER, "jinja2")]]))
"""


def test_the_report_and_the_metrics_are_loaded_by_the_thread_alone() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(dawsos.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, text=True, env=environment, check=True)
    before, after = json.loads(done.stdout)
    assert (before, after) == ([False] * 3, [True] * 3)
