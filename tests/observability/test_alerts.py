"""Alerts that should be silent: one that is active is seen, and silence where nobody watches is no pass."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.model.events import CheckResult
from dawsos.observability.alerts import check
from support.observed import Told, checked


def alert(name: str, state: str = "active", **labels: str) -> dict[str, Any]:
    shown = {"alertname": name, "environment": "production", **labels}
    return {"labels": shown, "status": {"state": state}, "startsAt": "2026-11-30T01:00:00Z"}


def prometheus(rules: dict[str, str] | None = None, managers: int = 1) -> Told:
    listed = [
        {"type": "alerting", "name": name, "health": health} for name, health in (rules or {"High": "ok"}).items()
    ]
    pages: dict[str, Any] = {
        "/api/v1/rules": {"groups": [{"rules": [] if rules == {} else listed}]},
        "/api/v1/alertmanagers": {"activeAlertmanagers": [{}] * managers},
    }
    return Told(lambda path, params: {"status": "success", "data": pages[path]})


def found(active: list[Any], at_prometheus: Told | None = None, **settings: Any) -> CheckResult:
    servers = {"alertmanager": Told(lambda path, params: active)}
    named: dict[str, Any] = {"alertmanager": settings, "within": 10.0}
    if at_prometheus is not None:
        servers["prometheus"] = at_prometheus
        named["prometheus"] = {}
    return checked(check, named, servers)


def test_silence_with_rules_that_are_evaluated() -> None:
    said = found([alert("Other", environment="staging")], prometheus())
    assert said == CheckResult(
        "alerts", "pass", "none of 1 active alert; 1 rule evaluated", 'none active of: environment=~"production|"'
    )


def test_an_alert_that_does_not_say_its_environment_counts() -> None:
    """A sum over series has no labels: silence about it would be a guess."""
    assert found([{"labels": {"alertname": "High"}, "status": {"state": "active"}}], prometheus()).result == "fail"


def test_silence_alone_says_that_the_rules_were_not_seen() -> None:
    said = found([])
    assert (said.result, said.measured) == (
        "pass",
        "none of 0 active alerts; whether there are rules was not checked, without prometheus",
    )


@pytest.mark.parametrize(
    ("state", "result"), [("active", "fail"), ("unprocessed", "fail"), ("None", "fail"), ("suppressed", "pass")]
)
def test_an_alert_of_the_environment_fails_unless_somebody_silenced_it(state: str, result: str) -> None:
    said = found([alert("High", state, severity="page")], prometheus())
    assert said.result == result
    if result == "fail":
        assert said.measured == "High (page) since 2026-11-30T01:00:00Z"


@pytest.mark.parametrize(
    ("silent", "name", "result"),
    [
        (["High"], "High", "fail"),
        (["High"], "Watchdog", "pass"),
        (['alertname!="Watchdog"'], "Watchdog", "pass"),
        (['alertname!="Watchdog"'], "Anything", "fail"),
        (['alertname="High", team="bank"'], "High", "pass"),
        (["High", 'team="shop"'], "Anything", "fail"),
    ],
)
def test_what_must_be_silent_is_said_by_matchers(silent: list[str], name: str, result: str) -> None:
    rules = prometheus({"High": "ok", "Watchdog": "ok"})
    assert found([alert(name, team="shop")], rules, silent=silent).result == result


@pytest.mark.parametrize(
    ("rules", "managers", "silent", "measured"),
    [
        ({}, 1, [], "Prometheus has no alerting rule, so silence says nothing"),
        ({"High": "err"}, 1, [], "none of 0 active alerts; the rule High: health err"),
        ({"High": "unknown"}, 1, [], "none of 0 active alerts; the rule High: health unknown"),
        ({"High": "ok"}, 0, [], "Prometheus sends to no Alertmanager, so silence says nothing"),
        ({"High": "ok"}, 1, ["Hihg"], "none of 0 active alerts; no rule is called Hihg"),
    ],
    ids=["no rule", "broken rule", "never evaluated", "no Alertmanager", "no such rule"],
)
def test_silence_where_nobody_watches_is_no_pass(
    rules: dict[str, str], managers: int, silent: list[str], measured: str
) -> None:
    said = found([], prometheus(rules, managers), silent=silent)
    assert said.result == "fail"
    assert said.measured.endswith(measured)


def test_an_answer_that_is_no_list_is_an_error() -> None:
    assert found([1]).result == "error"


def test_many_alerts_are_counted() -> None:
    said = found([alert(f"A{n}") for n in range(5)], prometheus())
    assert said.measured.endswith("A2 since 2026-11-30T01:00:00Z, and 2 more")


def test_without_alertmanager_nothing_is_checked() -> None:
    said = checked(check, {})
    assert (said.result, said.measured) == (
        "not_checked",
        "not configured: environments.production.observability.alertmanager",
    )


def test_what_the_exported_rules_say_is_the_default() -> None:
    servers = {"alertmanager": Told(lambda path, params: [alert("PipelineFailureRate"), alert("Burn")])}
    said = checked(check, {"alertmanager": {}}, servers, silent=("High", "Slow"))
    assert (said.result, said.limit) == ("pass", "none active of: High, Slow")
    named = checked(check, {"alertmanager": {"silent": ["Burn"]}}, servers, silent=("High", "Slow"))
    assert (named.result, named.limit) == ("fail", "none active of: Burn")
