"""The servers that observe an environment: addresses without credentials, matchers as Alertmanager writes them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.model.environment import EnvironmentChanges, EnvironmentSettings
from dawsos.model.observability import (
    AlertServer,
    Matcher,
    MetricsServer,
    Observability,
    ObservabilityServer,
    TraceServer,
    matchers,
)

HERE = "http://127.0.0.1:9090"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://prometheus.example.org/", "https://prometheus.example.org"),
        ("https://example.org/prometheus/", "https://example.org/prometheus"),
        ("http://127.0.0.1:{SCRAPER_PORT}", "http://127.0.0.1:{SCRAPER_PORT}"),
    ],
)
def test_an_address_is_kept_without_its_last_slash(url: str, kept: str) -> None:
    assert ObservabilityServer(url=url).url == kept


@pytest.mark.parametrize(
    "url",
    ["prometheus.example.org", "ftp://example.org", "https://", "https://ada:secret@example.org", "https://example.org/?key=a",
     "https://example.org/#a", "https://example.org/a b"],
)  # fmt: skip
def test_an_address_has_no_credentials_and_no_query(url: str) -> None:
    with pytest.raises(ValidationError, match="is not the address of a server"):
        ObservabilityServer(url=url)


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://example.org", False), (HERE, False), ("http://localhost", False), ("http://[::1]:9090", False),
        ("http://127.0.0.1:{SCRAPER_PORT}", False), ("http://prometheus:9090", True), ("http://localhost.example.org", True),
        ("http://127.0.0.1.example.org", True),
    ],
)  # fmt: skip
def test_a_token_leaves_this_machine_by_https_only(url: str, refused: bool) -> None:
    ObservabilityServer(url=url)
    if refused:
        with pytest.raises(ValidationError, match="would be readable on its way"):
            ObservabilityServer(url=url, token="TOKEN")
    else:
        assert ObservabilityServer(url=url, token="TOKEN").token == "TOKEN"


def test_a_token_is_the_name_of_a_variable() -> None:
    with pytest.raises(ValidationError, match="pattern"):
        ObservabilityServer(url=HERE, token="eyJhbGciOi.J9")


@pytest.mark.parametrize(
    ("series", "problem"),
    [
        ('http_requests_total{release="{release}"}', ""),
        ('app:requests{version=~"{commit}.*",namespace="{environment}"}', ""),
        ('up{environment="{environment}"}', "would find any version"),
        ('sum(http_requests_total{release="{release}"})', "is not a metric with its labels"),
        ("http_requests_total", "is not a metric with its labels"),
        ('http_requests_total{release="{relase}"}', "is not a metric with its labels"),
    ],
)
def test_the_series_finds_one_version(series: str, problem: str) -> None:
    if not problem:
        assert MetricsServer(url=HERE, series=series).series == series
        return
    with pytest.raises(ValidationError, match=problem):
        MetricsServer(url=HERE, series=series)


def test_the_default_series_is_a_series() -> None:
    default = MetricsServer(url=HERE).series
    assert MetricsServer(url=HERE, series=default).series == default


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("HighErrorRate", [Matcher("alertname", "=", "HighErrorRate")]),
        ('alertname!="Watchdog"', [Matcher("alertname", "!=", "Watchdog")]),
        ('{team = "shop", severity=~"page|critical"}', [Matcher("team", "=", "shop"), Matcher("severity", "=~", "page|critical")]),
        (r'summary="a \"b\", c"', [Matcher("summary", "=", 'a "b", c')]),
    ],
)  # fmt: skip
def test_matchers_are_read_as_alertmanager_writes_them(text: str, found: list[Matcher]) -> None:
    assert list(matchers(text)) == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a matcher"), ("{}", "not a matcher"), ("High Error", "not a matcher"), ('a="b" c="d"', "not a matcher"),
        ("a=b", "not a matcher"), ('a="b', "not a matcher"), ('a=~"("', "not a regular expression"),
    ],
)  # fmt: skip
def test_what_is_no_matcher_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        AlertServer(url=HERE, silent=(text,))


@pytest.mark.parametrize(
    ("operator", "value", "labels", "met"),
    [
        ("=", "shop", {"team": "shop"}, True),
        ("=", "shop", {"team": "shops"}, False),
        ("!=", "shop", {"team": "shop"}, False),
        ("!=", "shop", {}, True),
        ("=~", "sh.p", {"team": "shop"}, True),
        ("=~", "sh", {"team": "shop"}, False),
        ("!~", "sh.*", {"team": "shop"}, False),
        ("!~", "sh.*", {"team": "bank"}, True),
        ("=", "", {}, True),
    ],
)
def test_a_matcher_looks_at_one_label(operator: str, value: str, labels: dict[str, str], met: bool) -> None:
    assert Matcher("team", operator, value).matches(labels) is met


@pytest.mark.parametrize("path", ["/etc/passwd", "../board.json", "a//b.json", ""])
def test_dashboards_are_files_of_the_project(path: str) -> None:
    with pytest.raises(ValidationError, match="is not a path below the project"):
        Observability(dashboards=(path,))


def test_the_tokens_and_servers_that_are_named() -> None:
    everything: dict[str, Any] = {
        "prometheus": MetricsServer(url=HERE, token="A"), "traces": TraceServer(url=HERE),
        "alertmanager": AlertServer(url=HERE, token="A"),
    }  # fmt: skip
    assert (Observability().servers(), Observability().tokens) == ({}, ())
    assert Observability(**everything).servers() == everything
    assert Observability(**everything).tokens == ("A",)


def test_a_profile_replaces_it_whole_and_no_release_depends_on_it() -> None:
    watched = EnvironmentSettings(observability=Observability(prometheus=MetricsServer(url=HERE)))
    assert watched.changed_by(EnvironmentChanges()) == watched
    nobody = watched.changed_by(EnvironmentChanges(observability=Observability()))
    assert nobody.observability == Observability()
    assert watched != nobody
    assert watched.for_releases == nobody.for_releases
