"""The table of metrics is consistent, and a histogram's buckets include their limits."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dawsos.model.metrics import FAMILIES, Histogram, Known
from support.world import PIPELINE, pipeline_of


@pytest.mark.parametrize("name", FAMILIES)
def test_a_name_says_its_unit_and_kind(name: str) -> None:
    family = FAMILIES[name]
    assert name.endswith("_total") == (family.kind == "counter")
    assert bool(family.buckets) == (family.kind == "histogram")
    assert all(after > before for before, after in pairwise(family.buckets))
    if family.kind == "histogram":
        assert name.endswith("_seconds")
    assert family.help.endswith(".")


def test_a_value_lies_in_the_bucket_whose_limit_it_reaches() -> None:
    made = Histogram((0, 0, 0))
    for value in (1.0, 1.5, 2.0, 2.1):
        made = made.plus(value, (1.0, 2.0))
    assert made == Histogram((1, 2, 1), 6.6)


def test_what_a_pipeline_names_is_known() -> None:
    known = Known.of(pipeline_of(PIPELINE))
    assert known.stages == ("lint", "unit", "chaos", "build", "uat", "canary")
    assert ("unit", "junit", "junit") in known.gates
    assert (known.deployments, known.rollouts) == (("production",), ("production",))
