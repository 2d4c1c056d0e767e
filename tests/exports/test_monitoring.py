"""The servers that the tests of exports share do what those tests rely on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.error import HTTPError

import psutil
import pytest

from dawsos.adapters.loopback import is_free
from support import debian, monitoring
from waiting import is_gone, wait_until

pytestmark = pytest.mark.e2e
RULES = {
    "groups": [
        {
            "name": "test",
            "rules": [
                {"alert": "Broken", "expr": "broken > 0", "labels": {"severity": "critical"}},
                {"alert": "Quiet", "expr": "broken > 100"},
            ],
        }
    ]
}


def test_an_alert_goes_from_a_page_by_prometheus_and_alertmanager_to_the_webhook(tmp_path: Path) -> None:
    rules, broken = tmp_path / "rules.yml", 0
    rules.write_text(json.dumps(RULES))
    with monitoring.metrics_page(lambda: f"broken {broken}\n") as page, monitoring.webhook() as hook:
        scrape = {"job_name": "test", "static_configs": [{"targets": [page]}]}
        with (
            monitoring.alertmanager(tmp_path / "alertmanager", hook) as manager,
            monitoring.prometheus(tmp_path / "prometheus", [scrape], [rules], manager) as prometheus,
        ):
            assert prometheus.until("broken")[0][1] == 0
            prometheus.evaluated()
            assert prometheus.alerts() == []
            assert [target["health"] for target in prometheus.targets()] == ["up"]
            assert {rule["name"] for rule in prometheus.rules()} == {"Broken", "Quiet"}
            assert prometheus.value("vector(2) * 3") == 6
            assert prometheus.value("no_such_metric") is None
            with pytest.raises(HTTPError) as refused:
                prometheus.query("sum(")
            assert "parse error" in refused.value.__notes__[0]

            broken = 1
            told = hook.arrived("Broken")

            assert told["labels"]["severity"] == "critical"
            assert prometheus.firing() == {"Broken"}
            assert [alert["labels"]["alertname"] for alert in manager.alerts()] == ["Broken"]
            assert hook.alerts("Quiet") == []
            ports = [int(server.url.rpartition(":")[2]) for server in (prometheus, manager)]
    assert all(is_free(port) for port in ports)


def test_a_configuration_that_prometheus_refuses_fails_with_its_words(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="field no_such_key not found"),
        monitoring.prometheus(tmp_path / "prometheus", [{"job_name": "test", "no_such_key": 1}]),
    ):
        pass


def test_a_test_run_that_is_killed_leaves_no_server(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from support import monitoring
        with monitoring.prometheus(Path({str(tmp_path / "prometheus")!r}), []):
            Path({str(tmp_path / "ready")!r}).touch()
            time.sleep(60)
    """)
    path = os.pathsep.join((str(debian.ROOT / "src"), str(debian.ROOT / "tests")))
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path})
    try:
        wait_until((tmp_path / "ready").exists, within=60)
        servers = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(servers) == 2
    wait_until(lambda: all(is_gone(pid) for pid in servers))


def test_packages_that_cannot_be_had_skip_a_test_on_a_laptop_and_fail_it_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "_CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no apt-get"):
        debian.unpacked("prometheus")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="prometheus: there is no apt-get"):
        debian.unpacked("prometheus")
