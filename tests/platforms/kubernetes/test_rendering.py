"""A pod is found among rendered objects by its labels."""

from __future__ import annotations

import pytest

from dawsos.errors import ReleaseFailed
from dawsos.platforms.kubernetes.names import WORKER
from dawsos.platforms.kubernetes.rendering import pod_of
from support.workloads import service, workload


def test_the_pod_is_that_of_the_backend_of_the_deployment() -> None:
    objects = [service("stable", "a"), workload("a", "w", 1, WORKER), workload("b", "2"), workload("a", "1")]
    assert pod_of(objects, "a")["spec"]["containers"][0]["image"] == "1"


def test_a_chart_without_the_labels_is_told_which() -> None:
    with pytest.raises(ReleaseFailed, match=r"app.kubernetes.io/component=backend and dawsos.dev/deployment=c"):
        pod_of([workload("a", "1")], "c")
