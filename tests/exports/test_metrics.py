"""A real Prometheus scrapes `dawsos metrics --listen` and the replicas of a service that is shipped: the request's queries work on it.

The service of `tests/pipelines/watched`, under the names of the request, is shipped twice by the real command line: a good release,
and one that answers with errors and is rolled back.
"""

from __future__ import annotations

import math
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from e2e.clone import ROOT, git
from support.monitoring import Prometheus, program, wait_for
from support.watched import Watched, watched

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

# As the request writes them.
ERROR_RATE = """\
sum(rate(http_requests_total{status=~"5..", deployment="dawsos-backend-canary"}[1m]))
/ sum(rate(http_requests_total{deployment="dawsos-backend-canary"}[1m]))
"""
LATENCY = """\
histogram_quantile(0.95,
  rate(http_request_duration_seconds_bucket{deployment="dawsos-backend-canary"}[1m])
)
"""
SUCCESS = """\
sum(rate(ci_pipeline_runs_total{result="success"}[1h]))
/ sum(rate(ci_pipeline_runs_total[1h]))
"""
DURATION = """\
histogram_quantile(0.95, rate(ci_pipeline_duration_seconds_bucket[1h]))
"""
ROLLBACKS = """\
sum(rate(canary_rollbacks_total[1d]))
/ sum(rate(canary_deployments_total[1d]))
"""


_APPROVED = ("--approve-as", "Ada", "--reason", "the shop opens")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Watched]:
    """The watched shop with the names of the request: the pipeline dawsos, and the service in the folder backend."""
    with watched(tmp_path) as made:
        path = made.project.path
        (path / "backend").mkdir()
        for name in ("shop", "pyproject.toml"):
            git(path, "mv", name, f"backend/{name}")
        for old, new in (
            ("name: shop", "name: dawsos"),
            ("project: .", "project: backend"),
            ('["shop/**"]', '["backend/**"]'),
        ):
            made.project.edit("pipeline.yaml", old, new)
        made.project.commit("the names of the request")
        yield made


def _ship(world: Watched, check: int) -> None:
    """Ship; return once Prometheus has seen the end of the run."""
    before = _value(world.prometheus, "sum(ci_pipeline_runs_total)")
    world.project.dawsos("ship", *_APPROVED, check=check)
    world.prometheus.until(f"sum(ci_pipeline_runs_total) == {before + 1:g}")


def _scraped(world: Watched) -> dict[str, int]:
    """Return how many replicas of each deployment Prometheus scrapes."""
    return Counter(
        target["labels"]["deployment"] for target in world.prometheus.targets() if "deployment" in target["labels"]
    )


def _page(world: Watched) -> str:
    with build_opener(ProxyHandler({})).open(f"http://{world.page}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def _value(prometheus: Prometheus, query: str) -> float:
    """Return the one value of ``query``; it must have one."""
    value = prometheus.value(query)
    assert value is not None, f"{query} has no data"
    return value


def test_the_queries_of_the_request_work_as_they_are_written(world: Watched) -> None:
    prometheus = world.prometheus
    _ship(world, check=0)
    assert _value(prometheus, SUCCESS) == 1
    assert _value(prometheus, ROLLBACKS) == 0
    # There is no series with a status of 5xx yet: as written, the query is empty and not 0.
    assert prometheus.value(ERROR_RATE) is None
    assert prometheus.value(ERROR_RATE.replace('status=~"5..", ', "")) == 1

    world.change("backend/shop/__init__.py", "FAILURES = 0", "FAILURES = 300")
    _ship(world, check=4)
    assert _value(prometheus, SUCCESS) == 0.5
    assert _value(prometheus, ROLLBACKS) == 0.5
    assert 0 < _value(prometheus, ERROR_RATE) < 1
    # One value for each replica of the canary; nothing of the stable release is in it.
    seconds = {labels["instance"]: value for labels, value in prometheus.query(LATENCY)}
    canaries = prometheus.query('last_over_time(up{deployment="dawsos-backend-canary"}[10m])')
    assert seconds
    assert set(seconds) <= {labels["instance"] for labels, _ in canaries}
    assert any(0 < value <= 2.5 for value in seconds.values())
    durations = {labels["command"]: value for labels, value in prometheus.query(DURATION)}
    assert 0 < durations.pop("ship") < 600
    assert all(math.isnan(value) for value in durations.values())
    _tells_the_rollouts(prometheus)

    # A replica that is gone is scraped no more.
    wait_for(lambda: "dawsos-backend-canary" not in _scraped(world), 15, "the canary is still scraped")
    assert _scraped(world)["dawsos-backend-stable"] == 2
    world.project.dawsos("down", check=0)
    wait_for(lambda: not _scraped(world), 15, "replicas that are down are still scraped")
    # promtool has nothing to say against the page, its names included.
    checked = subprocess.run(
        [str(program("promtool")), "check", "metrics"], input=_page(world), capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def _tells_the_rollouts(prometheus: Prometheus) -> None:
    """The rollouts, one promoted and one rolled back, were seen while they went on, and are counted."""
    here = '{environment="production"}'
    assert _value(prometheus, f"max_over_time(canary_weight_ratio{here}[10m])") == 1
    assert _value(prometheus, f"canary_weight_ratio{here}") == 0
    # The sample that is the proof ends the rollout within its tick, so that a scrape may not see the last step of the evidence.
    for measure, least in (("worse than stable", 0.2), ("check error rate", 1.0)):
        chosen = f'{{environment="production",measure="{measure}"}}[10m]'
        shares = f"max_over_time(canary_evidence{chosen}) / max_over_time(canary_evidence_limit{chosen})"
        assert _value(prometheus, shares) >= least, measure
    causes = 'sum(canary_rollbacks_by_cause_total{cause=~"worse_than_stable|error_rate"})'
    assert _value(prometheus, causes) == 1
    assert _value(prometheus, "dora_failed_deployments_total / dora_deployments_total") == 0.5
    assert _value(prometheus, "dora_lead_time_seconds_count") == 1
    assert _value(prometheus, "dora_recovery_seconds_count") == 1
    assert _value(prometheus, "dora_recovery_seconds_sum") < 60
    assert _value(prometheus, "ci_pipeline_time_to_canary_seconds_count") == 2


def test_the_documentation_has_the_queries_as_they_are_tested() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    for query in (ERROR_RATE, LATENCY, SUCCESS, DURATION, ROLLBACKS):
        assert query in page
