"""Verification after a deployment: each check can fail, and says what it measured against what."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions import verification as verify
from dawsos.actions.verification import verify_deployment
from dawsos.errors import BadInput, InfrastructureError
from dawsos.exporters.registry import EXPORTERS
from dawsos.model.events import CheckResult
from dawsos.model.exports import AlertsOptions, Exports, GrafanaOptions
from dawsos.model.observability import Observability, matchers
from dawsos.observability.asking import Question, Serving
from support.paper import URL, Paper
from support.world import COMMIT

WELL: dict[str, dict[str, Any]] = {
    "/health": {"status_code": 200, "body": {"status": "healthy", "version": COMMIT}},
    "/metrics": {"status_code": 200, "body": "# TYPE http_requests_total counter\nhttp_requests_total 1\n"},
    "/latest/7": {"status_code": 200, "body": {}},
}

OBSERVED = ("metrics at Prometheus", "trace", "alerts", "dashboards")


def look(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, pages: dict[str, dict[str, Any]] | None = None
) -> dict[str, tuple[str, str, str]]:
    """Return name -> (result, measured, limit) where the service answers ``pages``."""
    asked: dict[str, str] = {}

    async def get(url: str, *, token: str = "") -> dict[str, Any]:
        asked[url.removeprefix(URL)] = token
        nothing: dict[str, Any] = {"status_code": None, "body": None, "headers": {}, "error": "ConnectError: refused"}
        return {**nothing, **{**WELL, **(pages or {})}.get(url.removeprefix(URL), {})}

    monkeypatch.setattr(verify, "get", get)
    found = asyncio.run(
        verify_deployment(
            paper.tools, paper.pipeline, ("production", ""), paper.project.home / "verify", paper.project.root
        )
    )
    assert not any(token for page, token in asked.items() if not page.startswith("/latest"))
    observed = found[-4:]
    assert [(check.name, check.result) for check in observed] == [(name, "not_checked") for name in OBSERVED]
    return {check.name: (check.result, check.measured, check.limit) for check in found[:-4]}


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    made = Paper(tmp_path / "project", {"metrics": "/metrics"})
    made.serve(made.release())
    return made


def test_a_service_that_is_well(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(paper, monkeypatch) == {
        "health": ("pass", "200 healthy", "200 healthy"),
        "version": ("pass", COMMIT, COMMIT),
        "metrics": ("pass", "http_requests_total", "http_requests_total"),
    }


@pytest.mark.parametrize(
    ("page", "answer", "wrong"),
    [
        ("/health", {"status_code": 503, "body": {"status": "degraded", "version": COMMIT}}, {"health": "503 degraded"}),
        ("/health", {"status_code": 200, "body": {"status": "healthy", "version": "b0" * 20}}, {"version": "b0" * 20}),
        ("/health", {"status_code": 200, "body": "fine"}, {"health": "200 ConnectError: refused", "version": ""}),
        ("/metrics", {"status_code": 404, "body": ""}, {"metrics": "status 404"}),
        ("/metrics", {"status_code": 200, "body": "up 1"}, {"metrics": "200 without http_requests_total"}),
    ],
    ids=["degraded", "another version", "no JSON", "no metrics page", "no request counter"],
)  # fmt: skip
def test_what_is_wrong_is_found_and_nothing_else(
    page: str, answer: dict[str, Any], wrong: dict[str, str], paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look(paper, monkeypatch, {page: answer})
    assert {name: measured for name, (result, measured, _) in found.items() if result != "pass"} == wrong


def test_a_service_that_does_not_answer_at_all(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = {"status_code": None, "body": None}
    found = look(paper, monkeypatch, {"/health": gone, "/metrics": gone})
    assert {result for result, _, _ in found.values()} == {"fail"}
    assert found["health"][1] == "None ConnectError: refused"


def test_the_latest_page_and_the_service_s_own_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = {
        "latest": "/latest/7", "seed": "echo '{}'", "token": "echo key-of-ada",
        "verify": [{"name": "report", "run": "sh -c 'exit $CODE'", "env": {"CODE": "3"}}, {"name": "idle", "run": "true"}],
    }  # fmt: skip
    paper = Paper(tmp_path / "project", service)
    paper.serve(paper.release())
    found = look(paper, monkeypatch)
    assert found["/latest/7"] == ("pass", "200", "200")
    assert (found["report"], found["idle"]) == (("fail", "exit 3", "exit 0"), ("pass", "exit 0", "exit 0"))
    stale = {"status_code": 200, "headers": {"x-pricing-pack-stale": "true"}}
    assert look(paper, monkeypatch, {"/latest/7": stale})["/latest/7"] == ("fail", "200 stale", "200")
    assert look(paper, monkeypatch, {"/latest/7": {"status_code": 401}})["/latest/7"] == ("fail", "401", "200")


def test_a_page_that_is_stale_while_newer_data_is_made_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after midnight: the service's own check first waits for the night, and a night that begins then is waited for."""
    ready = tmp_path / "ready"
    service = {
        "latest": "/latest/7", "seed": "echo '{}'", "token": "echo key-of-ada",
        "verify": [{"name": "report", "run": f"touch {ready}"}],
    }  # fmt: skip
    paper = Paper(tmp_path / "project", service)
    paper.serve(paper.release())
    asked: list[float] = []

    async def get(url: str, *, token: str = "") -> dict[str, Any]:
        path, headers = url.removeprefix(URL), {}
        if path == "/latest/7":
            assert ready.exists()
            asked.append(paper.clock.monotonic())
            headers = {} if len(asked) > 3 else {"x-pricing-pack-stale": "true"}
        return {"error": "", "headers": headers, **WELL[path]}

    monkeypatch.setattr(verify, "get", get)
    found = asyncio.run(
        verify_deployment(paper.tools, paper.pipeline, ("production", ""), tmp_path / "verify", tmp_path)
    )
    assert {check.name: check.measured for check in found}["/latest/7"] == "200"
    assert asked[-1] - asked[0] == 3


