"""What a release says of itself, in every form in which services say it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from dawsos.model.events import CheckResult
from dawsos.model.service import Service
from dawsos.platforms.pages import health_check, metrics_check, pages_of, version_check

SHA = "c0ffee" * 6 + "abcd"
NOTHING: dict[str, Any] = {"status_code": None, "body": None, "headers": {}, "error": "cannot connect"}


def service(**keys: Any) -> Service:
    return Service.model_validate({"project": ".", "build": {}, "command": "x", **keys})


def checks(of: Service, answers: Mapping[str, Mapping[str, Any]]) -> dict[str, CheckResult]:
    async def ask(page: str) -> Mapping[str, Any]:
        return {**NOTHING, **answers.get(page, {})}

    async def look() -> list[CheckResult]:
        said = await pages_of(of, ask)
        return [health_check(of, said), version_check(of, said, SHA), await metrics_check(of, ask)]

    return {one.name: one for one in asyncio.run(look())}


def well(body: Any, **headers: str) -> dict[str, Any]:
    return {"status_code": 200, "body": body, "headers": headers, "error": ""}


@pytest.mark.parametrize(
    ("keys", "body", "result"),
    [
        ({}, {"status": "healthy"}, "pass"),
        ({}, '{"status": "healthy"}', "pass"),
        ({}, {"status": "degraded"}, "fail"),
        ({}, "OK", "fail"),
        ({}, '{"status": "healthy"', "fail"),
        ({"healthy": "UP"}, {"status": "UP"}, "pass"),
        ({"healthy": "UP"}, {"status": "DOWN"}, "fail"),
        ({"healthy": "any"}, "OK", "pass"),
        ({"healthy": "any"}, None, "pass"),
        ({"healthy": "any"}, {"status": "DOWN"}, "pass"),
    ],
)
def test_health_is_what_the_pipeline_asks_for(keys: dict[str, Any], body: Any, result: str) -> None:
    assert checks(service(**keys), {"/health": well(body)})["health"].result == result


@pytest.mark.parametrize("healthy", ["healthy", "any"])
def test_a_page_that_fails_is_never_healthy(healthy: str) -> None:
    down = checks(service(healthy=healthy), {"/health": {**well({"status": "healthy"}), "status_code": 503}})
    assert (down["health"].result, down["health"].measured[:3]) == ("fail", "503")
    gone = checks(service(healthy=healthy), {})["health"]
    assert (gone.result, gone.measured) == ("fail", "None cannot connect")


@pytest.mark.parametrize(
    ("version", "answers", "result"),
    [
        ("health", {"/health": well({"version": SHA})}, "pass"),
        ("health", {"/health": well({"version": "0" * 40})}, "fail"),
        ("health", {"/health": well({"status": "healthy"})}, "fail"),
        ("health", {"/health": well(SHA)}, "fail"),
        ("/version", {"/health": well(""), "/version": well(f"{SHA}\n")}, "pass"),
        ("/version", {"/health": well(""), "/version": well({"version": SHA})}, "pass"),
        ("/version", {"/health": well(""), "/version": {**well(SHA), "status_code": 404}}, "fail"),
        ("/version", {"/health": well({"version": SHA})}, "fail"),
        ("header X-Version", {"/health": well("", **{"x-version": SHA})}, "pass"),
        ("header X-Version", {"/health": well("")}, "fail"),
        ("none", {"/health": well("")}, "not_checked"),
    ],
)
def test_the_version_is_looked_for_where_it_is(version: str, answers: dict[str, Any], result: str) -> None:
    assert checks(service(version=version), answers)["version"].result == result


def test_metrics_that_are_declared_must_be_there() -> None:
    page = well("# TYPE http_requests_total counter\nhttp_requests_total 1\n")
    assert checks(service(metrics="/m"), {"/m": page})["metrics"].result == "pass"
    assert checks(service(metrics="/m"), {})["metrics"].result == "fail"
    empty = checks(service(metrics="/m"), {"/m": well("up 1")})["metrics"]
    assert (empty.result, empty.measured) == ("fail", "200 without http_requests_total")


def test_metrics_that_nobody_declared_are_a_pass_or_not_checked_and_never_a_failure() -> None:
    assert checks(service(), {"/metrics": well("http_requests_total 1")})["metrics"].result == "pass"
    for answer in ({}, {"/metrics": well("up 1")}):
        found = checks(service(), answer)["metrics"]
        assert found.result == "not_checked"
        assert "pipeline.yaml declares no service.metrics" in found.measured
