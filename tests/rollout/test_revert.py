"""An environment comes back to an earlier release: all traffic at once, measured, and the same again after a crash."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.events import RevertStarted
from dawsos.platforms.contract import Roles
from dawsos.rollout.revert import finish_revert, revert
from support.facts import fact
from support.paper import Paper

RUN = "20260301-120000-c0ffee0-aa"


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path / "project")


def test_all_traffic_goes_to_the_release_before_and_what_is_left_is_stopped(paper: Paper) -> None:
    old, new = paper.release("1"), paper.release("2")
    paper.serve(old)
    paper.serve(new, "new")
    session = paper.session(command="rollback")
    record = asyncio.run(revert(paper.rollout(session, old), RUN, "Ada", "wrong totals"))
    assert record is not None
    assert (record.release, record.deployment, record.left_deployment) == (old.digest, "old", "new")
    assert (record.name, record.reason, record.environment) == ("Ada", "wrong totals", "production")
    assert record.seconds is not None
    assert record.finished_at is not None
    assert paper.production.roles == Roles("old", None, None, 0)
    assert list(paper.production.deployments) == ["old"]
    # Everything on what serves, under a lease, until all of it has moved: at no point is there nobody to serve.
    assert paper.production.weights == [100, 0, 0]
    assert paper.production.leases == [15.0]


def test_no_rollout_is_recorded_for_it(paper: Paper) -> None:
    old = paper.release("1")
    paper.serve(old)
    paper.serve(paper.release("2"), "new")
    session = paper.session(command="rollback")
    asyncio.run(revert(paper.rollout(session, old), RUN, "Ada", "wrong totals"))
    kinds = [event.kind for event in session.since(0)]
    assert kinds == ["run_started", "revert_started", "revert_finished"]
    assert session.state.rollout is None


def test_a_release_that_runs_no_more_is_started_first(paper: Paper) -> None:
    old = paper.release("1")
    paper.serve(paper.release("2"), "new")
    session = paper.session(command="rollback")
    asyncio.run(revert(paper.rollout(session, old), RUN, "Ada", "wrong totals"))
    made = f"{old.digest[:8]}-0ffee0-aa"
    assert paper.production.roles == Roles(made, None, None, 0)
    kinds = [event.kind for event in session.since(0)]
    assert kinds.index("deployed") < kinds.index("revert_started")


def test_a_deployment_that_is_not_ready_gets_no_traffic_back(paper: Paper) -> None:
    old = paper.release("1")
    paper.serve(old)
    paper.serve(paper.release("2"), "new")
    paper.production.broken = {"old"}
    session = paper.session(command="rollback")
    record = asyncio.run(revert(paper.rollout(session, old), RUN, "Ada", "wrong totals"))
    assert record is not None
    assert record.deployment not in ("old", "new")
    assert paper.production.roles == Roles(record.deployment, None, None, 0)


def test_a_release_that_does_not_start_changes_nothing(paper: Paper) -> None:
    old = paper.release("1")
    paper.serve(paper.release("2"), "new")
    paper.production.broken = {f"{old.digest[:8]}-0ffee0-aa"}
    session = paper.session(command="rollback")
    with pytest.raises(ReleaseFailed, match="not ready"):
        asyncio.run(revert(paper.rollout(session, old), RUN, "Ada", "wrong totals"))
    assert paper.production.roles == Roles("new", None, None, 0)
    assert session.state.revert is None


def test_what_serves_already_is_left_alone(paper: Paper) -> None:
    old = paper.release("1")
    paper.serve(old)
    session = paper.session(command="rollback")
    assert asyncio.run(revert(paper.rollout(session, old), RUN, "Ada", "again")) is None
    assert paper.production.weights == []


def test_nothing_serves(paper: Paper) -> None:
    session = paper.session(command="rollback")
    with pytest.raises(InfrastructureError, match="no release serves production"):
        asyncio.run(revert(paper.rollout(session, paper.release("1")), RUN, "Ada", "wrong totals"))


def test_the_proxy_is_asked_until_it_confirms(paper: Paper) -> None:
    old = paper.release("1")
    paper.serve(old)
    paper.serve(paper.release("2"), "new")
    paper.production.unconfirmed = 3
    session = paper.session(command="rollback")
    record = asyncio.run(revert(paper.rollout(session, old), RUN, "Ada", "wrong totals"))
    assert record is not None
    assert record.seconds is not None
    assert record.seconds == pytest.approx(1.52)
    assert paper.production.roles == Roles("old", None, None, 0)


@pytest.mark.parametrize(
    "roles", [Roles("new", None, None, 0), Roles("old", "new", None, 100), Roles("old", "new", None, 0)]
)
def test_a_revert_that_was_killed_at_any_point_is_brought_to_its_end(paper: Paper, roles: Roles) -> None:
    old, new = paper.release("1"), paper.release("2")
    paper.serve(old)
    paper.serve(new, "new")
    paper.production.roles = roles
    session = paper.session(command="rollback")
    session.record(RevertStarted("production", old.digest, "old", new.digest, "new", "Ada", "wrong totals"), "canary")
    record = session.state.revert
    assert record is not None
    done = asyncio.run(finish_revert(paper.rollout(session, old), record))
    assert done.finished_at is not None
    assert paper.production.roles == Roles("old", None, None, 0)
    assert list(paper.production.deployments) == ["old"]


def test_a_finished_revert_is_only_cleaned_up(paper: Paper) -> None:
    old, new = paper.release("1"), paper.release("2")
    paper.serve(new, "new")
    paper.serve(old)
    session = paper.session(command="rollback")
    session.record(RevertStarted("production", old.digest, "old", new.digest, "new", "Ada", "x"), "canary")
    session.record(fact("revert_finished", seconds=0.1, drained=0.2), "canary")
    record = session.state.revert
    assert record is not None
    done = asyncio.run(finish_revert(paper.rollout(session, old), record))
    assert done.seconds == 0.1
    assert list(paper.production.deployments) == ["old"]


def test_a_release_that_came_in_between_is_not_taken_away(paper: Paper) -> None:
    old, new, newer = paper.release("1"), paper.release("2"), paper.release("3")
    paper.serve(old)
    paper.serve(newer, "newer")
    session = paper.session(command="rollback")
    session.record(RevertStarted("production", old.digest, "old", new.digest, "new", "Ada", "x"), "canary")
    record = session.state.revert
    assert record is not None
    with pytest.raises(InfrastructureError, match="another release took production"):
        asyncio.run(finish_revert(paper.rollout(session, old), record))
    assert paper.production.roles.stable == "newer"


def test_traffic_that_an_older_version_left_on_the_other_release_is_moved(paper: Paper) -> None:
    old, new = paper.release("1"), paper.release("2")
    paper.serve(old)
    paper.serve(new, "new")
    paper.production.roles = Roles("old", "new", None, 100)
    session = paper.session(command="rollback")
    record = asyncio.run(revert(paper.rollout(session, old), RUN, "Ada", "wrong totals"))
    assert record is not None
    assert record.left_deployment == "new"
    assert paper.production.roles == Roles("old", None, None, 0)
