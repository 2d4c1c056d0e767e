"""``dawsos verify`` with the real servers: a Prometheus, an Alertmanager, a Jaeger, a shop that is observed by them.

Each that lacks what it should have is seen, and nothing else is.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.model.events import CheckResult
from dawsos.model.observability import Observability
from dawsos.observability.answers import Span, spans
from dawsos.observability.asking import Question
from dawsos.observability.checks import observe
from e2e.clone import ROOT, Clone, git
from observability.test_dashboards import board, panel
from support.jaeger import jaeger
from support.monitoring import Alertmanager, Prometheus, alertmanager, get, metrics_page, prometheus, wait_for, webhook
from support.observed import COMMIT, RELEASE, SERVING

pytestmark = pytest.mark.e2e

RULE = {"alert": "Slow", "expr": "slow > 0", "labels": {"severity": "page", "environment": "production"}}


@dataclass
class Shop:
    """What two replicas of a release tell Prometheus; ``slow`` lets an alert fire."""

    slow: int = 0

    def page(self) -> str:
        return f'http_requests_total{{status="200"}} 1\nslow {self.slow}\n'


@contextmanager
def watched(folder: Path, shop: Shop) -> Iterator[tuple[Prometheus, Alertmanager]]:
    """Run a Prometheus that scrapes both replicas with the labels of ``dawsos metrics --listen``, and an Alertmanager."""
    with ExitStack() as stack:
        pages = [stack.enter_context(metrics_page(shop.page)) for _ in range(2)]
        labels = {"environment": "production", "deployment": "shop-stable", "release": RELEASE}
        scrape = {"job_name": "shop", "static_configs": [{"targets": pages, "labels": labels}]}
        (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "shop", "rules": [RULE]}]}))
        manager = stack.enter_context(alertmanager(folder / "am", stack.enter_context(webhook())))
        server = stack.enter_context(prometheus(folder / "prometheus", [scrape], [folder / "rules.yml"], manager))
        yield server, manager


def checks(
    settings: Mapping[str, Any], within: float, dashboards: Mapping[str, str] | None = None, release: str = RELEASE
) -> dict[str, CheckResult]:
    wanted = Observability.model_validate({**settings, "within": within})
    question = Question(SystemClock(), dashboards=dict(dashboards or {}))
    serving = replace(SERVING, release=release)
    return {one.name: one for one in asyncio.run(observe(serving, wanted, question))}


def test_a_real_prometheus_and_alertmanager_are_asked(tmp_path: Path) -> None:
    shop = Shop()
    good = {"shop.json": board(panel('sum(http_requests_total{environment="$environment"})', "slow"))}
    with watched(tmp_path, shop) as (server, manager):
        settings = {"prometheus": {"url": server.url}, "alertmanager": {"url": manager.url, "silent": ["Slow"]}}
        found = checks(settings, 20.0, good)
        assert {name: one.result for name, one in found.items()} == {
            "metrics at Prometheus": "pass", "trace": "not_checked", "alerts": "pass", "dashboards": "pass",
        }, found  # fmt: skip
        assert found["metrics at Prometheus"].measured.startswith("2 of 2 replicas, the newest ")
        assert found["alerts"].measured == "none of 0 active alerts; 1 rule evaluated"
        assert found["dashboards"].measured == "2 of 2 queries with data"

        # Another release serves than the one that is scraped; an alert fires; a query is for nothing, another is none.
        shop.slow = 1
        wait_for(manager.alerts, 20.0, "Alertmanager has no alert")
        bad = {"shop.json": board(panel("slow", "fast", "0/0*slow", "sum("))}
        found = checks(settings, 1.0, bad, "f" * 64)
        assert {name: one.result for name, one in found.items() if name != "trace"} == {
            "metrics at Prometheus": "fail", "alerts": "fail", "dashboards": "fail",
        }, found  # fmt: skip
        assert found["metrics at Prometheus"].measured == "0 of 2 replicas"
        assert found["alerts"].measured.startswith("Slow (page) since 20")
        told = found["dashboards"].measured
        assert told.startswith(
            "1 of 4 queries with data; Shop, Errors: no series, Shop, Errors: no number, Shop, Errors: "
        )
        assert "status 400" in told
    gone = checks(settings, 0.5, good)
    assert {one.result for name, one in gone.items() if name != "trace"} == {"error"}


def test_silence_of_a_prometheus_without_rules_is_no_pass(tmp_path: Path) -> None:
    with ExitStack() as stack:
        manager = stack.enter_context(alertmanager(tmp_path / "am", stack.enter_context(webhook())))
        server = stack.enter_context(prometheus(tmp_path / "prometheus", []))
        settings = {"prometheus": {"url": server.url}, "alertmanager": {"url": manager.url}}
        found = checks(settings, 0.5)["alerts"]
    assert found.result == "fail"
    assert found.measured == "none of 0 active alerts; Prometheus has no alerting rule, so silence says nothing"


@dataclass
class Project:
    """The tiny project ``observed``, shipped by the real command line, with the servers that observe it."""

    clone: Clone
    prometheus: Prometheus
    alertmanager: Alertmanager

    def fire(self, name: str, ends: float = 3600.0, **labels: str) -> None:
        """Tell Alertmanager that an alert fires, for so many seconds from now."""
        now = datetime.now(UTC)
        until = (now + timedelta(seconds=ends)).isoformat()
        alert = {
            "labels": {"alertname": name, **labels},
            "startsAt": (now - timedelta(minutes=1)).isoformat(),
            "endsAt": until,
        }
        post(f"{self.alertmanager.url}/api/v2/alerts", [alert])

    def verify(self) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the exit code of ``dawsos verify`` and its checks by their names."""
        said = self.clone.dawsos("verify", "--json")
        return said.code, {check["name"]: check for check in said.json()["checks"]}


