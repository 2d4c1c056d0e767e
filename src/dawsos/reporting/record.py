"""A run as plain values for ``--json``.  Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dawsos.model.run import Run
from dawsos.reporting import summary


def run_to_json(run: Run) -> dict[str, Any]:
    """Return every fact of ``run``, with its headline and what was not checked."""
    remarks = [asdict(remark) for remark in summary.not_checked(run)]
    return {**asdict(run), "headline": summary.headline(run), "not_checked": remarks}
