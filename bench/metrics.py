#!/usr/bin/env python3
"""What the metrics cost with many runs in the journal: the first page, one after one more run, one after no change.

    python bench/metrics.py [--runs 1000] [--samples 60]

Each run is a ship of twelve stages with thirty gates, and every tenth has a rollout with so many samples.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from dawsos.model.events import (  # noqa: E402 - the checkout's own tool
    CheckNumbers,
    Fact,
    GateEvaluated,
    RolloutDecided,
    RolloutFinished,
    RolloutSampled,
    RolloutStarted,
    RunFinished,
    RunStarted,
    SideSample,
    StageFinished,
    StageStarted,
    WeightConfirmed,
)
from dawsos.model.metrics import Known  # noqa: E402
from dawsos.model.rollout import Reading  # noqa: E402
from dawsos.model.status import (  # noqa: E402
    Cause,
    RolloutDecision,
    RolloutOutcome,
    RunResult,
    StageState,
)
from dawsos.model.verdicts import GateVerdict  # noqa: E402
from dawsos.reporting.prometheus import render_metrics  # noqa: E402
from dawsos.runs.journal import Journal  # noqa: E402
from dawsos.runs.metrics import MetricsReader  # noqa: E402
from dawsos.runs.project import Project  # noqa: E402

STAGES = tuple(f"stage-{number:02}" for number in range(12))
GATES = 30
KNOWN = Known(
    STAGES, tuple((STAGES[n % 12], f"gate {n}", "junit") for n in range(GATES)), ("production",), ("production",)
)
_T = TypeVar("_T")


class Ticking:
    """A clock that goes on by a tenth of a second each time it is asked."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def now(self) -> float:
        self.at += 0.1
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


def ship(samples: int) -> list[tuple[Fact, str]]:
    """Return the facts of one ship with their stages."""
    told: list[tuple[Fact, str]] = [
        (RunStarted("ship", "c" * 40, stages=STAGES, committed_at=1.0, rollouts={STAGES[-1]: "production"}), "")
    ]
    for number, stage in enumerate(STAGES):
        told.append((StageStarted("f" * 64), stage))
        for gate in range(number, GATES, len(STAGES)):
            verdict = GateVerdict(
                f"gate {gate}", "junit", "pass", "120 tests, 0 failed", "0 failed", "", ("junit.xml",)
            )
            told.append((GateEvaluated(verdict), stage))
        if samples and stage == STAGES[-1]:
            told += [(fact, stage) for fact in rollout(samples)]
        evidence = {f"file-{name}.json": "d" * 64 for name in range(5)}
        told.append((StageFinished(StageState.PASSED, 12.5, "", evidence), stage))
    return [*told, (RunFinished(RunResult.PASSED, 0), "")]


def rollout(samples: int) -> list[Fact]:
    """Return the facts of one rollout, with samples of the size that real ones have."""
    edges = tuple((1.1**number / 1000, 3) for number in range(30))
    side = SideSample(100, 1, 0.2, edges)
    tests = tuple(Reading(f"test {number}", 1.0, 4.6, 0.01, 0.0, 0.02, 100, 1, 0.01) for number in range(10))
    sample = RolloutSampled(
        1.0, 25, 25, 1.0, side, side, verdict="healthy", check=CheckNumbers(0.01, 0.2, 100), evidence=tests
    )
    return [
        RolloutStarted("r" * 64, "d", "production", policy={"lease": 15.0, "error_rate": 0.005, "p95": 1.2}),
        WeightConfirmed(25),
        *([sample] * samples),
        RolloutDecided(RolloutDecision.PROMOTE, Cause.HEALTHY),
        RolloutFinished(RolloutOutcome.PROMOTED),
    ]


def fill(path: Path, journal: Journal, runs: int, samples: int) -> None:
    """Write the runs.  Nothing is synced: only reading is measured."""
    journal._db.execute("PRAGMA synchronous=OFF")
    journal._synced = True
    for number in range(runs):
        for fact, stage in ship(samples if number % 10 == 0 else 0):
            journal.append(f"run-{number:05}", fact, stage)
    size = sum(one.stat().st_size for one in path.iterdir())
    print(f"{runs} runs, {size / 1e6:.0f} MB of journal")


def timed(what: str, action: Callable[[], _T]) -> _T:
    began, cpu = time.perf_counter(), time.process_time()
    value = action()
    spent = (time.process_time() - cpu) * 1000
    print(f"{what:40} {spent:9.1f} ms of the processor {(time.perf_counter() - began) * 1000:9.1f} ms in all")
    return value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dawsos-metrics-") as name:
        project = Project(Path(name), Path(name) / "home")
        journal = Journal(project.journal, Ticking())
        fill(project.journal, journal, options.runs, options.samples)
        reader = timed("a reader without anything kept", lambda: MetricsReader(project, journal))
        timed("  every event of the journal is counted", reader.read)
        text = timed("  the page is written", lambda: render_metrics(reader.read(), KNOWN, time.time()))
        timed("  what was counted is kept", reader.keep)
        print(
            f"{len(text.splitlines())} lines, {len(text) / 1e3:.0f} kB; kept {project.counted.stat().st_size / 1e3:.0f} kB"
        )
        timed("a page after no change", lambda: render_metrics(reader.read(), KNOWN, time.time()))
        for fact, stage in ship(options.samples):
            journal.append("one-more", fact, stage)
        timed("a page after one more run", lambda: render_metrics(reader.read(), KNOWN, time.time()))
        later = timed("another reader of what was kept", lambda: MetricsReader(project, journal))
        timed("  what came since is counted", later.read)
        journal.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
