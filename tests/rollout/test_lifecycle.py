"""A rollout from its first process to its last trace: promoted, rolled back, first, found again, lost, drilled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions.rollout import roll_out_admitted
from dawsos.adapters.http import Response
from dawsos.adapters.load_process import LoadProcess
from dawsos.engine.contract import StageOutcome
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.comparison import ComparedPage
from dawsos.model.events import AnswersCompared
from dawsos.model.policy import Load, LoadRequest
from dawsos.model.release import Release
from dawsos.model.rollout import Sample
from dawsos.model.status import Cause, StageState
from dawsos.platforms.contract import Roles
from dawsos.platforms.faults import WireFault
from dawsos.reporting.summary import not_checked
from dawsos.rollout import lifecycle as rollout
from dawsos.rollout.comparing import Caller
from dawsos.rollout.faults import Drill, Fault
from dawsos.rollout.lifecycle import RolloutContext, _load_follows, begin, conduct
from dawsos.runs.recorder import Session
from support.facts import fact
from support.memory_platform import MemoryFaults
from support.paper import ROLLOUT, Paper, erring, healthy
from support.world import rollout_of

HALF = WireFault(status=500, share=0.5)


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path / "project")


@pytest.fixture
def slow(tmp_path: Path) -> Paper:
    """A ladder that is not over before a drill has done its harm."""
    return Paper(tmp_path / "project", rollout=ROLLOUT.replace("2s", "60s"))


def roll(paper: Paper, session: Session, release: Release) -> tuple[StageOutcome, dict[str, Any]]:
    """Roll ``release`` out and return what came of it, with the evidence."""
    work = paper.attempt(session, "canary")
    if session.state.release != release.digest:
        paper.built(session, release)
    outcome = asyncio.run(roll_out_admitted(paper.context(session), work))
    return outcome, json.loads((work.artifacts / "rollout.json").read_text())


def kinds(session: Session) -> list[str]:
    return [event.kind for event in session.since(0)]


def test_a_healthy_release_takes_over_and_the_one_before_stays_warm(paper: Paper) -> None:
    paper.serve(paper.release("0"), "oldest")
    old, new = paper.release("1"), paper.release("2")
    asyncio.run(paper.platform().deploy("spare", old))
    session = paper.session()
    outcome, told = roll(paper, session, new)
    canary = f"{new.digest[:8]}-0ffee0-aa"
    assert outcome == StageOutcome(StageState.PASSED)
    assert paper.production.roles == Roles(canary, None, "oldest", 0)
    # What serves and what an instant rollback needs; nothing else.
    assert set(paper.production.deployments) == {canary, "oldest"}
    assert (told["outcome"], told["weight"], told["release"]) == ("promoted", 100, new.digest)
    record = session.state.rollout
    assert record is not None
    assert (record.stable_deployment, record.ladder, record.traffic) == ("oldest", (50, 100), "real")
    assert [weight for _, weight in record.weights if weight] == [50, 100]
    assert paper.production.leases[0] == 15.0
    assert paper.production.faults == []


def test_a_release_that_errs_is_taken_back(paper: Paper) -> None:
    paper.serve(paper.release("1"))
    new = paper.release("2")
    paper.production.script = erring
    session = paper.session()
    outcome, told = roll(paper, session, new)
    assert outcome.result == "rolled_back"
    assert "error rate" in outcome.reason
    assert paper.production.roles == Roles("old", None, None, 0)
    assert tuple(paper.production.deployments) == ("old",)
    assert (told["outcome"], told["weight"], told["error_rate"]) == ("rolled_back", 50, 0.5)
    assert told["rollback_seconds"] is not None
    order = kinds(session)
    assert order.index("deployed") < order.index("rollout_started") < order.index("rollout_decided")


def test_the_first_release_has_nothing_beside_it(paper: Paper) -> None:
    new = paper.release("1")
    session = paper.session()
    outcome, told = roll(paper, session, new)
    assert (outcome.result, told["weight"]) == ("passed", 100)
    assert paper.production.roles.stable == f"{new.digest[:8]}-0ffee0-aa"


def test_a_first_release_that_errs_is_withdrawn(paper: Paper) -> None:
    paper.production.script = erring
    outcome, told = roll(paper, paper.session(), paper.release("1"))
    assert (outcome.result, told["outcome"]) == ("rolled_back", "withdrawn")
    assert (paper.production.roles, tuple(paper.production.deployments)) == (Roles(), ())


def test_a_job_before_traffic_that_fails_stops_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"name": "pack", "run": "sh -c 'echo no prices; exit 3'"}
    service = {"jobs": [job], "before_traffic": ["pack"]}
    paper = Paper(tmp_path / "project", service)
    paper.serve(paper.release("1"))
    session = paper.session()
    with pytest.raises(ReleaseFailed, match="no prices"):
        roll(paper, session, paper.release("2"))
    assert (paper.production.roles, tuple(paper.production.deployments)) == (Roles("old"), ("old",))
    assert "rollout_started" not in kinds(session)


def begun(paper: Paper) -> tuple[Session, Release]:
    """A rollout whose controller died right after it had begun."""
    paper.serve(paper.release("1"))
    session, new = paper.session(), paper.release("2")
    asyncio.run(begin(paper.rollout(session, new), session.id, drill=""))
    return session, new


def watched(paper: Paper, stable: str | None, canary: str, weight: int) -> None:
    """Give the canary traffic that its lease lets it keep for a while after its controller has died."""
    asyncio.run(paper.platform().renew_lease(15.0))
    asyncio.run(paper.platform().route(stable, canary, weight))
    paper.production.weights.clear()


def test_a_controller_that_comes_back_goes_on_with_the_same_canary(paper: Paper) -> None:
    session, new = begun(paper)
    watched(paper, "old", rollout_of(session).deployment, 50)
    outcome, _ = roll(paper, session, new)
    assert outcome == StageOutcome(StageState.PASSED)
    # It has no traffic before somebody watches it again.
    assert paper.production.weights[0] == 0
    assert kinds(session).count("rollout_started") == 1
    assert kinds(session).count("deployed") == 1


def test_a_canary_that_died_meanwhile_is_rolled_back(paper: Paper) -> None:
    session, new = begun(paper)
    canary = rollout_of(session).deployment
    paper.production.broken = {canary}
    outcome, _ = roll(paper, session, new)
    assert (outcome.result, outcome.reason) == ("rolled_back", "the canary is not running any more")
    assert paper.production.roles == Roles("old", None, None, 0)
    assert paper.clock.elapsed == 10, "it was given ten seconds to come back"


@pytest.mark.parametrize("stable_too", [False, True], ids=["the canary alone", "the stable release as well"])
def test_a_canary_that_was_removed_meanwhile_leaves_nothing_to_judge(paper: Paper, stable_too: bool) -> None:
    session, new = begun(paper)
    asyncio.run(paper.platform().remove(rollout_of(session).deployment))
    if stable_too:
        asyncio.run(paper.platform().route(None, None, 0))
        asyncio.run(paper.platform().remove("old"))
    outcome, told = roll(paper, session, new)
    assert (outcome.result, outcome.reason) == ("rolled_back", "the canary was removed while no controller was there")
    assert paper.production.roles == Roles(None if stable_too else "old", None, None, 0)
    assert told["rollback_seconds"] is None


def drilled(paper: Paper, fault: Fault) -> tuple[Session, str]:
    release = paper.release("1")
    paper.serve(release)
    session = paper.session("20260301-120000-c0ffee0-dd", command="drill", stages=[])
    here = paper.rollout(session, release)

    async def drill() -> str:
        return (
            await conduct(
                here, await begin(here, session.id, drill=fault.name), Drill(fault, here.platform.faults(), here.logs)
            )
        ).outcome

    return session, asyncio.run(drill())


def test_a_drill_puts_the_fault_on_the_canary_and_takes_it_away(slow: Paper) -> None:
    told = slow.production.faults
    slow.production.script = lambda at, weight: (erring if HALF in told else healthy)(at, weight)
    session, outcome = drilled(slow, Fault("errors=50%", HALF))
    assert outcome == "rolled_back"
    assert told == [HALF, None]
    assert (slow.production.roles, tuple(slow.production.deployments)) == (Roles("old", None, None, 0), ("old",))
    assert rollout_of(session).drill == "errors=50%"


@pytest.mark.parametrize("fault", [Fault("crash", dies=0.5), Fault("errors=50%", HALF)], ids=["crash", "errors"])
def test_a_drill_that_is_over_before_its_fault_leaves_none_behind(
    fault: Fault, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.production.script = erring
    pass_on = paper.clock.sleep

    async def sleep(seconds: float) -> None:
        if seconds == 2 * paper.pipeline.rollout.tick:
            # The fault's time does not come.
            await asyncio.Event().wait()
        await pass_on(seconds)

    monkeypatch.setattr(paper.clock, "sleep", sleep)
    _, outcome = drilled(paper, fault)
    assert outcome == "rolled_back"
    assert (paper.production.crashed, paper.production.faults) == ([], [])


def test_a_crash_drill_kills_the_canary_until_it_is_noticed(slow: Paper) -> None:
    killed = slow.production.crashed
    slow.production.script = lambda at, weight: (erring if len(killed) > 2 else healthy)(at, weight)
    session, outcome = drilled(slow, Fault("crash", dies=0.5))
    assert outcome == "rolled_back"
    assert set(killed) == {rollout_of(session).deployment}


def test_a_drill_of_the_service_s_own_is_mended_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"name": "pack", "run": "sh -c 'echo $DEPLOYMENT_ID $PRICES >> packs'", "env": {"PRICES": "good"}}
    service = {"jobs": [job], "drills": {"stale": {"job": "pack", "env": {"PRICES": "stale"}}}}
    paper = Paper(tmp_path / "project", service, ROLLOUT.replace("2s", "10h"))
    packs = paper.project.environment("production") / "packs"
    paper.production.script = lambda at, weight: (erring if packs.exists() else healthy)(at, weight)
    pass_on = paper.clock.sleep

    async def sleep(seconds: float) -> None:
        # The job runs in the machine's time, which the ladder's must not outrun.
        await pass_on(seconds)
        await asyncio.sleep(0 if packs.exists() else 0.02)

    monkeypatch.setattr(paper.clock, "sleep", sleep)
    session, outcome = drilled(paper, Fault("stale", job="stale"))
    canary = rollout_of(session).deployment
    assert outcome == "rolled_back"
    assert packs.read_text().splitlines() == [f"{canary} stale", "old good"]


def test_without_a_stable_release_the_load_itself_climbs_the_ladder() -> None:
    declared = Load(rate=40.0, requests=(LoadRequest(path="/"),))
    load = LoadProcess("http://127.0.0.1:1", declared, "")
    climb = _load_follows(load, declared)
    rates = []
    for weight in (1, 25, 100):
        climb(weight)
        rates.append(load.rate)
    assert rates == [1.0, 10.0, 40.0]
    _load_follows(None, None)(50)


def ended(session: Session, outcome: str) -> None:
    """Tell that the rollout was decided and is over; whoever was to tell how the stage ended died before."""
    session.record(fact("rollout_decided", decision="rollback", reason="errors"), "canary")
    session.record(fact("rollout_finished", outcome=outcome, seconds=0.5, drained=0.6, reason="errors"), "canary")


def test_a_release_that_was_rolled_back_gets_no_second_chance_in_the_same_run(paper: Paper) -> None:
    session, new = begun(paper)
    canary = rollout_of(session).deployment
    asyncio.run(paper.platform().route("old", canary, 0))
    ended(session, "rolled_back")
    outcome, told = roll(paper, session, new)
    assert (outcome.result, outcome.reason) == ("rolled_back", "errors")
    assert (told["outcome"], told["rollback_seconds"]) == ("rolled_back", 0.5)
    assert kinds(session).count("rollout_started") == 1
    # What the one before had no time for.
    assert (paper.production.roles, tuple(paper.production.deployments)) == (Roles("old", None, None, 0), ("old",))


def test_what_goes_back_need_not_be_ready_nor_be_put_under_load(tmp_path: Path) -> None:
    """That it is neither may be the reason: nobody waits for it, and the decision stands."""
    load = "  load: {rate: 5, requests: [{path: /, authenticated: true}]}\n"
    paper = Paper(tmp_path / "project", {"token": "sh -c 'echo no key; exit 3'"}, rollout=ROLLOUT + load)
    session, new = begun(paper)
    session.record(fact("rollout_decided", decision="rollback", reason="errors"), "canary")
    paper.production.broken = {rollout_of(session).deployment}
    outcome, _ = roll(paper, session, new)
    assert (outcome.result, outcome.reason) == ("rolled_back", "errors")
    assert kinds(session).count("rollout_decided") == 1
    assert paper.clock.elapsed < 10


def overtaken(paper: Paper) -> tuple[Session, Release]:
    """A rollout whose controller died, and after which another release was shipped."""
    session, new = begun(paper)
    canary = rollout_of(session).deployment
    asyncio.run(paper.platform().route("old", canary, 50))
    other = paper.session("20260302-120000-c0ffee0-bb")
    assert roll(paper, other, paper.release("3"))[0] == StageOutcome(StageState.PASSED)
    return session, new


@pytest.mark.parametrize("decided", [False, True], ids=["undecided", "decided"])
def test_a_rollout_that_was_overtaken_by_another_release_leaves_that_one_serving(paper: Paper, decided: bool) -> None:
    session, new = overtaken(paper)
    before = paper.production.roles
    if decided:
        session.record(fact("rollout_decided", decision="rollback", reason="errors"), "canary")
    outcome, _ = roll(paper, session, new)
    assert outcome.result == "rolled_back"
    assert paper.production.roles == before
    assert "another release" in outcome.reason
    assert session.state.rollout is not None
    assert session.state.rollout.outcome == "rolled_back"


def test_the_end_of_a_rollout_that_was_overtaken_is_cleaned_up_beside_what_serves(paper: Paper) -> None:
    session, new = overtaken(paper)
    before, kept = paper.production.roles, list(paper.production.deployments)
    ended(session, "rolled_back")
    outcome, _ = roll(paper, session, new)
    assert (outcome.result, outcome.reason) == ("rolled_back", "errors")
    assert (paper.production.roles, list(paper.production.deployments)) == (before, kept)


def test_a_first_release_whose_load_cannot_start_keeps_no_traffic(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start_load(_context: RolloutContext, _caller: Caller) -> Any:
        raise InfrastructureError("the load has no process")

    monkeypatch.setattr(rollout, "_start_load", start_load)
    session, new = paper.session(), paper.release("1")
    record = asyncio.run(begin(paper.rollout(session, new), session.id, drill=""))
    watched(paper, None, record.deployment, 100)
    with pytest.raises(InfrastructureError, match="no process"):
        asyncio.run(conduct(paper.rollout(session, new), record))
    assert paper.production.roles == Roles(None, record.deployment, None, 0)


def test_a_first_release_that_is_to_be_withdrawn_gets_no_traffic_again(paper: Paper) -> None:
    new = paper.release("1")
    session = paper.session()
    record = asyncio.run(begin(paper.rollout(session, new), session.id, drill=""))
    watched(paper, None, record.deployment, 100)
    session.record(fact("rollout_decided", decision="rollback", reason="errors"), "canary")
    outcome, _ = roll(paper, session, new)
    assert outcome.result == "rolled_back"
    assert set(paper.production.weights) == {0}


@pytest.mark.parametrize("first", [False, True], ids=["beside a stable release", "first"])
def test_a_release_that_cannot_be_put_under_load_is_rolled_back(
    first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = "  load: {rate: 5, requests: [{path: /, authenticated: true}]}\n"
    service = {"token": "sh -c 'echo no key; exit 3'"}
    paper = Paper(tmp_path / "project", service, rollout=ROLLOUT + load)
    if not first:
        paper.serve(paper.release("1"))
    session = paper.session()
    outcome, _ = roll(paper, session, paper.release("2"))
    assert outcome.result == "rolled_back"
    assert "made no token" in outcome.reason
    assert paper.production.roles == (Roles() if first else Roles("old", None, None, 0))
    assert tuple(paper.production.deployments) == (() if first else ("old",))


def test_a_drill_whose_fault_cannot_be_brought_about_is_cleaned_up_all_the_same(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper.production.script = erring

    async def refuse(_faults: MemoryFaults, fault: WireFault) -> None:
        raise InfrastructureError("Envoy did not take over faults.json")

    monkeypatch.setattr(MemoryFaults, "set_fault", refuse)
    paper.pipeline = paper.pipeline.model_copy(
        update={"rollout": paper.pipeline.rollout.model_copy(update={"failed_checks": 5})}
    )
    with pytest.raises(InfrastructureError, match=r"faults\.json"):
        drilled(paper, Fault("errors=50%", HALF))
    assert (paper.production.roles, tuple(paper.production.deployments)) == (Roles("old", None, None, 0), ("old",))


def test_a_drill_hears_who_asked_for_a_rollback_while_it_began(paper: Paper) -> None:
    release = paper.release("1")
    paper.serve(release)
    session = paper.session("20260301-120000-c0ffee0-dd", command="drill", stages=[])
    here = paper.rollout(session, release)

    async def drill() -> str:
        record = await begin(here, session.id, drill="none")
        session.record(fact("rollback_requested", name="Ada", reason="not now"), "canary")
        return (await conduct(here, record, Drill(Fault("none"), None, here.logs))).reason

    assert asyncio.run(drill()) == "asked for by Ada: not now"


@pytest.mark.parametrize("first", [True, False], ids=["first", "beside a stable release"])
@pytest.mark.parametrize("error", [InfrastructureError("Envoy is away"), OSError(28, "disk full"), KeyboardInterrupt()])
def test_a_release_whose_controller_ends_by_an_error_has_no_traffic_and_may_be_gone_on_with(
    first: bool, error: BaseException, paper: Paper
) -> None:
    """It was never accepted, so what it has must not depend on how its controller came to its end."""
    if not first:
        paper.serve(paper.release("1"))
    new, session = paper.release("2"), paper.session()
    seen: list[int] = []

    def away(at: float, weight: int) -> Sample:
        seen.append(paper.production.roles.weight)
        if seen[-1]:
            raise error
        return healthy(at, weight)

    paper.production.script = away
    with pytest.raises(type(error)):
        roll(paper, session, new)
    canary = f"{new.digest[:8]}-0ffee0-aa"
    assert seen[-1] == (100 if first else 50), "it had traffic"
    assert paper.production.roles == Roles(None if first else "old", canary, None, 0)
    assert session.state.rollout is not None
    assert session.state.rollout.outcome == ""
    paper.production.script = healthy
    assert roll(paper, session, new)[0] == StageOutcome(StageState.PASSED)
    assert paper.production.roles.stable == canary


def test_a_first_release_gets_no_traffic_before_its_controller_watches_it(paper: Paper) -> None:
    assert roll(paper, paper.session(), paper.release("1"))[0] == StageOutcome(StageState.PASSED)
    assert paper.production.moves[0] == (0, 0)
    assert all(leases for weight, leases in paper.production.moves if weight)


def test_a_first_release_that_is_found_again_keeps_its_traffic_meanwhile(paper: Paper) -> None:
    new, session = paper.release("1"), paper.session()
    record = asyncio.run(begin(paper.rollout(session, new), session.id, drill=""))
    watched(paper, None, record.deployment, 100)
    assert roll(paper, session, new)[0] == StageOutcome(StageState.PASSED)
    assert set(paper.production.weights) == {100}


@pytest.mark.parametrize("first", [False, True], ids=["beside a stable release", "first"])
def test_a_canary_that_nobody_watches_loses_its_traffic_before_the_load_is_awaited(
    first: bool, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load ends only when what is under way has been answered, which may take seconds."""
    if not first:
        paper.serve(paper.release("1"))
    weights: list[tuple[str, int]] = []

    class SlowLoad:
        def seen(self) -> dict[str, tuple[int, int]]:
            return {}

        async def stop(self) -> dict[str, Any]:
            weights.append(("load stopped", paper.production.roles.weight))
            return {}

    async def start_load(_context: RolloutContext, _caller: Caller) -> Any:
        return SlowLoad()

    def dying(at: float, weight: int) -> Sample:
        if not weight:
            return healthy(at, weight)
        weights.append(("controller died", weight))
        raise InfrastructureError("the proxy does not answer")

    monkeypatch.setattr(rollout, "_start_load", start_load)
    session, new = paper.session(), paper.release("2")
    record = asyncio.run(begin(paper.rollout(session, new), session.id, drill=""))
    paper.production.script = dying
    with pytest.raises(InfrastructureError, match="does not answer"):
        asyncio.run(conduct(paper.rollout(session, new), record))
    died, stopped = weights[-2:]
    assert died[0] == "controller died"
    assert stopped == ("load stopped", 0)
    assert paper.production.roles.weight == 0


