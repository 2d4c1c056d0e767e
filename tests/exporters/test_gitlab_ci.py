"""The GitLab pipeline has the jobs of the GitHub workflow, with GitLab's own means."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML

from dawsos.exporters.gitlab_ci import render
from dawsos.model.exports import CiEnvironment, GitlabCiOptions
from dawsos.model.pipeline import Pipeline
from exporters.pipelines import LINT, WHOLE, pipeline

MADE, OPTIONS = pipeline(*WHOLE), GitlabCiOptions()


def document(made: Pipeline = MADE, options: GitlabCiOptions = OPTIONS) -> dict[str, Any]:
    read: dict[str, Any] = YAML(typ="safe", pure=True).load(render(made, options)[".gitlab-ci.yml"])
    return read


def test_the_jobs_need_each_other_as_the_stages_do() -> None:
    made = document()
    assert made["stages"] == ["quality-gates", "build-artifacts", "deploy-staging", "deploy-production", "operations"]
    needs = {name: [need["job"] for need in made[name]["needs"]] for name in made["stages"][:-1]}
    assert needs == {
        "quality-gates": [],
        "build-artifacts": ["quality-gates"],
        "deploy-staging": ["build-artifacts"],
        "deploy-production": ["deploy-staging"],
    }


def test_a_job_takes_the_results_that_the_job_before_it_saves() -> None:
    made = document()
    (saved,) = [line for line in made["quality-gates"]["after_script"] if "results save" in line]
    path = saved.split()[-1]
    assert path in made["quality-gates"]["artifacts"]["paths"]
    assert f"dawsos results load {path}" in made["build-artifacts"]["script"]


def test_a_newer_commit_ends_what_comes_before_a_deployment_and_nothing_else() -> None:
    made = document()
    assert made["workflow"]["auto_cancel"] == {"on_new_commit": "conservative"}
    interruptible = {name: made[name]["interruptible"] for name in made["stages"][:-1]}
    assert interruptible == {
        "quality-gates": True,
        "build-artifacts": True,
        "deploy-staging": False,
        "deploy-production": False,
    }
    rollback = made["workflow"]["rules"][0]
    assert rollback == {"if": "$ROLLBACK_REASON", "auto_cancel": {"on_new_commit": "none"}}
    assert (made["rollback"]["interruptible"], made["verify"]["interruptible"]) == (False, False)


def test_an_approval_is_the_start_of_the_job_by_a_person() -> None:
    made = document()
    assert made["deploy-production"]["rules"][-1] == {"if": '$CI_COMMIT_BRANCH == "main"', "when": "manual"}
    assert 'dawsos approve "$run" --as "$GITLAB_USER_LOGIN"' in made["deploy-production"]["script"][-2]
    assert "when" not in made["deploy-staging"]["rules"][-1]
    assert "75" in made["deploy-staging"]["script"][-1]
    note = ".dawsos/ci/waits-deploy-staging"
    assert note in made["deploy-staging"]["script"][-1]
    assert note in made["deploy-staging"]["artifacts"]["paths"]
    assert note in made["deploy-production"]["script"][-2]


def test_a_merge_request_deploys_nothing() -> None:
    made = document()
    event = '$CI_PIPELINE_SOURCE == "merge_request_event"'
    runs = [name for name, job in made.items() if isinstance(job, dict) and {"if": event} in job.get("rules", ())]
    assert runs == ["workflow", "merge-request"]
    assert made["merge-request"]["script"][-1] == "dawsos run --profile production"
    for name in made["stages"][:-1]:
        assert {"if": event, "when": "never"} in made[name]["rules"]


def test_a_rollback_and_a_schedule_ship_nothing() -> None:
    made = document()
    for name in made["stages"][:-1]:
        assert [rule["if"] for rule in made[name]["rules"] if rule.get("when") == "never"][1:] == [
            "$ROLLBACK_REASON",
            '$CI_PIPELINE_SOURCE == "schedule"',
        ]
    assert made["rollback"]["needs"] == []
    assert made["verify"]["script"][-1] == "dawsos verify"


def test_what_acts_on_the_users_environment_runs_where_that_is_kept() -> None:
    options = GitlabCiOptions(environments={"production": CiEnvironment(runs_on=("shop",), home="/srv/shop")})
    made = document(options=options)
    for name in ("deploy-production", "rollback", "verify"):
        assert (made[name]["tags"], made[name]["variables"]) == (["shop"], {"DAWSOS_HOME": "/srv/shop"})
        assert "image" not in made[name]
        assert document()[name]["tags"] == ["production"]
    assert made["deploy-staging"]["image"] == "python:3.12"


def test_a_pipeline_that_deploys_nothing_has_no_operations() -> None:
    made = document(pipeline(LINT, more=""))
    assert made["stages"] == ["quality-gates"]
    assert "rollback" not in made


def test_sigstore_gets_the_identity_of_the_job() -> None:
    signing = "signing: {sigstore: auto}\nenvironments: {staging: {}, production: {}}"
    made = document(pipeline(*WHOLE, more=signing))
    assert all(made[name]["id_tokens"] == {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}} for name in made["stages"][:-1])
    assert "id_tokens" not in made["merge-request"]
    assert not any("id_tokens" in job for job in document().values() if isinstance(job, dict))
