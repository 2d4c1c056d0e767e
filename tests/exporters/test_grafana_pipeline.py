"""The dashboard of the pipeline follows the stages and their budgets."""

from __future__ import annotations

from exporters.boards import boards, dawsos, limits, panel

BOARD = boards()["pipeline"]


def test_the_target_of_a_ship_is_drawn() -> None:
    assert limits(panel(BOARD, "Time of a ship, p95")) == [("green", None), ("red", 1500.0)]
    other = boards(duration=600)["pipeline"]
    assert limits(panel(other, "Time of a ship", "timeseries")) == [("green", None), ("red", 600.0)]


def test_the_target_is_for_the_work_before_the_rollout() -> None:
    """The ladder of production alone takes 35 minutes, and a person may take a day."""
    assert "ci_pipeline_time_to_canary_seconds_bucket" in panel(BOARD, "Time of a ship, p95")["targets"][0]["expr"]
    stages = tuple(stage for stage in dawsos().stages if stage.uses != "rollout")
    without = boards(dawsos().model_copy(update={"stages": stages}))["pipeline"]
    assert "ci_pipeline_duration_seconds_bucket" in panel(without, "Time of a ship, p95")["targets"][0]["expr"]


def test_a_full_bar_is_the_budget_of_the_stage() -> None:
    overrides = panel(BOARD, "Duration of stages, p95")["fieldConfig"]["overrides"]
    found = {each["matcher"]["options"]: {p["id"]: p["value"] for p in each["properties"]}["max"] for each in overrides}
    assert found == {stage.id: stage.budget for stage in dawsos().stages}
    assert found["unit"] == 480.0


def test_the_five_measures_of_dora_are_of_30_days() -> None:
    dora = [each for each in BOARD["panels"] if "dora_" in str(each.get("targets"))]
    assert len(dora) == 5
    assert {each["timeFrom"] for each in dora} == {"30d"}


def test_absence_has_a_meaning_only_where_there_may_be_no_data() -> None:
    assert panel(BOARD, "Approvals that wait")["fieldConfig"]["defaults"]["noValue"] == "nothing waits"
    # Without this one, nothing else on the page means anything.
    assert "noValue" not in panel(BOARD, "Age of the numbers")["fieldConfig"]["defaults"]


def test_what_an_alert_tells_is_red_here() -> None:
    other = boards(failure_rate=0.2, approval=3600, waiver=86400, stale=7200)["pipeline"]
    assert limits(panel(BOARD, "Runs that succeeded")) == [("red", None), ("green", 0.9)]
    assert limits(panel(other, "Runs that succeeded")) == [("red", None), ("green", 0.8)]
    assert limits(panel(other, "Approvals that wait")) == [("orange", None), ("red", 3600.0)]
    assert limits(panel(other, "Waivers that end")) == [("red", None), ("orange", 0), ("green", 86400.0)]
    assert limits(panel(other, "Age of the numbers")) == [("green", None), ("red", 7200.0)]
