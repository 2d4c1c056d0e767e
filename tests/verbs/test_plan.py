"""``plan``: what would run, what would be restored, and why; and a run does just that."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from dawsos.adapters import git, git_checkout
from dawsos.model.plan import Action
from dawsos.runs.project import find_project
from dawsos.verbs.execution import Options
from dawsos.verbs.plan import plan
from dawsos.verbs.run import run
from dawsos.verbs.ship import ship
from projects import TinyProject
from verbs.on_paper import APPROVED, Shipping, committed, silent, states

ENDED = {Action.RUN: "passed", Action.RESTORE: "restored", Action.SKIP: "skipped"}
HOUR = 3600.0


def actions(good: TinyProject, *wanted: str) -> list[tuple[str, str, str]]:
    return [(one.stage, one.action, one.reason) for one in plan(find_project(good.path), wanted).stages]


def test_what_never_passed_would_run(good: TinyProject) -> None:
    assert actions(good) == [("lint", "run", "never passed here"), ("unit", "run", "never passed here")]
    assert actions(good, "lint") == [("lint", "run", "never passed here")]


def test_what_passed_would_be_restored_until_an_input_changes(good: TinyProject) -> None:
    assert good.dawsos("run").code == 0
    run = good.dawsos("show", "--json").json["id"]
    unchanged = f"unchanged since run {run}"
    assert actions(good) == [("lint", "restore", unchanged), ("unit", "restore", unchanged)]
    text = (good.path / "pipeline.yaml").read_text()
    (good.path / "pipeline.yaml").write_text(text.replace("GREETING: hello", "GREETING: goodbye"))
    assert actions(good, "unit") == [("lint", "restore", unchanged), ("unit", "run", "1 input changed")]
    (changed,) = plan(find_project(good.path), ("unit",)).stages[1].changes
    assert changed == "changed  env GREETING"


def test_the_plan_of_a_ship_is_about_the_commit(good: TinyProject) -> None:
    """The plan was made of the working tree, and the ship that followed did something else."""
    assert good.dawsos("run").code == 0
    kept = actions(good)
    path = good.path / "pipeline.yaml"
    path.write_text(path.read_text().replace("GREETING: hello", "GREETING: goodbye"))
    (good.path / "test.sh").write_text("true # changed\n")
    assert actions(good) == kept
    assert [action for _, action, _ in actions(good, "unit")] == ["run", "run"]
    assert good.dawsos("ship").code == 0
    stages = good.dawsos("show", "--json").json["stages"]
    assert [stage["state"] for stage in stages.values()] == ["restored", "restored"]


def test_a_working_tree_that_cannot_be_read_is_no_matter_of_the_plan_of_a_ship(good: TinyProject) -> None:
    (good.path / "pipeline.yaml").write_text("version: 2\n")
    assert [stage for stage, _, _ in actions(good)] == ["lint", "unit"]


def test_a_plan_leaves_the_checkout_of_a_ship_under_way_alone(good: TinyProject) -> None:
    project, sha = find_project(good.path), git.commit(good.path).sha
    root = git_checkout.checkout(good.path, sha, project.checkout(sha))
    (root / "test.sh").write_text("exit 1\n")
    (root / "made.txt").write_text("of a step\n")
    (good.path / "test.sh").write_text("true # changed\n")
    assert [action for _, action, _ in actions(good)] == ["run", "run"]
    assert ((root / "test.sh").read_text(), (root / "made.txt").exists()) == ("exit 1\n", True)
    assert [path.name for path in project.checkout(sha).parent.iterdir()] == [root.name]


def test_a_profile_that_the_file_does_not_have_is_refused_as_ship_refuses_it(good: TinyProject) -> None:
    for verb in ("plan", "ship"):
        said = good.dawsos(verb, "--profile", "lapdog")
        assert (said.code, "unknown profile 'lapdog'; there are: production, laptop" in said.err) == (2, True)


def as_planned(shipping: Shipping) -> dict[str, str]:
    """Plan a ship and ship; the same must come of each stage.  Return what was planned."""
    planned = {one.stage: one.action for one in plan(shipping.project, ()).stages}
    ended = ship(shipping.project, APPROVED, silent)
    assert ended.exit_code == 0
    assert states(shipping, ended.run) == {stage: ENDED[action] for stage, action in planned.items()}
    return {stage: str(action) for stage, action in planned.items()}


def approval_expired(shipping: Shipping) -> None:
    shipping.clock.elapsed += 2 * HOUR


def release_gone(shipping: Shipping) -> None:
    shutil.rmtree(shipping.project.releases)


def kept_result_altered(shipping: Shipping) -> None:
    (steps,) = shipping.project.cache.glob("lint/*/artifacts/steps.json")
    steps.write_text("[]")


def kept_result_not_signed_here(shipping: Shipping) -> None:
    (kept,) = shipping.project.cache.glob("chaos/*/result.json")
    kept.write_text(kept.read_text().replace('"measured"', '"measured" '))
    assert '"exit_status"' in kept.read_text()
    kept.write_text(kept.read_text().replace('"pass"', '"fail"'))


def another_commit(shipping: Shipping) -> None:
    committed(shipping)


def an_input_changed(shipping: Shipping) -> None:
    (shipping.project.root / "check.sh").write_text("true # changed\n")
    committed(shipping)


def nothing(_shipping: Shipping) -> None:
    pass


# What happened since a ship of everything, and which stages run then; the others are restored.
STATES: dict[str, tuple[Callable[[Shipping], None], set[str]]] = {
    "nothing": (nothing, set()),
    "approval expired": (approval_expired, {"uat"}),
    "release gone": (release_gone, {"build", "uat"}),
    "altered": (kept_result_altered, {"lint"}),
    "not signed here": (kept_result_not_signed_here, {"chaos"}),
    "another commit": (another_commit, {"build", "uat"}),
    "an input changed": (an_input_changed, {"lint", "chaos", "build", "uat"}),
}


@pytest.mark.parametrize(("happens", "runs"), STATES.values(), ids=STATES)
def test_a_ship_does_what_was_planned_whatever_the_cache_has(
    happens: Callable[[Shipping], None], runs: set[str], shipping: Shipping
) -> None:
    assert set(as_planned(shipping).values()) == {"run"}
    happens(shipping)
    planned = as_planned(shipping)
    assert {stage for stage, action in planned.items() if action == "run"} == runs | {"release-it"}
    assert set(planned.values()) <= {"run", "restore"}
    # And once more: what ran anew is kept anew.
    assert {stage for stage, action in as_planned(shipping).items() if action == "run"} == {"release-it"}


def test_an_approval_that_is_too_old_is_asked_for_again_as_planned(shipping: Shipping) -> None:
    """The plan said that it would be restored, and the run asked a person again."""
    options = Options("production", "Ada", "seen", stages=("uat",))
    assert run(shipping.project, options, silent).exit_code == 0
    assert plan(shipping.project, ("uat",)).stage("uat").action is Action.RESTORE
    shipping.clock.elapsed += HOUR
    planned = plan(shipping.project, ("uat",))
    assert (planned.stage("uat").action, planned.stage("uat").reason) == (Action.RUN, "its approval is too old")
    ended = run(shipping.project, options, silent)
    told = {"lint": "restored", "chaos": "restored", "build": "restored", "uat": "passed"}
    assert states(shipping, ended.run) == told


def test_a_release_that_is_gone_is_built_again_as_planned(shipping: Shipping) -> None:
    """The plan said that its build would be restored, and the run built it again, and all that looks at it."""
    options = Options("production", "Ada", "seen", stages=("uat",))
    assert run(shipping.project, options, silent).exit_code == 0
    release_gone(shipping)
    planned = plan(shipping.project, ("uat",))
    assert planned.stage("build").reason == "its release, or an image of it, is no longer in the store"
    assert planned.stage("uat").reason == "its input is the release that this run builds"
    ended = run(shipping.project, options, silent)
    assert states(shipping, ended.run) == {one.stage: ENDED[one.action] for one in planned.stages}
    assert ENDED[planned.stage("build").action] == "passed"
