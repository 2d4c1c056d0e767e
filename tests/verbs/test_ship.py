"""``ship``: a commit goes through every stage to its users, or is refused before anything has run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dawsos.adapters import git, git_checkout
from dawsos.adapters.identity import IDENTITY_VARIABLES
from dawsos.adapters.locks import owned
from dawsos.errors import EXIT_WAITING
from dawsos.model.run import ChangedFiles, Run
from dawsos.platforms.contract import Roles
from dawsos.reporting.summary import headline, not_checked
from dawsos.runs.lifecycle import RunOutcome
from dawsos.runs.project import find_project, load, load_run, open_tools
from dawsos.verbs.execution import Options
from dawsos.verbs.rollback import Request, rollback
from dawsos.verbs.ship import ship
from projects import Said, TinyProject
from support.memory_platform import URL
from support.paper import erring
from verbs.on_paper import APPROVED, Shipping, committed, finished, interrupted, silent, states


def passed(run: Run) -> list[str]:
    """Return the checks after the deployment that passed; what is not configured here is not checked."""
    assert {check.result for check in run.verified} == {"pass", "not_checked"}
    return [check.name for check in run.verified if check.passed]


def test_a_commit_comes_to_its_users_and_is_verified(shipping: Shipping) -> None:
    ended = ship(shipping.project, APPROVED, silent)
    assert finished(shipping, ended) == (0, "passed", "every stage passed")
    assert ended.url == URL
    run = load_run(shipping.tools, ended.run)
    assert (run.command, run.commit, run.ref, run.profile) == ("ship", shipping.commit.sha, "main", "production")
    assert set(states(shipping, ended.run).values()) == {"passed"}
    assert passed(run) == ["health", "version", "metrics"]
    assert shipping.serving().commit == shipping.commit.sha


def test_a_canary_that_the_judge_rejects_rolls_the_ship_back(shipping: Shipping) -> None:
    first = shipping.commit.sha
    assert ship(shipping.project, APPROVED, silent).exit_code == 0
    before = shipping.live.roles.stable
    committed(shipping)
    shipping.live.script = erring
    ended = ship(shipping.project, APPROVED, silent)
    code, result, reason = finished(shipping, ended)
    assert (code, result) == (4, "rolled_back")
    assert reason.startswith("stage release-it: ")
    assert states(shipping, ended.run)["release-it"] == "rolled_back"
    assert (shipping.serving().commit, shipping.live.roles) == (first, Roles(before, None, None, 0))


def test_what_serves_something_else_than_was_shipped_fails_the_ship(
    shipping: Shipping, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def get(url: str, *, token: str = "") -> dict[str, Any]:
        return {"status_code": 200, "body": {"status": "healthy", "version": "another"}, "headers": {}, "error": ""}

    monkeypatch.setattr("dawsos.actions.verification.get", get)
    code, result, reason = finished(shipping, ship(shipping.project, APPROVED, silent))
    assert (code, result) == (1, "failed")
    assert reason == f"verification: version: another (wanted {shipping.commit.sha})"


def test_a_ship_waits_for_a_person(shipping: Shipping) -> None:
    ended = ship(shipping.project, Options(profile="production"), silent)
    assert (ended.exit_code, load_run(shipping.tools, ended.run).unfinished) == (EXIT_WAITING, True)
    assert shipping.live.deployments == {}


def test_a_hotfix_skips_the_stages_that_say_so_and_no_other(shipping: Shipping) -> None:
    ended = ship(shipping.project, Options("production", "Ada", "seen", hotfix="prices are wrong"), silent)
    assert finished(shipping, ended)[:2] == (0, "passed")
    told = states(shipping, ended.run)
    assert told == {**dict.fromkeys(told, "passed"), "chaos": "skipped"}
    assert load_run(shipping.tools, ended.run).stages["chaos"].reason == "hotfix: prices are wrong"


def test_a_ship_takes_the_commit_whatever_lies_in_the_working_tree(shipping: Shipping) -> None:
    (shipping.project.root / "pipeline.yaml").write_text("this is no pipeline")
    ended = ship(shipping.project, APPROVED, silent)
    assert finished(shipping, ended)[:2] == (0, "passed")
    assert load_run(shipping.tools, ended.run).dirty == 1


def test_a_ship_that_production_would_refuse_for_its_key_is_not_begun(
    good: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in IDENTITY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    text = (good.path / "pipeline.yaml").read_text()
    signing = "signing: {sigstore: required, identity: me, issuer: 'https://ci.example'}\n"
    (good.path / "pipeline.yaml").write_text(text + signing)
    good.commit("a certificate is required")
    told = good.dawsos("ship")
    assert (told.code, good.dawsos("history", "--json").json) == (2, [])
    assert "signing.sigstore: required" in told.err
    (good.path / "pipeline.yaml").write_text(text + signing.replace("required", "off"))
    # In YAML that may be read as false.
    assert load(good.path).signing.sigstore == "off"


def rewritten(good: TinyProject, lint: str) -> tuple[Said, Run]:
    """Ship a commit whose stage lint does ``lint`` as well, and return the run too."""
    path = good.path / "pipeline.yaml"
    text = path.read_text()
    assert "sh -n test.sh" in text
    path.write_text(text.replace("sh -n test.sh", json.dumps(lint)))
    good.commit("changed")
    said = good.dawsos("ship", "--no-cache")
    return said, load_run(open_tools(find_project(good.path)), "last")


def test_what_a_step_makes_of_the_commit_is_put_back_before_the_next_stage_and_said(good: TinyProject) -> None:
    """The fingerprint, and all that is signed, says that the stage saw the files of the commit."""
    said, run = rewritten(good, "echo exit 1 > test.sh; echo x > new.txt")
    assert said.code == 0, said
    assert run.changed_files == (ChangedFiles("unit", "put back", ("test.sh",), 1),)
    assert "test.sh had been changed by an earlier step, and was put back before this stage" in said.out
    assert [(remark.where, "test.sh" in remark.what) for remark in not_checked(run)][:1] == [("unit", True)]


def test_also_when_a_step_commits_what_it_made(good: TinyProject) -> None:
    lint = "echo exit 1 > test.sh; git -c user.name=a -c user.email=a@example.org commit -qam stamped"
    said, run = rewritten(good, lint)
    assert said.code == 0, said
    assert [changed.how for changed in run.changed_files] == ["put back"]


def test_a_ship_that_is_refused_touches_nothing_of_the_ship_under_way(good: TinyProject) -> None:
    """Both have one checkout, and a step of the other may be at work with what it made there."""
    tools = interrupted(good, "ship", ["lint"])
    sha = git.commit(good.path).sha
    root = git_checkout.checkout(good.path, sha, tools.project.checkout(sha))
    (root / "test.sh").write_text("exit 1\n")
    with owned(tools.project.deploy_lock, "the deployment"):
        assert good.dawsos("ship").code == 3
    assert (root / "test.sh").read_text() == "exit 1\n"


def partial(shipping: Shipping, *stages: str) -> RunOutcome:
    return ship(shipping.project, Options("production", "Ada", "seen", stages=stages), silent)


def test_the_stages_of_a_commit_may_be_shipped_one_after_the_other(shipping: Shipping) -> None:
    first = partial(shipping, "chaos")
    assert states(shipping, first.run) == {"lint": "passed", "chaos": "passed"}
    second = partial(shipping, "uat")
    assert states(shipping, second.run) == {"lint": "restored", "chaos": "restored", "build": "passed", "uat": "passed"}
    assert shipping.live.deployments == {}
    last = partial(shipping, "release-it")
    assert states(shipping, last.run) == {
        "lint": "restored", "chaos": "restored", "build": "restored", "uat": "restored", "release-it": "passed",
    }  # fmt: skip
    assert finished(shipping, last) == (0, "passed", "every stage passed")
    assert shipping.serving().commit == shipping.commit.sha
    assert passed(load_run(shipping.tools, last.run)) == ["health", "version", "metrics"]


def test_a_ship_that_ends_before_the_users_says_what_it_left_out_and_claims_nothing(shipping: Shipping) -> None:
    ended = partial(shipping, "uat")
    reason = "lint, chaos, build, uat passed; left to other ships: release-it"
    assert finished(shipping, ended) == (0, "passed", reason)
    assert ended.url == ""
    run = load_run(shipping.tools, ended.run)
    assert (run.left_out, run.ends_before_users, run.verified) == (("release-it",), True, ())
    assert headline(run).endswith("1 stage left to other ships. Production was not touched.")
    assert [remark.what for remark in not_checked(run) if remark.where == "1 stage"] == [
        "not part of this ship: release-it"
    ]
    assert [remark.where for remark in not_checked(run) if remark.where == "verification"] == []


def test_what_never_came_to_the_users_is_nothing_to_go_back_to(shipping: Shipping) -> None:
    """Its ship has passed, as it was asked for less."""
    ended = partial(shipping, "uat")
    release = load_run(shipping.tools, ended.run).release
    committed(shipping)
    assert ship(shipping.project, APPROVED, silent).exit_code == 0
    before = shipping.serving()
    assert release != before.digest
    code, _, reason = finished(shipping, rollback(shipping.project, Request("Ada", "why not", release), silent))
    assert (code, "was never promoted" in reason) == (1, True)
    assert shipping.serving() == before


def test_a_ship_of_some_stages_takes_the_variables_of_the_named_ones_only(
    good: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job that rolls out has no secrets of staging."""
    pipeline = good.path / "pipeline.yaml"
    text = pipeline.read_text().replace("stages:\n", "environments: {staging: {pass_env: [KEY]}}\nstages:\n", 1)
    text = text.replace(
        "rollout:\n",
        "  - {id: staging, needs: [lint], uses: deploy, environment: staging, gates: [health]}\nrollout:\n",
        1,
    )
    pipeline.write_text(text)
    good.commit("an environment with a secret")
    monkeypatch.delenv("KEY", raising=False)
    refused = good.dawsos("ship", "staging")
    assert (refused.code, "environments.staging.pass_env: KEY is not set" in refused.err) == (2, True)
    assert good.dawsos("ship", "unit").code == 0
