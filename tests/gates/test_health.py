"""Health: up, healthy, of this release, and stays up."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dawsos.gates.health import Options
from gates.samples import ask, health

SHA = "c0ffee" * 6


def test_a_healthy_release_of_the_right_version() -> None:
    verdict = ask("health", {"health.json": health()}, replicas=2)
    assert verdict.result == "pass"
    assert verdict.measured == f"200 healthy, version {SHA[:12]}, 2 ready"
    assert verdict.limit == f"200 healthy, version {SHA[:12]}, 2 ready"
    assert verdict.evidence == ("health.json",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status_code": 503}, "answered 503"),
        ({"status_code": None, "error": "connection refused"}, "connection refused"),
        ({"body": {"status": "degraded", "version": SHA}}, "status is 'degraded', not 'healthy'"),
        ({"body": {"status": "healthy", "version": "0" * 36}}, "the release is c0ffeec0ffee"),
        ({"body": {"status": "healthy"}}, "version is None"),
        ({"workers_not_ready": ["d1.queue"]}, "d1.queue not ready"),
        ({"body": "healthy"}, "status is None"),
        ({"ready": 1}, "1 of 2 replicas are ready"),
        ({"crash_looping": True, "restarts": 3}, "crash loop (3 restarts)"),
    ],
    ids=["503", "refused", "degraded", "another release", "no version", "worker", "no mapping", "replicas", "loop"],
)
def test_each_way_of_being_unwell_fails_in_its_own_words(changes: dict[str, Any], words: str) -> None:
    verdict = ask("health", {"health.json": health(**changes)}, replicas=2)
    assert verdict.result == "fail"
    assert words in verdict.message
    assert verdict.findings[0] == verdict.message


def test_a_service_that_does_not_say_its_version_may_be_excused() -> None:
    unnamed = health(body={"status": "ok"}, expected_version=None)
    assert ask("health", {"health.json": unnamed}, version="any", expect_status="ok").passed
    assert ask("health", {"health.json": unnamed}, expect_status="ok").result == "error"


def test_no_file_is_no_data() -> None:
    assert ask("health", {}).result == "no_data"


@pytest.mark.parametrize(
    "content",
    ["", "{", [], {}, health(ready="2"), health(ready=None), health(expected_version=""), health(crash_looping=None),
     {key: value for key, value in health().items() if key != "crash_looping"},
     health(workers_not_ready=False), health(workers_not_ready=[7]),
     {key: value for key, value in health().items() if key != "workers_not_ready"}],
    ids=["empty", "cut", "list", "nothing", "text", "null", "no release", "loop unknown", "loop not asked",
         "workers unknown", "no names", "workers not asked"],
)  # fmt: skip
def test_a_malformed_file_is_an_error(content: Any) -> None:
    assert ask("health", {"health.json": content}).result == "error"


def test_one_replica_is_enough_unless_the_pipeline_wants_more() -> None:
    assert ask("health", {"health.json": health(ready=1)}).passed
    assert ask("health", {"health.json": health(ready=0)}).message == "0 of 1 replicas are ready"
    assert Options(replicas=1) == Options()
    with pytest.raises(ValidationError):
        Options(replicas=0)
