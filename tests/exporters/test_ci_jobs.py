"""The jobs follow from what stages use and need, for a pipeline of any shape."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.errors import BadInput
from dawsos.exporters.ci_jobs import CiJob, approving, ci_jobs, home, locks, to_install, turn, variables, waiting
from dawsos.model.exports import CiEnvironment, CiOptions
from dawsos.model.observability import Observability, TraceServer
from dawsos.model.pipeline import Stage
from exporters.pipelines import BUILD, CANARY, LINT, STAGING, UAT, WHOLE, pipeline

REGIONS = "environments: {eu: {replicas: 1}, us: {replicas: 1}}"


def shape(*stages: str, **more: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return name -> (stages, needed jobs) of the jobs, in their order."""
    return {job.name: (job.ids, job.needs) for job in ci_jobs(pipeline(*stages, **more))}


def job(name: str, *stages: str) -> CiJob:
    return next(job for job in ci_jobs(pipeline(*stages)) if job.name == name)


def test_the_jobs_of_a_whole_pipeline_are_those_of_the_request() -> None:
    sbom = '{id: sbom, needs: [build], steps: [{run: "true"}], gates: [exit_status]}'
    assert shape(LINT, BUILD, sbom, STAGING, UAT, CANARY) == {
        "quality-gates": (("lint",), ()),
        "build-artifacts": (("build", "sbom"), ("quality-gates",)),
        "deploy-staging": (("staging", "uat"), ("build-artifacts",)),
        "deploy-production": (("canary",), ("deploy-staging",)),
    }


def test_a_pipeline_that_deploys_nothing_has_quality_gates_only() -> None:
    assert shape(LINT) == {"quality-gates": (("lint",), ())}


def test_without_staging_the_rollout_follows_the_build() -> None:
    rollout = CANARY.replace("uat", "build")
    assert shape(LINT, BUILD, rollout)["deploy-production"] == (("canary",), ("build-artifacts",))


def test_without_a_rollout_the_last_deployment_ends_it() -> None:
    assert list(shape(LINT, BUILD, STAGING)) == ["quality-gates", "build-artifacts", "deploy-staging"]


def test_parallel_deployments_are_jobs_beside_each_other() -> None:
    branches = [
        f"{{id: {name}, needs: [build], uses: deploy, environment: {name}, gates: [exit_status]}}"
        for name in ("eu", "us")
    ]
    both = '{id: compare, needs: [eu, us], steps: [{run: "true"}], gates: [exit_status]}'
    assert shape(LINT, BUILD, *branches, both, more=REGIONS) == {
        "quality-gates": (("lint",), ()),
        "build-artifacts": (("build",), ("quality-gates",)),
        "deploy-eu": (("eu",), ("build-artifacts",)),
        "deploy-us": (("us", "compare"), ("build-artifacts", "deploy-eu")),
    }


def test_what_comes_before_a_deployment_is_in_a_line_also_where_no_stage_asks_for_it() -> None:
    alone = BUILD.replace("needs: [lint], ", "")
    deployed = STAGING.replace("needs: [build], ", "")
    assert shape(LINT, alone, deployed) == {
        "quality-gates": (("lint",), ()),
        "build-artifacts": (("build",), ("quality-gates",)),
        "deploy-staging": (("staging",), ("build-artifacts",)),
    }


def test_the_order_of_the_file_does_not_matter() -> None:
    assert set(shape(*reversed(WHOLE))) == set(shape(*WHOLE))
    assert list(shape(*reversed(WHOLE))) == list(shape(*WHOLE))


BASE = pipeline(LINT, more=REGIONS)
USES: tuple[dict[str, Any], ...] = (
    {"uses": "release"}, {"steps": [{"run": "true"}]}, {"uses": "deploy", "environment": "eu"},
    {"steps": [{"run": "true"}], "environment": "eu"}, {"steps": [{"run": "true"}], "environment": "us"},
)  # fmt: skip


@given(st.data())
def test_each_stage_is_in_one_job_after_those_that_it_needs(data: st.DataObject) -> None:
    ids = [f"s{number}" for number in range(data.draw(st.integers(1, 7)))]
    stages = []
    for number, name in enumerate(ids):
        needs = data.draw(st.lists(st.sampled_from(ids[:number]), unique=True)) if number else []
        use = data.draw(st.sampled_from(USES))
        stages.append(Stage(id=name, needs=tuple(needs), gates=BASE.stages[0].gates, **use))
    made = ci_jobs(BASE.model_copy(update={"stages": tuple(stages)}))
    assert sorted(name for job in made for name in job.ids) == ids
    done: set[str] = set()
    reached: dict[str, set[str]] = {}
    for one in made:
        assert set(one.needs) <= done
        reached[one.name] = {one.name}.union(*(reached[name] for name in one.needs))
        # The results of a job hold those of the jobs before it: what a stage needs was loaded, or is in the same job.
        at_hand = {stage for other in made if other.name in reached[one.name] for stage in other.ids}
        assert {need for stage in one.stages for need in stage.needs} <= at_hand
        done.add(one.name)


