"""The comparison before traffic, with replicas on paper: whom it asks, how often, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.http import Response
from dawsos.model.events import AnswersCompared
from dawsos.model.policy import Compare, CompareRequest, Load, LoadRequest, RolloutPolicy, WarmUp
from dawsos.model.release import Release
from dawsos.model.run import RolloutRecord
from dawsos.rollout.comparing import Caller, Comparing, comparison_evidence, declared_requests, nothing_to_ask
from fakes import VirtualClock
from support.paper import Paper

RECORD = RolloutRecord("n" * 64, "canary", "o" * 64, "old", 0.0)


def policy(*requests: CompareRequest, load: Load | None = None, **settings: Any) -> RolloutPolicy:
    fields = {"ladder": [{"weight": 100, "duration": "1s"}], "error_rate": "1%", "p95": "1s"}
    made = RolloutPolicy.model_validate(fields)
    return made.model_copy(update={"load": load, "compare": Compare(requests=requests, **settings)})


class Scene:
    """A stable release and a canary, each with two replicas, that answer as ``page`` says."""

    def __init__(self, folder: Path, page: Any) -> None:
        self.paper = Paper(folder / "project", rollout=_ROLLOUT)
        self.paper.serve(self.paper.release("1"))
        self.new = self.paper.release("2")
        asyncio.run(self.paper.platform().deploy("canary", self.new))
        self.seen: list[tuple[bool, str, Mapping[str, str]]] = []
        self.asked = 0

        def answer(release: Release, request: str, headers: Mapping[str, str]) -> Response | None:
            is_new = release.digest == self.new.digest
            self.seen.append((is_new, request, headers))
            found = page(is_new, request)
            if found is None or isinstance(found, Response):
                return found
            return Response(200, {"content-type": "application/json"}, json.dumps(found).encode())

        self.paper.production.pages = answer

    def compare(
        self, policy: RolloutPolicy, caller: Caller | None = None, goes_on: bool = True
    ) -> AnswersCompared | None:
        async def still() -> bool:
            self.asked += 1
            return goes_on

        tools = self.paper.tools
        comparing = Comparing(self.paper.platform(), policy, tools.clock, tools.masker, still, (self.new.commit,))
        return asyncio.run(comparing.compare(RECORD, caller or Caller()))


_ROLLOUT = """rollout:
  ladder: [{weight: 100, duration: 2s}]
