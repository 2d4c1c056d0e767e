"""``judge``: what it watches, where it listens, with which rights; and that it ends when either of its parts does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dawsos.errors import BadInput
from dawsos.model.cluster import Gateway
from dawsos.model.exports import FlaggerOptions
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import load
from dawsos.verbs.judge import _first_of, address_of, context_of, gateway_of, options_of

DAWSOS = load(Path(__file__).resolve().parents[2])
JUDGED = FlaggerOptions(judge="http://judge.shop", hosts=("shop.test",))


def on_a_cluster(context: str | None) -> Pipeline:
    name = DAWSOS.rollout_stage().environment
    settings = DAWSOS.environments[name].model_copy(update={"platform": "kubernetes", "context": context})
    return DAWSOS.model_copy(update={"environments": {**DAWSOS.environments, name: settings}, "profiles": {}})


@pytest.mark.parametrize(
    ("text", "address"), [("0.0.0.0:8080", ("0.0.0.0", 8080)), (":80", ("", 80)), ("[::]:1", ("::", 1))]
)
def test_an_address_has_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["8080", "host:", "host:99999", "host:http"])
def test_what_is_no_address_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="is no address with a port"):
        address_of(text)


def test_without_the_option_flagger_would_not_ask_the_judge() -> None:
    for options in (None, JUDGED.model_copy(update={"judge": None})):
        exports = DAWSOS.exports.model_copy(update={"flagger": options})
        with pytest.raises(BadInput, match=r"exports\.flagger\.judge"):
            options_of(DAWSOS.model_copy(update={"exports": exports}))


def test_the_rights_are_those_asked_for_then_the_pods_then_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    pipeline, options = on_a_cluster("mine"), JUDGED.model_copy(update={"profile": "production"})
    assert context_of(pipeline, options, None) == "mine"
    assert context_of(pipeline, options, "other") == "other"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert context_of(pipeline, options, None) == "in-cluster"
    assert context_of(pipeline, options, "other") == "other"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(BadInput, match="names no context"):
        context_of(on_a_cluster(None), options, None)


def test_pods_are_no_gateway_whose_two_services_could_be_compared() -> None:
    pipeline = on_a_cluster("mine")
    assert gateway_of(pipeline, JUDGED).kind == "contour"
    name = pipeline.rollout_stage().environment
    settings = pipeline.environments[name].model_copy(update={"gateway": Gateway(kind="pods")})
    with pytest.raises(BadInput, match="needs the counters of a gateway"):
        gateway_of(pipeline.model_copy(update={"environments": {name: settings}}), JUDGED)


def test_a_judge_that_does_not_look_any_more_does_not_answer_either() -> None:
    ended: list[str] = []

    async def broken() -> None:
        raise RuntimeError("a defect")

    async def answering() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("answering")

    async def both(*parts: Any) -> None:
        await _first_of(*parts)

    with pytest.raises(RuntimeError, match="a defect"):
        asyncio.run(both(answering(), broken()))
    assert ended == ["answering"]