COMPARED = ROLLOUT + "  compare: {requests: [{path: /v1/x}]}\n"


def answering(paper: Paper, page: Callable[[str], Any]) -> None:
    """Let every replica answer ``page`` of the release's text: ``1`` or ``2``."""

    def answer(release: Release, _request: str, _headers: Mapping[str, str]) -> Response:
        text = (release.site / "app" / "__init__.py").read_text().split("'")[1]
        return Response(200, {"content-type": "application/json"}, json.dumps(page(text)).encode())

    paper.production.pages = answer


@pytest.fixture
def comparing(tmp_path: Path) -> Paper:
    """Production that serves release 1 and compares the answers of release 2 with its own."""
    paper = Paper(tmp_path / "project", rollout=COMPARED)
    paper.serve(paper.release("1"))
    answering(paper, lambda text: {"rows": [1]} if text == "2" else {"rows": [1], "total": 1})
    return paper


def test_a_release_with_other_answers_is_rolled_back_before_any_traffic(comparing: Paper) -> None:
    session = comparing.session()
    outcome, told = roll(comparing, session, comparing.release("2"))
    assert (outcome.result, outcome.reason) == (
        "rolled_back", "before any traffic: GET /v1/x: total is missing",
    )  # fmt: skip
    assert (told["outcome"], told["weight"]) == ("rolled_back", 0)
    # It never had a weight, and no load and no judge began.
    assert set(comparing.production.weights) == {0}
    assert "weight_intended" not in kinds(session)
    assert "rollout_sampled" not in kinds(session)
    assert (comparing.production.roles, tuple(comparing.production.deployments)) == (Roles("old"), ("old",))
    assert rollout_of(session).cause is Cause.ANSWERS
    found = json.loads((session.artifacts("canary") / "compare.json").read_text())
    assert (found["version"], found["verdict"], found["pages"][0]["differences"][0]["where"]) == (1, "fail", "total")


