"""docs/metrics.md names every metric with its type and its labels, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from dawsos.model.metrics import FAMILIES

PAGE = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()


def test_the_table_has_every_metric_with_its_type_and_labels() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\| [^|]+ \|$", PAGE, re.MULTILINE)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert told == {name: (family.kind, family.labels) for name, family in FAMILIES.items()}


def test_each_query_uses_metrics_that_there_are() -> None:
    known = {*FAMILIES, "http_requests_total", "http_request_duration_seconds"}
    named = set(re.findall(r"\b(?:ci|canary|dora|dawsos|http)_\w+_(?:total|bucket|seconds|ratio)\b", PAGE))
    assert named
    assert {name.removesuffix("_bucket") for name in named} <= known