"""
X = CompareRequest(path="/v1/x")


def compared(scene: Scene, policy: RolloutPolicy, caller: Caller | None = None) -> AnswersCompared:
    found = scene.compare(policy, caller)
    assert found is not None
    return found


def test_equal_answers_pass_with_stable_asked_twice_as_often(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _new, _request: {"a": 1})
    found = compared(scene, policy(X))
    assert (found.verdict, found.requests) == ("pass", 18)
    assert scene.paper.production.asked == {"old": 12, "canary": 6}
    # Each place in a round is the canary's equally often.
    assert [index % 3 for index, (new, _, _) in enumerate(scene.seen) if new] == [1, 0, 2, 1, 0, 2]
    assert scene.asked == 6
    # The environment's own traffic, which the judge counts, is not touched.
    assert scene.paper.production.requests == {}


def test_a_canary_that_lacks_a_field_fails(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda new, _: {"a": 1} if new else {"a": 1, "b": 2})
    found = compared(scene, policy(X))
    assert (found.verdict, found.reason) == ("fail", "GET /v1/x: b is missing")


def test_a_canary_that_closes_the_connection_fails(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda new, _: None if new else {"a": 1})
    assert compared(scene, policy(X)).reason == "GET /v1/x: disconnected, and stable answers 200"


def test_variables_fill_the_path_and_only_authenticated_requests_have_the_token(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _new, _request: {"a": 1})
    asks = (CompareRequest(path="/v1/{user_id}", authenticated=True), CompareRequest(path="/open", method="HEAD"))
    found = compared(scene, policy(*asks), Caller({"USER_ID": "7"}, "the-token"))
    assert [page.name for page in found.pages] == ["GET /v1/{user_id}", "HEAD /open"]
    by_request = {request: headers for _, request, headers in scene.seen}
    assert set(by_request) == {"GET /v1/7", "HEAD /open"}
    assert by_request["GET /v1/7"]["Authorization"] == "Bearer the-token"
    assert "Authorization" not in by_request["HEAD /open"]
    # Every replica is asked under the name that users use, so that links in answers are alike.
    assert {headers["Host"] for headers in by_request.values()} == {"127.0.0.1:7"}


def test_a_secret_in_an_answer_is_masked(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda new, _: {"key": "x" * 70 + "hunter2-hunter2" + str(new)})
    scene.paper.tools.masker.add(["hunter2-hunter2"])
    found = compared(scene, policy(X))
    assert "hunter2" not in json.dumps(comparison_evidence(found))
    assert [one.kind for one in found.pages[0].differences] == ["value"]


def test_an_error_now_and_then_is_asked_for_again_until_it_is_proven(tmp_path: Path) -> None:
    turns = {"new": 0}

    def page(new: bool, request: str) -> Any:
        if new and request == "GET /v1/x":
            turns["new"] += 1
            if turns["new"] % 3 == 0:
                return Response(500, {}, b"")
        return {"a": 1}

    scene = Scene(tmp_path, page)
    found = compared(scene, policy(X, CompareRequest(path="/v1/y")))
    assert (found.verdict, found.reason) == ("fail", "GET /v1/x: status 500 in 8 of 24 answers, in stable 200")
    # Only the page that left it open was asked more often.
    assert [page.canary.answers for page in found.pages] == [24, 6]


def test_the_budget_of_requests_holds_and_what_it_leaves_open_is_no_pass(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _new, _request: {"a": 1})
    found = compared(scene, policy(X, CompareRequest(path="/v1/y"), most_requests=15))
    assert (found.verdict, found.requests) == ("no_data", 12)
    assert len(scene.seen) == 12


def test_the_budget_of_time_holds(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _new, _request: {"a": 1})
    found = compared(scene, policy(X, within="1ms"))
    assert (found.verdict, found.requests) == ("pass", 18), "virtual time stands still"
    scene.paper.clock.sleep = None  # type: ignore[assignment]
    clock = iter(range(0, 1000, 4))
    scene.paper.tools.clock.monotonic = lambda: float(next(clock))  # type: ignore[method-assign]
    slow = compared(scene, policy(X, within="40s"))
    assert slow.verdict == "no_data"
    assert "of 6 answers of the canary came in the time" in slow.reason


def test_a_rollback_that_a_person_asks_for_ends_the_comparison(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _new, _request: {"a": 1})
    assert scene.compare(policy(X), goes_on=False) is None
    assert scene.seen == []


def test_a_canary_without_a_ready_replica_is_no_data(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _new, _request: {"a": 1})
    scene.paper.production.broken = {"canary"}
    assert compared(scene, policy(X)).reason == "no replica of the canary is ready"


def test_the_requests_are_those_of_the_load_and_the_declared_ones_each_once() -> None:
    load = Load(
        rate=1, requests=(LoadRequest(path="/v1/x"), LoadRequest(path="/v1/x", share=2), LoadRequest(path="/v1/y"))
    )
    found = declared_requests(policy(X, CompareRequest(path="/v1/z", method="HEAD"), load=load))
    assert [(one.method, one.path) for one in found] == [("GET", "/v1/x"), ("GET", "/v1/y"), ("HEAD", "/v1/z")]


@pytest.mark.parametrize(
    ("made", "record", "why"),
    [
        (policy(X), RECORD, ""),
        (policy(X), RolloutRecord("n", "canary", "", "", 0.0), "first release"),
        (policy(X, enabled=False), RECORD, "enabled is false"),
        (policy(), RECORD, "no request is declared"),
    ],
)
def test_when_there_is_nothing_to_compare(made: RolloutPolicy, record: RolloutRecord, why: str) -> None:
    reason = nothing_to_ask(made, record)
    assert (why in reason) if why else not reason


def _takes(scene: Scene, seconds: float) -> dict[str, int]:
    clock = scene.paper.tools.clock
    assert isinstance(clock, VirtualClock)
    clock.elapsed += seconds
    return {"a": 1}


@pytest.mark.parametrize(
    ("cold", "start", "least", "most"),
    [(0.0, "warm", 0.0, 0.0), (30.0, "warm", 20.0, 45.0), (9999.0, "slow", 60.0, 63.0)],
)
def test_the_first_user_waits_until_the_canary_is_as_fast_as_stable(
    tmp_path: Path, cold: float, start: str, least: float, most: float
) -> None:
    scenes: list[Scene] = []

    def page(new: bool, _request: str) -> Any:
        made = scenes[0]
        return _takes(made, 0.5 if new and made.paper.tools.clock.monotonic() < cold else 0.2)

    scene = Scene(tmp_path, page)
    scenes.append(scene)
    found = compared(scene, policy(X))
    assert (found.verdict, found.start) == ("pass", start)
    assert least <= found.waited <= most
    # The comparison itself is told without the wait.
    assert found.seconds < 10.0


def test_a_rollback_that_is_asked_for_ends_the_wait(tmp_path: Path) -> None:
    scenes: list[Scene] = []
    scene = Scene(tmp_path, lambda new, _request: _takes(scenes[0], 0.5 if new else 0.2))
    scenes.append(scene)

    async def until_the_tenth() -> bool:
        scene.asked += 1
        return scene.asked < 10

    tools = scene.paper.tools
    comparing = Comparing(scene.paper.platform(), policy(X), tools.clock, tools.masker, until_the_tenth)
    assert asyncio.run(comparing.compare(RECORD, Caller())) is None
    assert comparing.waited < 60.0


def test_without_a_time_to_wait_nothing_is_known_of_the_start(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda _new, _request: {"a": 1})
    asked = policy(X).model_copy(update={"warm_up": WarmUp(wait=0)})
    assert compared(scene, asked).start == "unasked"
    assert not asked.asks_first
    assert policy(X).asks_first
    assert not policy().asks_first