def test_what_the_commit_allows_is_shown_and_goes_on(tmp_path: Path) -> None:
    allowed = "  compare: {requests: [{path: /v1/x}], allow: [{path: /v1/x, why: version 2 has no total}]}\n"
    paper = Paper(tmp_path / "project", rollout=ROLLOUT + allowed)
    paper.serve(paper.release("1"))
    answering(paper, lambda text: {"rows": [1]} if text == "2" else {"rows": [1], "total": 1})
    session = paper.session()
    outcome, _ = roll(paper, session, paper.release("2"))
    assert outcome == StageOutcome(StageState.PASSED)
    compared = rollout_of(session).compared
    assert compared is not None
    assert (compared.verdict, compared.pages[0].differences[0].allowed) == ("pass", "version 2 has no total")


def test_where_stable_itself_fails_nobody_meets_what_could_not_be_compared(comparing: Paper) -> None:
    comparing.production.pages = lambda *_: Response(503, {}, b"")
    session = comparing.session()
    outcome, _ = roll(comparing, session, comparing.release("2"))
    assert outcome.result is StageState.ROLLED_BACK
    assert "stable itself fails: 503" in outcome.reason
    assert not any(weight for _, weight in rollout_of(session).weights)


def test_a_hotfix_may_mend_a_stable_release_that_fails(comparing: Paper) -> None:
    comparing.production.pages = lambda *_: Response(503, {}, b"")
    session = comparing.session(options={"hotfix": "stable answers 503"})
    outcome, _ = roll(comparing, session, comparing.release("2"))
    assert outcome == StageOutcome(StageState.PASSED)
    compared = rollout_of(session).compared
    assert compared is not None
    assert (compared.verdict, compared.reason) == ("no_data", "GET /v1/x: stable itself fails: 503")
    assert [remark.what for remark in not_checked(session.state) if remark.where == "canary answers"] == [
        "the answers were not compared before traffic: GET /v1/x: stable itself fails: 503"
    ]


