"""A real Prometheus and a real Alertmanager watch real runs of a small service by the exported rules, and the right alerts arrive.

`tests/pipelines/alerted` is shipped by the real command line; `dawsos metrics --listen` gives Prometheus the runs and the replicas.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest

from e2e.clone import Clone, git
from support import monitoring
from support.debian import ROOT
from support.locked import BUILDING, locked
from support.monitoring import Prometheus, Webhook, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

_FAILURE_RATE = 'sum(rate(ci_pipeline_runs_total{result="failure"}[1h])) / sum(rate(ci_pipeline_runs_total[1h]))'


@dataclass
class Watched:
    """The project, what watches it, and where its alerts arrive."""

    project: Clone
    prometheus: Prometheus
    hook: Webhook

    def ship(self, message: str, check: int) -> None:
        """Commit and ship, and return once Prometheus has seen the end of the run and has judged it."""
        before = self.runs()
        self.project.commit(message)
        self.project.dawsos("ship", "--profile", "laptop", check=check)
        wait_for(lambda: self.runs() == before + 1, 30, "Prometheus has not seen the run")
        self.prometheus.evaluated()

    def runs(self) -> float:
        return self.prometheus.value("sum(ci_pipeline_runs_total)") or 0.0

    def arrived(self) -> set[str]:
        """Return the names of the alerts that have arrived so far."""
        return {alert["labels"]["alertname"] for alert in self.hook.alerts()}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    path = tmp_path / "project"
    shutil.copytree(ROOT / "tests" / "pipelines" / "alerted", path)
    (path / "tools.txt").write_text(locked(*BUILDING))
    (path / "requirements.txt").write_text(locked("pluggy"))
    (path / ".gitignore").write_text(".dawsos/\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(path))
    # Made once: a toolchain is named by the digest of its lock.
    shared = ROOT / ".dawsos" / "toolchains"
    shared.mkdir(parents=True, exist_ok=True)
    (path / ".dawsos").mkdir()
    (path / ".dawsos" / "toolchains").symlink_to(shared)
    project = Clone(path)
    try:
        project.dawsos("export", check=0)
        with (
            project.running("metrics", "--listen", "0") as listening,
            monitoring.webhook() as hook,
            monitoring.alertmanager(tmp_path / "alertmanager", hook) as manager,
        ):
            assert listening.stdout is not None
            found = re.match(r"metrics +(http://(\S+))/metrics", listening.stdout.readline())
            assert found, "dawsos metrics did not say where it listens"
            scraped = [
                {"job_name": "dawsos", "static_configs": [{"targets": [found[2]]}]},
                {"job_name": "service", "http_sd_configs": [{"url": f"{found[1]}/targets", "refresh_interval": "1s"}]},
            ]
            rules = [path / "deploy" / "alerts" / "rules.yml"]
            with monitoring.prometheus(tmp_path / "prometheus", scraped, rules, manager) as prometheus:
                # The first page of a new project: every counter is there, at 0.
                prometheus.until('ci_pipeline_runs_total{result="failure"} == 0')
                yield Watched(project, prometheus, hook)
    finally:
        left = project.end()
    assert left == [], "down left these processes"


def users_get_errors(project: Clone) -> None:
    """Send thirty requests through the proxy, as users do; each is answered with an error."""
    opener = build_opener(ProxyHandler({}))
    for _ in range(30):
        with pytest.raises(HTTPError, match="500"):
            opener.open(f"{project.status()['url']}/broken", timeout=10)


def test_the_alert_of_a_failed_run_and_of_a_rollback_arrives_and_of_a_healthy_run_none(
    watched: Watched,
) -> None:
    project, prometheus, hook = watched.project, watched.prometheus, watched.hook

    watched.ship("a shop", check=0)
    # It is known to be good: this is a number, and neither NaN nor nothing.
    assert prometheus.value(_FAILURE_RATE) == 0
    assert prometheus.value('sum(rate(http_requests_total{environment="production",status=~"5.."}[1h]))') == 0
    assert (prometheus.value('sum(increase(http_requests_total{environment="production"}[1h]))') or 0) > 20
    assert prometheus.value("canary_rollbacks_total") == 0
    assert prometheus.firing() == set()

    with project.broken():
        project.edit("shop/__main__.py", "BROKEN = False", "BROKEN =")
        watched.ship("a shop that Python cannot read", check=1)
        told = hook.arrived("PipelineFailureRate")
        assert told["labels"]["severity"] == "warning"
        assert told["annotations"]["summary"] == "CI/CD pipeline failure rate > 10%"
        assert told["annotations"]["description"] == "50% of the runs in the last hour failed."
        assert told["annotations"]["runbook_url"] == "docs/runbooks.md#pipelinefailurerate"
        assert prometheus.firing() == {"PipelineFailureRate"}

    with project.broken():
        project.edit("shop/__main__.py", "BROKEN = False", "BROKEN = True")
        watched.ship("a shop that sells nothing", check=4)
        told = hook.arrived("CanaryRollback")
        assert told["labels"]["severity"] == "critical"
        assert told["annotations"]["description"].endswith(" Causes: error_rate")

    # The canary's errors may be seen as well; it lived for seconds, and a rate needs two scrapes of it.
    assert watched.arrived() <= {
        "PipelineFailureRate",
        "CanaryRollback",
        *(f"ErrorBudgetBurn{factor}x" for factor in (14, 6, 3, 1)),
    }


def test_users_who_get_errors_from_the_release_that_serves_are_an_alert(watched: Watched) -> None:
    watched.ship("a shop", check=0)
    assert watched.prometheus.firing() == set()

    def arrived() -> bool:
        users_get_errors(watched.project)
        return bool(watched.hook.alerts("ErrorBudgetBurn14x"))

    wait_for(arrived, 60, "the errors of users are no alert")
    told = watched.hook.arrived("ErrorBudgetBurn14x")
    assert told["labels"]["severity"] == "critical"
    assert (told["labels"]["environment"], told["labels"]["slo"]) == ("production", "error_rate")
    assert told["annotations"]["description"].endswith(" of the requests in the last 1h failed; the SLO allows 1%.")
    assert "CanaryRollback" not in watched.arrived()
    assert not {name for name in watched.arrived() if name.startswith("Latency")}
