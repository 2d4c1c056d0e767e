"""Every executor by its name."""

from __future__ import annotations

from collections.abc import Callable

from dawsos.executors.contract import Executor, ExecutorName
from dawsos.executors.local import LocalExecutor
from dawsos.ports import Runner

# A new executor is one line here and one file beside ``local``; ``tests/contracts/test_executors.py`` runs on it.
EXECUTORS: dict[ExecutorName, Callable[[Runner], Executor]] = {"local": LocalExecutor}
