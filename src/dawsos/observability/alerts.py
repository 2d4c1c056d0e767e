"""Alerts that should be silent, at Alertmanager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dawsos.model.events import CheckResult
from dawsos.model.observability import matchers
from dawsos.observability.answers import active_alertmanagers, alerting_rules, alerts, told
from dawsos.observability.asking import Asking, counted, some

NAME = "alerts"


async def check(asking: Asking) -> CheckResult:
    """Return whether no alert is active that meets one of ``silent``, and whether that says anything."""
    settings = asking.settings.alertmanager
    silent = (settings.silent if settings else ()) or asking.question.silent or (_own(asking.serving.environment),)
    limit = f"none active of: {some(silent)}"
    if settings is None:
        return asking.not_checked(NAME, "alertmanager", limit)

    async def look() -> tuple[bool, str]:
        every = alerts(await asking.servers["alertmanager"].ask("/api/v2/alerts"))
        # One that was silenced or inhibited was seen by somebody; one that was not processed yet fires.
        active = [alert for alert in every if alert.state != "suppressed"]
        wrong = [alert for alert in active if any(_meets(alert.labels, one) for one in silent)]
        if wrong:
            return False, some([f"{alert.name} since {told(alert.since)}" for alert in wrong])
        rules = await _rules(asking, silent)
        count = f"none of {counted(len(active), 'active alert')}"
        return rules[0], f"{count}; {rules[1]}"

    return await asking.until(NAME, limit, look)


def _own(environment: str) -> str:
    """Return the matcher of alerts that are about the environment, or do not say about which: a sum over series has no labels."""
    return f'environment=~"{environment}|"'


def _meets(labels: Mapping[str, str], text: str) -> bool:
    return all(matcher.matches(labels) for matcher in matchers(text))


async def _rules(asking: Asking, silent: Sequence[str]) -> tuple[bool, str]:
    """Return whether silence says anything: rules are there and evaluated, and Prometheus sends to an Alertmanager."""
    if asking.settings.prometheus is None:
        return True, "whether there are rules was not checked, without prometheus"
    server = asking.servers["prometheus"]
    rules = alerting_rules(await server.ask("/api/v1/rules"))
    broken = [f"the rule {told(rule.name)}: {told(rule.problem)}" for rule in rules if rule.problem]
    named = {one.value for text in silent for one in matchers(text) if (one.label, one.operator) == ("alertname", "=")}
    unknown = sorted(named - {rule.name for rule in rules})
    if not rules:
        return False, "Prometheus has no alerting rule, so silence says nothing"
    if broken or unknown:
        return False, some([*broken, *(f"no rule is called {name}" for name in unknown)])
    if not active_alertmanagers(await server.ask("/api/v1/alertmanagers")):
        return False, "Prometheus sends to no Alertmanager, so silence says nothing"
    return True, f"{counted(len(rules), 'rule')} evaluated"