_BUILDING = ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")


@contextmanager
def observed(folder: Path) -> Iterator[Project]:
    path = folder / "observed"
    shutil.copytree(ROOT / "tests" / "pipelines" / "observed", path)
    locks = (ROOT / "requirements" / "dev.txt").read_text()
    locked = [re.search(rf"^{package}==.*?(?=^\S|\Z)", locks, re.MULTILINE | re.DOTALL) for package in _BUILDING]
    (path / "tools.txt").write_text("".join(one.group() for one in locked if one))
    git(folder, "init", "--quiet", "--initial-branch=main", str(path))
    clone = Clone(path)
    (path / ".dawsos").mkdir()
    (path / ".dawsos" / "toolchains").symlink_to(ROOT / ".dawsos" / "toolchains")
    clone.dawsos("export", check=0)
    with ExitStack() as stack:
        # Its processes end before the servers to which they send.
        manager = stack.enter_context(alertmanager(folder / "am", stack.enter_context(webhook())))
        traces = stack.enter_context(jaeger(folder / "jaeger"))
        stack.callback(lambda: clone.end() and pytest.fail("processes were left"))
        port = stack.enter_context(listening(clone))
        scrape = [
            {"job_name": "dawsos", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
            {"job_name": "shop", "http_sd_configs": [{"url": f"http://127.0.0.1:{port}/targets", "refresh_interval": "1s"}]},
        ]  # fmt: skip
        rules = [path / "deploy" / "alerts" / "rules.yml"]
        server = stack.enter_context(prometheus(folder / "prometheus", scrape, rules, manager))
        addresses = {
            "otlp": traces.otlp, "prometheus": server.url, "jaeger": traces.url, "alertmanager": manager.url,
        }  # fmt: skip
        for name, url in addresses.items():
            clone.edit("pipeline.yaml", f"http://{name}.invalid", url)
        clone.commit("the shop, observed")
        yield Project(clone, server, manager)


@contextmanager
def listening(clone: Clone) -> Iterator[int]:
    """Run ``dawsos metrics --listen`` in the block and yield its port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    with clone.running("metrics", "--listen", str(port)):
        page = f"http://127.0.0.1:{port}/targets"

        def there() -> bool:
            try:
                return get(page) is not None
            except OSError:
                return False

        wait_for(there, 60.0, f"{page} was not there")
        yield port


OBSERVED = ("metrics at Prometheus", "trace", "alerts", "dashboards")


def results(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: found[name]["result"] for name in OBSERVED}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_shop_that_is_observed_is_shipped_and_what_it_lacks_is_seen(tmp_path: Path) -> None:
    well = dict.fromkeys(OBSERVED, "pass")
    with observed(tmp_path) as project:
        clone = project.clone
        shipped = clone.dawsos("ship")
        assert shipped.code == 0, shipped.text
        told = {check["name"]: check for check in clone.show()["verified"]}
        assert results(told) == well, told
        code, found = project.verify()
        assert (code, {check["result"] for check in found.values()}) == (0, {"pass"}), found
        assert found["trace"]["measured"].startswith("1 span of shop after ")

        # An alert about the service: Alertmanager is told of it as Prometheus would.
        project.fire("ErrorBudgetBurn14x", severity="critical")
        code, found = project.verify()
        assert (code, results(found)) == (1, {**well, "alerts": "fail"}), found
        assert found["alerts"]["measured"].startswith("ErrorBudgetBurn14x (critical) since 20")
        project.fire("ErrorBudgetBurn14x", ends=0.0, severity="critical")

        # A release that sends no traces serves as well as any, and is promoted.
        clone.edit("shop/__init__.py", "if not COLLECTOR or", "if COLLECTOR or")
        clone.commit("the spans are lost")
        blind = clone.dawsos("ship")
        assert blind.code == 1, blind.text
        assert "trace: fail, no span, the request was answered with 200" in blind.text
        assert results({check["name"]: check for check in clone.show()["verified"]}) == {**well, "trace": "fail"}

        # Nobody scrapes the shop any more.
        config = json.loads(project.prometheus.config.read_text())
        config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] != "shop"]
        project.prometheus.config.write_text(json.dumps(config))
        project.prometheus.reload()
        # It goes on to answer with the last samples, for five minutes.
        project.prometheus.until("time() - max(timestamp(http_requests_total)) > 20", 60.0)
        code, found = project.verify()
        assert (code, found["metrics at Prometheus"]["result"], found["trace"]["result"]) == (1, "fail", "fail"), found
        assert found["metrics at Prometheus"]["measured"] == "0 of 2 replicas; 2 with older samples"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_real_jaeger_is_read_in_both_of_its_forms(tmp_path: Path) -> None:
    """The newer one is OTLP in JSON, in which Tempo answers as well."""
    trace = secrets.token_hex(16)
    at = str(time.time_ns())
    attributes = [
        {"key": "service.name", "value": {"stringValue": "shop"}},
        {"key": "service.version", "value": {"stringValue": COMMIT}},
    ]
    span = {"traceId": trace, "spanId": "1" * 16, "name": "GET", "startTimeUnixNano": at, "endTimeUnixNano": at}
    sent = {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [span]}]}]}
    with jaeger(tmp_path) as store:
        post(f"{store.otlp}/v1/traces", sent)
        assert spans("jaeger", get(f"{store.url}/api/traces/{trace}"), trace) == [Span("shop", COMMIT)]
        assert spans("tempo", get(f"{store.url}/api/v3/traces/{trace}")["result"], trace) == [Span("shop", COMMIT)]


def post(url: str, document: Any) -> None:
    content, kind = json.dumps(document).encode(), {"Content-Type": "application/json"}
    request = Request(url, content, kind)  # noqa: S310 - a server that the test started
    with build_opener(ProxyHandler({})).open(request, timeout=10):
        pass
