"""The plan: each stage runs, is restored or is skipped, and the reason says why."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.model.pipeline import Approval
from dawsos.model.plan import Action, Fingerprint, PlannedStage
from dawsos.planning.plan import KeptResult, PlanOptions, StageFacts, cacheable, carried_out_here, plan_stage
from engine.stages import stage

NOW = 1_000.0
MADE = Fingerprint("f" * 64, {"file a": "2", "file b": "1"})
KEPT = KeptResult("20260301-120000-c0ffee0-aa", 900.0)
DEPLOY = stage("staging", uses="deploy", environment="staging", steps=())


def planned(facts: StageFacts, **options: Any) -> tuple[Action, str]:
    found = plan_stage(facts, PlanOptions(**options), NOW)
    assert found.stage == facts.stage.id
    return found.action, found.reason


def test_what_passed_on_the_same_inputs_is_restored() -> None:
    assert planned(StageFacts(stage("unit"), MADE, KEPT)) == (Action.RESTORE, f"unchanged since run {KEPT.run}")


def test_what_never_passed_runs() -> None:
    assert planned(StageFacts(stage("unit"), MADE)) == (Action.RUN, "never passed here")


@pytest.mark.parametrize(
    ("latest", "reason"),
    [
        ({"file a": "1", "file b": "1"}, "1 input changed"),
        ({"file c": "1"}, "3 inputs changed"),
    ],
)
def test_changed_inputs_are_counted_and_listed(latest: dict[str, str], reason: str) -> None:
    facts = StageFacts(stage("unit"), MADE, latest=latest)
    assert planned(facts) == (Action.RUN, reason)
    assert len(plan_stage(facts, PlanOptions(), NOW).changes) == int(reason[0])


def test_a_stage_whose_inputs_are_not_known_is_never_restored() -> None:
    facts = StageFacts(stage("unit"), MADE, KEPT, uncertain="its input 'x' matches no file")
    assert planned(facts) == (Action.RUN, "never restored: its input 'x' matches no file")


def test_no_cache_runs_everything() -> None:
    assert planned(StageFacts(stage("unit"), MADE, KEPT), no_cache=True) == (Action.RUN, "--no-cache")


def test_a_hotfix_skips_only_the_stages_that_say_so() -> None:
    skipped = stage("chaos").model_copy(update={"hotfix_skips": True})
    assert planned(StageFacts(skipped, MADE, KEPT), hotfix="prices are wrong") == (
        Action.SKIP,
        "hotfix: prices are wrong",
    )
    assert planned(StageFacts(skipped, MADE, KEPT))[0] is Action.RESTORE
    assert planned(StageFacts(stage("unit"), MADE, KEPT), hotfix="prices are wrong")[0] is Action.RESTORE


def test_a_deployment_is_never_restored() -> None:
    assert not cacheable(DEPLOY)
    assert planned(StageFacts(DEPLOY, MADE, KEPT))[0] is Action.RUN


def test_what_looks_at_a_release_that_is_still_to_be_built_runs() -> None:
    assert planned(StageFacts(stage("sbom"), None)) == (Action.RUN, "its input is the release that this run builds")


@pytest.mark.parametrize(("until", "action"), [(None, Action.RESTORE), (NOW + 0.1, Action.RESTORE), (NOW, Action.RUN)])
def test_a_waiver_that_has_run_out_makes_the_stage_run(until: float | None, action: Action) -> None:
    kept = KeptResult("r", 900.0, valid_until=until)
    assert planned(StageFacts(stage("unit"), MADE, kept))[0] is action


@pytest.mark.parametrize(("age", "action"), [(59.9, Action.RESTORE), (60.0, Action.RUN)])
def test_an_approval_that_has_expired_makes_the_stage_run(age: float, action: Action) -> None:
    asking = stage("uat").model_copy(update={"approval": Approval(expires=60.0)})
    assert planned(StageFacts(asking, MADE, KeptResult("r", NOW - age)))[0] is action


def test_a_release_that_is_no_longer_in_the_store_is_built_again() -> None:
    kept = KeptResult("r", 900.0, release_missing=True)
    assert planned(StageFacts(stage("build"), MADE, kept)) == (
        Action.RUN,
        "its release, or an image of it, is no longer in the store",
    )


def test_a_result_that_does_not_count_is_not_restored_and_the_reason_is_told() -> None:
    facts = StageFacts(stage("unit"), MADE, doubt="it is signed by a key that is not believed here")
    assert planned(facts) == (
        Action.RUN, "its kept result does not count: it is signed by a key that is not believed here",
    )  # fmt: skip


def test_the_deployment_of_another_job_counts_for_the_same_release_only() -> None:
    assert planned(StageFacts(DEPLOY, MADE, KEPT, elsewhere=True))[0] is Action.RESTORE
    assert planned(StageFacts(DEPLOY, MADE, elsewhere=True)) == (Action.RUN, "never passed here")
    assert planned(StageFacts(DEPLOY, None, elsewhere=True))[0] is Action.RUN
    assert planned(StageFacts(DEPLOY, MADE, KEPT, elsewhere=True), no_cache=True)[0] is Action.RUN


@pytest.mark.parametrize(("acting", "action"), [(Action.RESTORE, Action.RESTORE), (Action.RUN, Action.RUN)])
def test_a_deployment_is_repeated_where_a_stage_acts_on_its_environment(acting: Action, action: Action) -> None:
    """The environment of another machine is not this one's: there would be no release to act on."""
    uat = stage("uat").model_copy(update={"environment": "staging"})
    elsewhere = stage("smoke").model_copy(update={"environment": "preview"})
    kept = PlannedStage("staging", Action.RESTORE, "unchanged", MADE)
    others = (PlannedStage("uat", acting, "because", MADE), PlannedStage("smoke", Action.RUN, "because", MADE))
    found, *rest = carried_out_here((DEPLOY, uat, elsewhere), (kept, *others))
    assert (found.action, tuple(rest)) == (action, others)
    if action is Action.RUN:
        assert found.reason == "uat acts on staging here"
