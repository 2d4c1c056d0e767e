"""The checks of a Canary.  What their queries say of real series, a real Prometheus shows in ``exports/test_flagger_queries.py``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dawsos.exporters.flagger_metrics import CANARY, Check, checks, interval, success_rate
from dawsos.importers.flagger_metrics import BUILT_INS
from dawsos.model.exports import FlaggerOptions
from dawsos.model.policy import CrashLoop
from dawsos.runs.project import load

DAWSOS = load(Path(__file__).resolve().parents[2])
POLICY = DAWSOS.policy()


def by_name(**options: object) -> dict[str, Check]:
    return {check.name: check for check in checks(POLICY, DAWSOS.service, FlaggerOptions.model_validate(options))}


@pytest.mark.parametrize(
    ("pod", "is_canary"),
    [
        ("shop-7c9f8b6d5c-x2vqz", True),
        ("shop-59d8c6b-pzk4t", True),
        ("shop-primary-7c9f8b6d5c-x2vqz", False),
        ("shop-nightly-x2vqz", False),
        ("shop-0", False),
        ("workshop-7c9f8b6d5c-x2vqz", False),
    ],
)
def test_the_pods_are_those_of_the_canary(pod: str, *, is_canary: bool) -> None:
    (pattern,) = re.findall(r'pod=~"([^"]*)"', CANARY)
    assert bool(re.fullmatch(pattern.replace("{{ target }}", "shop"), pod)) is is_canary


def test_no_template_has_a_name_that_is_built_in_and_no_query_has_a_comment_or_hides_missing_series() -> None:
    found = by_name()
    assert not found.keys() & set(BUILT_INS)
    for check in found.values():
        assert check.query
        assert check.needs
        assert "#" not in check.query
        assert "vector(" not in check.query
        assert re.match(r"(sum\(|max\(|min\(|100 \*|1000 \* histogram_quantile)", check.query), "one series, not many"


def test_every_series_is_of_the_canary() -> None:
    for found in (by_name(), by_name(restarts="kube-state-metrics")):
        for check in found.values():
            selectors = re.findall(
                r"\w+(?:_total|_bucket|_seconds|up)?\{(?!\{)([^}]*\}\}[^}]*\}\}[^}]*)\}", check.query
            )
            assert selectors, check.query
            assert all('namespace="{{ namespace }}",pod=~"{{ target }}-' in selector for selector in selectors)


def test_probes_are_no_users() -> None:
    pages = [f'{label}!~"/health|/health/ready|/metrics"' for label in ("endpoint", "exported_endpoint")]
    found = by_name()
    for name in ("canary-requests", "success-rate", "request-duration-p95"):
        assert all(page in found[name].query for page in pages), name
    assert 'route!~"' in by_name(route_label="route")["success-rate"].query
    assert "!~" not in by_name(route_label=None)["canary-requests"].query


def test_the_pages_of_probes_are_texts_and_no_patterns() -> None:
    service = DAWSOS.service.model_copy(update={"health": "/health.v1"})
    (requests,) = [one for one in checks(POLICY, service, FlaggerOptions()) if one.name == "canary-requests"]
    assert r'endpoint!~"/health\\.v1|/health/ready|/metrics"' in requests.query


def test_a_page_ends_no_text_of_the_query() -> None:
    health = '/"} or vector(0) #'
    service = DAWSOS.service.model_copy(update={"health": health})
    (requests,) = [one for one in checks(POLICY, service, FlaggerOptions()) if one.name == "canary-requests"]
    text = r'"(?:[^"\\]|\\.)*"'
    found = re.findall(rf",endpoint!~({text}),exported_endpoint!~{text}}}", requests.query)
    assert found
    assert all(re.fullmatch(json.loads(pages), health) for pages in found)


def test_the_limits_are_those_of_the_policy() -> None:
    limits = {name: (check.least, check.most, check.window) for name, check in by_name().items()}
    assert limits == {
        "canary-scraped": (0.5, None, 60),
        "canary-requests": (20, None, 60),
        "success-rate": (99.5, None, 60),
        "request-duration-p95": (None, 1200, 60),
        # As long as the longest analysis: six weights, four failed checks, and the tick of the rollback.
        "pricing-pack-build-failures": (None, 0, 720),
        "canary-restarts": (None, 2, 300),
    }
    assert success_rate(POLICY.model_copy(update={"error_rate": 0.0005})) == 99.95


def test_a_crash_loop_is_told_by_whom_one_has() -> None:
    assert "process_start_time_seconds" in by_name()["canary-restarts"].query
    assert "kube_pod_container_status_restarts_total" in by_name(restarts="kube-state-metrics")["canary-restarts"].query
    assert "canary-restarts" not in by_name(restarts="off")
    loop = POLICY.model_copy(update={"crash_loop": CrashLoop(restarts=5, window=600.0)})
    (last,) = [one for one in checks(loop, DAWSOS.service, FlaggerOptions()) if one.name == "canary-restarts"]
    assert (last.most, last.window) == (4, 600)


@pytest.mark.parametrize(("seconds", "ticks"), [(1.0, 10), (10.0, 10), (12.5, 13), (60.0, 60)])
def test_the_interval_is_whole_seconds_and_never_below_ten(seconds: float, ticks: int) -> None:
    assert interval(POLICY.model_copy(update={"check_interval": seconds})) == ticks
