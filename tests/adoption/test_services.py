"""What the sources of a service say about its pages, in any language."""

from __future__ import annotations

import pytest

from dawsos.adoption.contract import Answers, Tree
from dawsos.adoption.services import Pages, bill, pages_of, reads_port, secrets, stage


def pages(text: str, health: str = "") -> Pages:
    return pages_of(Tree.of("shop", {"main.x": text}), ["main.x"], Answers(health=health))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Pages("/", "/", "/", "none")),
        ("get('/health', ok); get(`/items`, list)", Pages("/health", "/health", "/items", "none")),
        ('"/healthz" "/readyz" "/metrics" "/"', Pages("/readyz", "/healthz", "/readyz", "none")),
        ('"/health" "/version" env.GIT_SHA', Pages("/health", "/health", "/health", "/version")),
        ('"/health" "X-App-Version" getenv("GIT_SHA")', Pages("/health", "/health", "/health", "header X-App-Version")),
        ('"/health" "X-App-Version"', Pages("/health", "/health", "/health", "none")),
        ('"/logo.png" "/a:b" "/v1/items"', Pages("/", "/", "/v1/items", "none")),
    ],
)
def test_pages_are_those_that_the_sources_name(text: str, found: Pages) -> None:
    assert pages(text) == found


def test_a_person_knows_better() -> None:
    assert pages('"/health" "/items"', "/alive").health == "/alive"
    assert pages('"/items"', "/alive").ready == "/alive"


def test_what_is_said_of_them() -> None:
    found = Pages("/readyz", "/healthz", "/items", "header X-Version")
    assert found.lines == ("health: /healthz", "healthy: any", 'version: "header X-Version"', "ready: /readyz")
    assert dict(Pages("/", "/", "/", "none").found)["version"] == "not named by the service, so not checked"


def test_the_port_is_a_word() -> None:
    tree = Tree.of("shop", {"a": 'getenv("PORT")', "b": "EXPORTS"})
    assert (reads_port(tree, ["a"]), reads_port(tree, ["b"])) == (True, False)


def test_stages_are_yaml() -> None:
    assert stage("unit", "Tests", "go", ["{run: go test}"], ["exit_status"], "history: true") == (
        '  - id: unit\n    title: Tests\n    toolchain: go\n    inputs: ["**"]\n    history: true\n'
        "    steps:\n      - {run: go test}\n    gates: [exit_status]\n\n"
    )
    assert "dawsos scan packages go.mod" in bill("go.mod", "golang")
    assert "dawsos scan secrets" in secrets()
