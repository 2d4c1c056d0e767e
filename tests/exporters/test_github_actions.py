"""The workflows follow pipeline.yaml: jobs, order, rights, what ends what."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from dawsos.exporters.github_actions import render
from dawsos.model.exports import CiEnvironment, GithubActionsOptions
from dawsos.model.pipeline import Pipeline
from exporters.pipelines import BUILD, LINT, STAGING, WHOLE, pipeline

MADE, OPTIONS = pipeline(*WHOLE), GithubActionsOptions()
SIGNED = """\
environments: {staging: {replicas: 1}, production: {replicas: 1}}
signing: {sigstore: required, identity: "https://github.com/acme/shop/.github/workflows/deploy.yml@refs/heads/main", issuer: "https://token.actions.githubusercontent.com"}
"""


def workflow(name: str, made: Pipeline = MADE, options: GithubActionsOptions = OPTIONS) -> dict[str, Any]:
    read: dict[str, Any] = YAML(typ="safe", pure=True).load(render(made, options)[f".github/workflows/{name}.yml"])
    return read


def jobs(name: str = "deploy", made: Pipeline = MADE, options: GithubActionsOptions = OPTIONS) -> dict[str, Any]:
    found: dict[str, Any] = workflow(name, made, options)["jobs"]
    return found


def test_the_jobs_need_each_other_as_the_stages_do() -> None:
    assert {name: job.get("needs") for name, job in jobs().items()} == {
        "quality-gates": None,
        "build-artifacts": ["quality-gates"],
        "deploy-staging": ["build-artifacts"],
        "deploy-production": ["deploy-staging"],
    }


def test_nothing_is_granted_but_by_a_job_and_no_more_than_it_needs() -> None:
    for name in ("deploy", "pull-request", "rollback", "nightly"):
        assert workflow(name)["permissions"] == {}
    assert {name: job["permissions"] for name, job in jobs().items()} == {
        "quality-gates": {"contents": "read", "security-events": "write"},
        "build-artifacts": {"contents": "read", "security-events": "write"},
        "deploy-staging": {"contents": "read"},
        "deploy-production": {"contents": "read", "actions": "read"},
    }
    for name in ("pull-request", "rollback", "nightly"):
        assert [job["permissions"] for job in jobs(name).values()] == [{"contents": "read"}]


def test_an_identity_is_asked_for_by_jobs_that_sign_where_sigstore_is_used() -> None:
    signed = pipeline(*WHOLE, more=SIGNED)
    assert all(job["permissions"]["id-token"] == "write" for job in jobs(made=signed).values())
    for name in ("pull-request", "rollback", "nightly"):
        assert not any("id-token" in job["permissions"] for job in jobs(name, signed).values())
    assert "secrets." not in render(signed, OPTIONS)[".github/workflows/deploy.yml"]
    assert "environment" not in jobs(made=signed)["quality-gates"]


def test_a_pull_request_gets_no_secret_no_variable_and_no_deployment() -> None:
    text = render(MADE, OPTIONS)[".github/workflows/pull-request.yml"]
    assert "secrets." not in text
    assert "vars." not in text
    assert "pull_request_target" not in text
    assert list(jobs("pull-request")) == ["quality-gates"]
    assert "dawsos run --profile production" in text
    assert "pull_request" not in workflow("deploy")["on"]


def test_a_newer_commit_ends_what_comes_before_a_deployment_and_nothing_else() -> None:
    groups = {name: job["concurrency"] for name, job in jobs().items()}
    assert groups["quality-gates"] == groups["build-artifacts"]
    assert groups["quality-gates"]["cancel-in-progress"] is True
    later = [groups["deploy-staging"], groups["deploy-production"], workflow("rollback")["concurrency"]]
    assert [one["cancel-in-progress"] for one in later] == [False] * 3
    assert len({one["group"] for one in later}) == 3
    assert "concurrency" not in workflow("deploy")


def test_a_deployment_is_of_the_branch_and_guarded_by_an_environment() -> None:
    options = GithubActionsOptions(
        branch="release/1", environments={"production": CiEnvironment(url="https://shop.example")}
    )
    made = jobs(options=options)
    assert workflow("deploy", options=options)["on"]["push"] == {"branches": ["release/1"]}
    assert made["deploy-production"]["if"] == "github.ref == 'refs/heads/release/1'"
    assert made["deploy-production"]["environment"] == {"name": "production", "url": "https://shop.example"}
    assert made["deploy-staging"]["environment"] == {"name": "staging"}
    assert made["quality-gates"]["environment"] == {"name": "signing"}
    assert "if" not in made["quality-gates"]


def test_what_acts_on_the_users_environment_runs_where_that_is_kept() -> None:
    options = GithubActionsOptions(
        environments={"production": CiEnvironment(runs_on=("self-hosted", "shop"), home="/srv/shop")}
    )
    for name, job in (("deploy", "deploy-production"), ("rollback", "rollback"), ("nightly", "verify")):
        assert jobs(name, options=options)[job]["runs-on"] == ["self-hosted", "shop"]
        assert jobs(name, options=options)[job]["env"] == {"DAWSOS_HOME": "/srv/shop"}
        assert jobs(name)[job]["runs-on"] == ["self-hosted", "production"]
    assert jobs(options=options)["deploy-staging"]["runs-on"] == "ubuntu-latest"


def test_labels_that_github_does_not_know_are_told_to_actionlint() -> None:
    assert "- production\n" in render(MADE, OPTIONS)[".github/actionlint.yaml"]
    hosted = GithubActionsOptions(environments={"production": CiEnvironment(runs_on=("ubuntu-24.04",))})
    assert ".github/actionlint.yaml" not in render(MADE, hosted)


def test_a_pipeline_that_deploys_nothing_has_nothing_to_roll_back_or_verify() -> None:
    assert set(render(pipeline(LINT, more=""), OPTIONS)) == {
        ".github/workflows/deploy.yml",
        ".github/workflows/pull-request.yml",
    }


def test_without_a_rollout_the_last_deployment_is_what_is_rolled_back() -> None:
    made = pipeline(LINT, BUILD, STAGING)
    assert jobs("rollback", made)["rollback"]["name"] == "Roll back staging"


def test_what_a_person_types_reaches_a_command_only_as_a_variable() -> None:
    step = next(step for step in jobs("rollback")["rollback"]["steps"] if step["name"] == "Roll back")
    assert step["run"] == 'dawsos rollback --as "$ASKED_BY" --reason "$REASON" ${TO:+--to "$TO"}'
    assert step["env"]["REASON"] == "${{ inputs.reason }}"
    assert step["env"]["DAWSOS_TRUSTED_KEYS"] == jobs("nightly")["verify"]["steps"][-1]["env"]["DAWSOS_TRUSTED_KEYS"]
    for name in ("deploy", "pull-request", "rollback", "nightly"):
        for job in jobs(name).values():
            assert not any("${{" in step.get("run", "") for step in job["steps"])


def test_a_changed_budget_changes_the_timeout() -> None:
    longer = pipeline(LINT.replace("4m", "40m"), *WHOLE[1:])
    assert jobs(made=longer)["quality-gates"]["timeout-minutes"] == 95
    assert jobs()["quality-gates"]["timeout-minutes"] == 23


def test_findings_can_be_kept_from_code_scanning() -> None:
    off = GithubActionsOptions(sarif=False)
    assert "codeql" not in render(MADE, off)[".github/workflows/deploy.yml"]
    assert "security-events" not in jobs(options=off)["quality-gates"]["permissions"]


def test_the_nightly_runs_when_the_option_says() -> None:
    assert workflow("nightly")["on"]["schedule"] == [{"cron": "17 3 * * *"}]
    assert workflow("nightly", options=GithubActionsOptions(nightly="0 4 * * 1-5"))["on"]["schedule"] == [
        {"cron": "0 4 * * 1-5"}
    ]


@pytest.mark.parametrize("path", render(MADE, OPTIONS))
def test_every_action_is_pinned_and_its_tag_is_beside_it(path: str) -> None:
    for line in render(MADE, OPTIONS)[path].splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
        if "persist-credentials" in line:
            assert line.endswith("false")
