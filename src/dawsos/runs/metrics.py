"""The metrics of a project, folded from its journal.

What was counted is kept beside the text that node_exporter reads, so that nobody reads the whole journal for one more run.  The
kept file is a cache: without it, or when it is not of this journal, every event is read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dawsos.adapters.digests import sha256
from dawsos.adapters.files import read_json, write_text
from dawsos.errors import InfrastructureError
from dawsos.model.metrics import Histogram, Metrics, OpenRollout, OpenRun, PendingApproval, Serving
from dawsos.model.metrics_fold import fold_metrics
from dawsos.model.rollout import Reading
from dawsos.runs.journal import Journal
from dawsos.runs.project import Project

# Raised when the fold counts otherwise than before, or other things: what was kept is then counted anew.
_VERSION = 1


class MetricsReader:
    """Reads the metrics of one project; each ``read`` takes in what the journal got since the last one."""

    def __init__(self, project: Project, journal: Journal) -> None:
        self._journal, self._kept = journal, project.counted
        self._metrics, self._number = _load(self._kept, journal) or (Metrics(), 0)
        self._state: object = None

    def read(self) -> Metrics:
        """Return the metrics as the journal has them now.  Raises InfrastructureError when an event cannot be read."""
        state = self._journal.state()
        if state != self._state:
            reached = {name: run.seq for name, run in self._metrics.runs.items()}
            found, number = self._journal.news(self._number, reached)
            try:
                counted = fold_metrics(found, self._metrics)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise InfrastructureError(
                    f"an event of the journal cannot be counted: {error}",
                    fix="somebody changed journal.sqlite: dawsos verify names the run",
                ) from error
            self._metrics, self._number, self._state = counted, number, state
        return self._metrics

    def keep(self) -> None:
        """Write what was counted, for the next reader.  Raises OSError."""
        run, seq, digest = self._journal.mark(self._number)
        mark = {"version": _VERSION, "number": self._number, "run": run, "seq": seq, "hash": digest}
        kept = {**mark, "metrics": _plain(self._metrics)}
        write_text(self._kept, json.dumps({**kept, "sha256": _digest(kept)}))


def _digest(kept: Mapping[str, Any]) -> str:
    """Return the SHA-256 over what was kept: one damaged number would be told as if it had been counted, or end a run."""
    return sha256(json.dumps(kept, sort_keys=True).encode())


def _load(path: Path, journal: Journal) -> tuple[Metrics, int] | None:
    """Return what was counted and up to which number of a run, None when it is not there, damaged, or not of this journal."""
    raw = read_json(path)
    try:
        if raw is None or raw.pop("sha256") != _digest(raw):
            return None
        if raw["version"] != _VERSION or not journal.reaches(raw["run"], raw["seq"], raw["hash"]):
            return None
        return _from_plain(raw["metrics"]), int(raw["number"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _plain(metrics: Metrics) -> dict[str, Any]:
    return {
        "counters": {name: [*map(list, series.items())] for name, series in metrics.counters.items()},
        "histograms": {
            name: [[labels, one.counts, one.total] for labels, one in series.items()]
            for name, series in metrics.histograms.items()
        },
        "runs": {name: asdict(run) for name, run in metrics.runs.items()},
        "last_ended": [*map(list, metrics.last_ended.items())],
        "serving": {name: asdict(serving) for name, serving in metrics.serving.items()},
        "valid_until": [*map(list, metrics.valid_until.items())],
    }


def _from_plain(raw: Mapping[str, Any]) -> Metrics:
    """Return the metrics that ``_plain`` wrote.  Raises LookupError, TypeError, ValueError or AttributeError for anything else."""
    return Metrics(
        counters={
            name: {tuple(labels): int(number) for labels, number in series} for name, series in raw["counters"].items()
        },
        histograms={
            name: {tuple(labels): _histogram(name, counts, total) for labels, counts, total in series}
            for name, series in raw["histograms"].items()
        },
        runs={name: _open_run(run) for name, run in raw["runs"].items()},
        last_ended={_pair(labels): float(at) for labels, at in raw["last_ended"]},
        serving={name: Serving(**serving) for name, serving in raw["serving"].items()},
        valid_until={_pair(labels): until for labels, until in raw["valid_until"]},
    )


def _pair(labels: Any) -> tuple[str, str]:
    first, second = labels
    return first, second


def _histogram(name: str, counts: Any, total: float) -> Histogram:
    made = Histogram(tuple(counts), total)
    if len(made.counts) != len(Histogram.empty(name).counts):
        raise ValueError(f"{name} has other buckets now")
    return made


def _open_run(raw: Mapping[str, Any]) -> OpenRun:
    rollout, revert = raw["rollout"], raw["revert"]
    read: dict[str, Any] = {
        "deployed": {stage: _pair(where) for stage, where in raw["deployed"].items()},
        "settled": tuple(raw["settled"]),
        "approvals": {
            stage: PendingApproval(**{**asked, "names": tuple(asked["names"])})
            for stage, asked in raw["approvals"].items()
        },
        "rollout": None if rollout is None else _open_rollout(rollout),
        "revert": None if revert is None else tuple(revert),
    }
    return OpenRun(**{**raw, **read})


def _open_rollout(raw: Mapping[str, Any]) -> OpenRollout:
    read = {"limits": _pair(raw["limits"]), "evidence": tuple(Reading(**one) for one in raw["evidence"])}
    return OpenRollout(**{**raw, **read})