def test_a_controller_that_dies_in_the_comparison_compares_again(
    comparing: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, new = comparing.session(), comparing.release("2")
    asked = {"requests": 0}
    answer = comparing.production.pages

    def dying(*of: Any) -> Response | None:
        asked["requests"] += 1
        if asked["requests"] == 7:
            raise KeyboardInterrupt
        return answer(*of)

    comparing.production.pages = dying
    with pytest.raises(KeyboardInterrupt):
        roll(comparing, session, new)
    assert "answers_compared" not in kinds(session)
    outcome, _ = roll(comparing, comparing.session(), new)
    assert outcome.result == "rolled_back"
    assert kinds(session).count("answers_compared") == 1
    assert kinds(session).count("rollout_started") == 1
    assert asked["requests"] == 7 + 18


def test_a_controller_that_died_before_it_decided_decides_on_the_recorded_comparison(comparing: Paper) -> None:
    session, new = begun_of(comparing)
    context = comparing.rollout(session, new)
    session.record(
        AnswersCompared("fail", "GET /v1/x: total is missing", 18, 1.0, (ComparedPage("GET", "/v1/x", "fail"),))
    )
    finished = asyncio.run(conduct(context, rollout_of(session)))
    assert finished.outcome == "rolled_back"
    assert comparing.production.asked == {}
    assert rollout_of(session).cause is Cause.ANSWERS


def begun_of(paper: Paper) -> tuple[Session, Release]:
    """A rollout beside the release that serves whose controller died right after it had begun."""
    session, new = paper.session(), paper.release("2")
    asyncio.run(begin(paper.rollout(session, new), session.id, drill=""))
    return session, new


def test_a_canary_that_has_had_traffic_is_not_compared_any_more(comparing: Paper) -> None:
    session, new = begun_of(comparing)
    session.record(fact("weight_intended", weight=50, step=50))
    outcome, _ = roll(comparing, session, new)
    assert outcome == StageOutcome(StageState.PASSED)
    assert comparing.production.asked == {}
    assert json.loads((session.artifacts("canary") / "compare.json").read_text())["verdict"] == "skipped"


def test_a_first_release_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project", rollout=COMPARED)
    session = paper.session()
    outcome, _ = roll(paper, session, paper.release("1"))
    assert outcome == StageOutcome(StageState.PASSED)
    compared = rollout_of(session).compared
    assert compared is not None
    assert (compared.verdict, compared.reason[:13]) == ("skipped", "first release")
    assert paper.production.asked == {}


def test_a_drill_compares_nothing(slow: Paper) -> None:
    slow.production.script = erring
    session, _ = drilled(slow, Fault("errors=50%", HALF))
    compared = rollout_of(session).compared
    assert compared is not None
    assert (compared.verdict, compared.pages) == ("skipped", ())
