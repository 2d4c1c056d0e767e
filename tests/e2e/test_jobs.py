"""A commit goes to production in four jobs on four machines: each has a clone, a home and the results of the job before it.

What is played is the machine of a CI service, with its fresh checkout and its variables.  The processes, the Envoy, the release and
the canary are real.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dawsos.adapters.archive import pack, regular_files, unpack
from dawsos.adapters.digests import tree_digests
from e2e.clone import ROOT, Clone, Said, git
from support.locked import BUILDING, locked

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
_PROJECT = ROOT / "tests" / "pipelines" / "jobs"
_SERVICE = ROOT / "bench" / "drill_service"
# What only one environment's job is given.
_STAGING, _PRODUCTION = {"STAGING_KEY": "s3cret-of-staging"}, {"PRODUCTION_KEY": "s3cret-of-production"}


def private_key() -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Ed25519PrivateKey.generate().private_bytes(*form).decode()


class Job:
    """One job: a fresh clone of ``origin`` with a home of its own; ``key`` is the secret that the CI service gives it."""

    def __init__(self, name: str, origin: Path, key: str) -> None:
        self.clone = Clone(origin.parent / name)
        self._key = key
        git(origin.parent, "clone", "--quiet", str(origin), str(self.clone.path))
        self.home = self.clone.path / ".dawsos"
        self.home.mkdir()
        # As the tool does with its first command: nothing of the home is ever committed.
        (self.home / ".gitignore").write_text("*\n")
        (self.home / "toolchains").symlink_to(ROOT / ".dawsos" / "toolchains")

    def dawsos(self, *arguments: str, check: int | None = 0, **more: str) -> Said:
        return self.clone.dawsos(*arguments, check=check, DAWSOS_SIGNING_KEY=self._key, **more)

    def end(self) -> list[str]:
        """Take down what the job started, and return the command lines of what is left."""
        if (self.home / "environments").exists():
            return self.clone.end()
        return [" ".join(process.cmdline()) for process in self.clone.processes()]

    def states(self) -> dict[str, str]:
        stages: dict[str, Any] = self.clone.show()["stages"]
        return {name: stage["state"] for name, stage in stages.items()}

    def plan(self, *stages: str) -> dict[str, tuple[str, str]]:
        rows = self.dawsos("plan", "--ship", *stages, "--json").json()["stages"]
        return {row["stage"]: (row["action"], row["reason"]) for row in rows}


@dataclass
class Workflow:
    """The four jobs of a workflow that went through, and what each saved."""

    origin: Path
    key: str
    commit: str
    jobs: dict[str, Job]
    said: dict[str, list[Said]]

    def file(self, job: str) -> Path:
        return self.origin.parent / f"{job}.tar.gz"

    def job(self, name: str, key: str = "") -> Job:
        self.jobs[name] = made = Job(name, self.origin, key or self.key)
        return made


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workflow]:
    folder = tmp_path_factory.mktemp("workflow")
    origin = folder / "origin"
    shutil.copytree(_SERVICE, origin)
    shutil.copytree(_PROJECT, origin, dirs_exist_ok=True)
    (origin / "tools.txt").write_text(locked(*BUILDING))
    (origin / "requirements.txt").write_text(locked("pluggy"))
    git(folder, "init", "--quiet", "--initial-branch=main", str(origin))
    commit = Clone(origin).commit("first")
    (ROOT / ".dawsos" / "toolchains").mkdir(parents=True, exist_ok=True)
    made = Workflow(origin, private_key(), commit, {}, {})
    try:
        _through(made)
        yield made
    finally:
        left = [line for job in made.jobs.values() for line in job.end()]
    assert left == []


def _through(flow: Workflow) -> None:
    """Take the commit through the four jobs, as a workflow calls them."""

    def done(name: str, *said: Said) -> None:
        flow.said[name] = [*said, flow.jobs[name].dawsos("results", "save", str(flow.file(name)))]

    gates = flow.job("quality-gates")
    done("quality-gates", gates.dawsos("ship", "lint", "unit"))
    build = flow.job("build-artifacts")
    build.dawsos("results", "load", str(flow.file("quality-gates")))
    done("build-artifacts", build.dawsos("ship", "build", "sbom"))
    staging = flow.job("deploy-staging")
    staging.dawsos("results", "load", str(flow.file("build-artifacts")))
    done("deploy-staging", staging.dawsos("ship", "staging", "uat", check=75, **_STAGING))
    staging.dawsos("down", "--purge")
    production = flow.job("deploy-production")
    production.dawsos("results", "load", str(flow.file("deploy-staging")))
    production.dawsos("approve", "--as", "Grace", "--reason", "released in the CI service")
    resumed = production.dawsos("resume")
    done("deploy-production", resumed, production.dawsos("ship", "canary", check=0, **_PRODUCTION))


def test_each_job_does_its_stages_and_restores_those_of_the_jobs_before(workflow: Workflow) -> None:
    assert workflow.jobs["quality-gates"].states() == {"lint": "passed", "unit": "passed"}
    assert workflow.jobs["build-artifacts"].states() == {
        "lint": "restored", "unit": "restored", "build": "passed", "sbom": "passed",
    }  # fmt: skip
    before = dict.fromkeys(("lint", "unit", "build", "sbom"), "restored")
    assert workflow.jobs["deploy-staging"].states() == {**before, "staging": "passed", "uat": "waiting"}
    assert workflow.jobs["deploy-production"].states() == {
        **before, "staging": "restored", "uat": "restored", "canary": "passed",
    }  # fmt: skip


def test_only_the_last_job_says_that_production_has_the_release(workflow: Workflow) -> None:
    for name in ("quality-gates", "build-artifacts", "deploy-staging"):
        assert "Production was not touched." in workflow.said[name][0].out
        assert "is in production" not in workflow.said[name][0].out
        assert list((workflow.jobs[name].home / "environments").glob("production")) == []
    assert "not part of this ship: build, sbom, staging, uat, canary" in workflow.said["quality-gates"][0].out
    assert (
        "is in production: 7 stages done, and its canary was promoted to 100 %"
        in workflow.said["deploy-production"][1].out
    )
    production = workflow.jobs["deploy-production"].clone
    assert production.version() == workflow.commit
    told = production.show()["rollout"]
    assert (told["outcome"], told["weight"]) == ("promoted", 100)


def test_the_release_has_the_evidence_of_every_job(workflow: Workflow) -> None:
    production = workflow.jobs["deploy-production"]
    told = production.dawsos("evidence", "--verify", "--json").json()
    assert told["problems"] == []
    rows = told["statements"]
    assert {row["stage"] for row in rows} >= {"lint", "unit", "build", "sbom", "staging", "uat", "canary"}
    assert len({row["key_id"] for row in rows}) == 1
    (approval,) = [row["predicate"] for row in rows if row["predicate"].get("decision")]
    assert (approval["name"], approval["reason"]) == ("Grace", "released in the CI service")
    runs = production.dawsos("history", "--json").json()
    assert [run["result"] for run in runs] == ["passed"] * 4
    origins = {row["stage"]: row["predicate"]["restored"]["run"] for row in rows if row["result"] == "restored"}
    assert origins == {
        "lint": runs[0]["run"], "unit": runs[0]["run"], "build": runs[1]["run"], "sbom": runs[1]["run"],
        "staging": runs[2]["run"], "uat": runs[2]["run"],
    }  # fmt: skip
    # What the jobs before it left, the last job's report shows.
    report = (production.home / "runs" / runs[3]["run"] / "report.html").read_text()
    assert all(run["run"] in report for run in runs)
    assert production.dawsos("verify").code == 0


def test_what_was_shown_to_the_approver_was_not_made_again(workflow: Workflow) -> None:
    assert (
        "its evidence is there already; only its gates and its approval follow"
        in workflow.said["deploy-production"][0].out
    )
    assert list((workflow.jobs["deploy-production"].home / "environments").glob("staging")) == []


def test_no_secret_is_in_what_travels_and_none_in_a_job_that_was_not_given_it(
    workflow: Workflow, tmp_path: Path
) -> None:
    body = "".join(line for line in workflow.key.splitlines() if not line.startswith("-----"))
    secrets = [body, *_STAGING.values(), *_PRODUCTION.values()]
    found: list[tuple[str, Path]] = []
    for name in workflow.said:
        folder = tmp_path / name
        folder.mkdir()
        unpack(workflow.file(name), folder, lambda name: True)
        assert not any(secret in said.text for said in workflow.said[name] for secret in secrets)
        found += [
            (name, path) for _, path in regular_files(folder) if any(s.encode() in path.read_bytes() for s in secrets)
        ]
    assert found == []
    # The environments keep what they were given, for their owner only; no private key is kept anywhere.
    for job in workflow.jobs.values():
        files = [path for path in job.home.rglob("*") if path.is_file() and not path.is_symlink()]
        assert [path for path in files if body.encode() in path.read_bytes()] == []
        assert not (job.home / "keys").exists()
    assert "DAWSOS_SIGNING_KEY" not in (
        next(workflow.jobs["quality-gates"].home.glob("runs/*/lint/attempt-1/env.txt")).read_text()
    )


def test_a_deployment_is_repeated_where_a_stage_acts_on_it(workflow: Workflow) -> None:
    """Staging was on the machine of another job."""
    job = workflow.job("only-uat")
    job.dawsos("results", "load", str(workflow.file("deploy-staging")))
    plan = job.plan("uat")
    assert {stage: action for stage, (action, _) in plan.items()} == {
        "lint": "restore", "unit": "restore", "build": "restore", "sbom": "restore", "staging": "run", "uat": "run",
    }  # fmt: skip
    assert plan["staging"][1] == "uat acts on staging here"


def test_the_results_of_a_stranger_bring_nothing_to_production(workflow: Workflow) -> None:
    job = workflow.job("stranger", private_key())
    told = job.dawsos("results", "load", str(workflow.file("deploy-production")))
    assert "which is not believed here" in told.out
    plan = job.plan("canary")
    assert {action for action, _ in plan.values()} == {"run"}
    assert "its kept result does not count: it is signed by the key" in plan["lint"][1]
    assert job.dawsos("history", "--json").json() == []


def test_a_file_in_which_a_stage_is_said_to_have_passed_is_refused(workflow: Workflow, tmp_path: Path) -> None:
    """The evidence of the acceptance tests is another one, and every digest in the file fits."""
    folder = tmp_path / "forged"
    folder.mkdir()
    facts = unpack(workflow.file("deploy-production"), folder, lambda name: True)
    (result,) = folder.glob("cache/uat/*/result.json")
    steps = result.parent / "artifacts" / "steps.json"
    steps.write_text(steps.read_text().replace("smoke", "other"))
    kept = json.loads(result.read_text())
    pack(tmp_path / "one.tar.gz", dict(regular_files(folder)), facts)
    job = workflow.job("forged")
    refused = job.dawsos("results", "load", str(tmp_path / "one.tar.gz"), check=2)
    assert "the result of uat is not whole, or its evidence was altered" in refused.err
    assert list((job.home / "cache").glob("*")) == []
    # With the digest corrected as well, the signature does not speak for it.
    result.write_text(json.dumps({**kept, "evidence": tree_digests(result.parent / "artifacts")}))
    pack(tmp_path / "two.tar.gz", dict(regular_files(folder)), facts)
    job.dawsos("results", "load", str(tmp_path / "two.tar.gz"))
    plan = job.plan("canary")
    assert plan["uat"] == ("run", "its kept result does not count: its statement says something else")
    assert plan["staging"][0] == "run"
    assert plan["sbom"][0] == "restore"


def test_results_of_another_commit_build_no_release_of_this_one(workflow: Workflow) -> None:
    job = workflow.job("another-commit")
    (job.clone.path / "shop" / "__init__.py").write_text('"""Changed."""\n')
    job.clone.commit("another commit")
    job.dawsos("results", "load", str(workflow.file("deploy-production")))
    assert {action for action, _ in job.plan("canary").values()} == {"run"}