def test_an_approval_is_given_by_the_start_of_the_next_environment() -> None:
    assert job("deploy-staging", *WHOLE).waits
    assert [stage.id for stage in job("deploy-production", *WHOLE).approves] == ["uat"]
    assert not job("deploy-production", *WHOLE).waits


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((LINT, BUILD, STAGING, UAT), "what needs uat is nothing"),
        ((LINT.replace("budget: 4m", "approval: {role: owner}"), BUILD), "what needs lint is in build-artifacts"),
        ((LINT, BUILD, STAGING, UAT.replace("role: owner", "needed: 2"), CANARY), "needs 2 people"),
    ],
    ids=["nothing follows", "a job without an environment follows", "two people"],
)
def test_an_approval_that_ci_cannot_ask_for_is_refused(stages: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message) as refused:
        ci_jobs(pipeline(*stages))
    assert refused.value.fix


def test_the_end_by_the_ci_service_comes_after_every_budget_and_attempt() -> None:
    assert job("quality-gates", LINT).timeout_minutes == 4 * 2 + 15
    once = CANARY.replace("budget: 1h", "budget: 90s, retry: {attempts: 1}")
    assert job("deploy-production", *WHOLE[:-1], once).timeout_minutes == 2 + 15


def test_the_users_of_a_local_environment_are_on_a_runner_that_keeps_it() -> None:
    made, options = pipeline(*WHOLE), CiOptions()
    assert home(made, options, None) is None
    assert home(made, options, "staging") is None
    assert home(made, options, "production") == "/var/lib/dawsos/shop-production"
    chosen = CiOptions(environments={"production": CiEnvironment(home="/srv/shop")})
    assert home(made, chosen, "production") == "/srv/shop"


def test_environments_that_keep_their_runs_in_one_folder_wait_for_each_other() -> None:
    made = pipeline(*WHOLE)
    assert turn(made, CiOptions(), "staging") == "deploy-staging"
    assert turn(made, CiOptions(), "production") == "deploy-production"
    shared = CiEnvironment(home="/srv/shop")
    options = CiOptions(environments={"staging": shared, "production": shared})
    assert {turn(made, options, name) for name in ("staging", "production")} == {"deploy-staging"}


def test_a_job_gets_the_variables_of_its_environments_and_the_secrets_of_its_stages() -> None:
    scan = '{id: scan, pass_env: [TOKEN, HTTPS_PROXY], steps: [{run: "true"}], gates: [exit_status]}'
    made = pipeline(scan, *WHOLE)
    gates, production = ci_jobs(made)[0], ci_jobs(made)[-1]
    assert variables(made, CiOptions(), gates) == ()
    assert variables(made, CiOptions(secrets=("TOKEN",)), gates) == ("TOKEN",)
    assert variables(made, CiOptions(), production) == ("API_KEY",)
    # And the token with which the ship asks at its end what observes production.
    traces = TraceServer(url="https://jaeger.example.org", token="TRACES_TOKEN")
    settings = made.environment("production").model_copy(update={"observability": Observability(traces=traces)})
    watched = made.model_copy(update={"environments": {**made.environments, "production": settings}})
    assert variables(watched, CiOptions(), production) == ("API_KEY", "TRACES_TOKEN")


def test_the_tool_is_installed_unless_the_repository_has_it() -> None:
    assert to_install(CiOptions(package="dawsos-pipeline==9.9")) == ("dawsos-pipeline==9.9",)
    assert to_install(CiOptions(requirements="ci.txt"))[:2] == ("--require-hashes", "--no-deps")
    assert to_install(CiOptions(command="./dawsos")) == ()
    assert to_install(CiOptions())[0].startswith("dawsos-pipeline==")


def test_a_cache_is_named_by_the_locks_that_fill_it() -> None:
    made = pipeline(LINT)
    assert locks(made, CiOptions(requirements="ci.txt")) == ("tools.txt", "ci.txt")
    assert locks(made, CiOptions(command="./dawsos")) == ("tools.txt", "requirements/tool.txt")


@pytest.mark.parametrize(("ended", "seen"), [(0, 0), (75, 0), (1, 1), (4, 4)])
def test_a_job_that_waits_for_an_approval_passes_and_a_red_one_does_not(ended: int, seen: int) -> None:
    script = waiting(f"(exit {ended})", "echo told")
    done = subprocess.run(["sh", "-eu", "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (seen, "told\n" if ended in (0, 75) and seen == 0 and ended else "")


@pytest.mark.parametrize(
    ("approves", "resumes", "ended", "said"),
    [
        (0, 0, 0, "approve r1 --as ada --reason seen\nresume r1\n"),
        (2, 0, 0, "approve r1 --as ada --reason seen\n"),
        (0, 1, 1, None),
    ],
    ids=["approved", "decided already", "red after it"],
)
def test_what_waits_is_approved_and_goes_on(approves: int, resumes: int, ended: int, said: str | None) -> None:
    tool = f'tool() {{ echo "$@"; case "$1" in approve) return {approves} ;; *) return {resumes} ;; esac; }}'
    script = f"{tool}; {approving(CiOptions(command='tool'), '$RUN', '$WHO', '$WHY')}"
    variables = {"RUN": "r1", "WHO": "ada", "WHY": "seen"}
    done = subprocess.run(["sh", "-eu", "-c", script], env=variables, check=False, capture_output=True, text=True)
    assert done.returncode == ended, done.stderr
    assert said is None or done.stdout == said


def test_refused_options_are_told() -> None:
    with pytest.raises(ValueError, match="write one of them"):
        CiOptions(package="dawsos-pipeline==1.0", requirements="ci.txt")
    with pytest.raises(ValueError, match="nothing is installed"):
        CiOptions(command="./dawsos", package="dawsos-pipeline==1.0")
    with pytest.raises(ValueError, match="pattern"):
        CiOptions(branch="main'; rm")