def test_where_nothing_serves_there_is_nothing_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper(tmp_path / "project")
    with pytest.raises(InfrastructureError, match="no release serves production"):
        asyncio.run(verify_deployment(paper.tools, paper.pipeline, ("production", ""), tmp_path / "verify", tmp_path))


def test_a_ship_keeps_what_its_checks_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper(tmp_path / "project", {"verify": [{"name": "report", "run": "echo as usual"}]})
    paper.serve(paper.release())
    session = paper.session()

    async def get(url: str, *, token: str = "") -> dict[str, Any]:
        return {"error": "", "headers": {}, **WELL[url.removeprefix(URL)]}

    monkeypatch.setattr(verify, "get", get)
    logs = paper.project.run_folder(session.id) / "verify"
    found = asyncio.run(verify_deployment(paper.tools, paper.pipeline, ("production", ""), logs, paper.project.root))
    assert [check.result for check in found] == ["pass"] * 4 + ["not_checked"] * 4
    assert (logs / "report.log").read_text() == "as usual\n"


def observing(paper: Paper, settings: dict[str, Any], exports: Exports | None = None) -> None:
    """Let production be observed as ``settings`` say."""
    changes = {"observability": Observability.model_validate(settings)}
    production = paper.pipeline.environment("production").model_copy(update=changes)
    changed = {
        "environments": {**paper.pipeline.environments, "production": production},
        "exports": exports or Exports(),
    }
    paper.pipeline = paper.pipeline.model_copy(update=changed)


def handed_over(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, measured: str = "seen"
) -> tuple[Serving, Question, CheckResult]:
    """Return what the checks of observability are given, and what becomes of their result."""
    given: list[tuple[Serving, Question]] = []

    async def observe(serving: Serving, _settings: Observability, question: Question) -> list[CheckResult]:
        given.append((serving, question))
        return [CheckResult("trace", "fail", measured, "a span")]

    async def get(url: str, *, token: str = "") -> dict[str, Any]:
        return {"error": "", "headers": {}, **WELL[url.removeprefix(URL)]}

    monkeypatch.setattr(verify, "observe", observe)
    monkeypatch.setattr(verify, "get", get)
    logs = paper.project.home / "verify"
    found = asyncio.run(verify_deployment(paper.tools, paper.pipeline, ("production", ""), logs, paper.project.root))
    return *given[0], found[-1]


def test_what_serves_is_what_is_observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Paper(tmp_path / "project", {"workers": [{"name": "queue", "command": "q", "ports": ["QUEUE_PORT"]}]})
    release = paper.release()
    paper.serve(release)
    serving, question, _ = handed_over(paper, monkeypatch)
    assert serving == Serving("production", URL, release.digest, COMMIT, "tiny-stable", 1, "/health")
    assert "QUEUE_PORT" in question.variables
    assert (question.tokens, question.dashboards, question.silent) == ({}, {}, ())


def test_a_token_is_handed_over_and_never_shown(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    observing(paper, {"traces": {"url": "https://jaeger.example.org", "token": "TRACES_TOKEN"}})
    with pytest.raises(BadInput, match=r"environments\.production\.observability: TRACES_TOKEN is not set"):
        handed_over(paper, monkeypatch)
    monkeypatch.setenv("TRACES_TOKEN", "line one\nline two")
    with pytest.raises(BadInput, match="holds no bearer token"):
        handed_over(paper, monkeypatch)
    monkeypatch.setenv("TRACES_TOKEN", "very-secret")
    _, question, result = handed_over(paper, monkeypatch, "the server says very-secret")
    assert question.tokens == {"TRACES_TOKEN": "very-secret"}
    assert result.measured == "the server says ***"


def test_dashboards_are_files_or_those_of_the_export(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    (paper.project.root / "board.json").write_text("{}")
    exports = Exports(grafana=GrafanaOptions())
    observing(paper, {"dashboards": ["board.json", "gone.json"]}, exports)
    assert handed_over(paper, monkeypatch)[1].dashboards == {"board.json": "{}", "gone.json": None}
    observing(paper, {}, exports)
    made = EXPORTERS["grafana"].render(paper.pipeline, GrafanaOptions())
    assert handed_over(paper, monkeypatch)[1].dashboards == made
    assert made


def test_alerts_about_the_service_must_be_silent_and_not_those_about_the_pipeline(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    observing(paper, {}, Exports(alerts=AlertsOptions(labels={"team": 'a "b"'})))
    silent = handed_over(paper, monkeypatch)[1].silent
    assert 'alertname="ErrorBudgetBurn14x", team="a \\"b\\""' in silent
    assert not [one for one in silent if "Canary" in one or "Pipeline" in one or "SloTrafficLow" in one]
    # Each can be read, and the export has a rule of that name.
    rules = EXPORTERS["alerts"].render(paper.pipeline, AlertsOptions())["deploy/alerts/rules.yml"]
    for one in silent:
        assert f"alert: {matchers(one)[0].value}\n" in rules


def test_what_a_service_does_not_declare_is_never_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Paper(tmp_path / "plain", {"healthy": "any", "version": "none"})
    plain.serve(plain.release())
    found = look(
        plain, monkeypatch, {"/health": {"status_code": 200, "body": "fine"}, "/metrics": {"status_code": 404}}
    )
    results = {name: found[name][0] for name in ("health", "version", "metrics")}
    assert results == {"health": "pass", "version": "not_checked", "metrics": "not_checked"}
    assert not any(result == "fail" for result, _, _ in found.values())
