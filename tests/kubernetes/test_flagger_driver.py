"""``driver: flagger`` on a real cluster with a real Flagger: both ends, with their exit codes and Flagger's words in the report.

The stage of the rollout runs as in a ship, with its gate, journal and report; the release is tiny and was built before.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from dawsos.actions.serving import stable_of
from dawsos.adapters.git import Commit
from dawsos.model.events import ReleaseBuilt, RunStarted
from dawsos.model.run import Run
from dawsos.releases import bundle
from dawsos.runs.context import RunContext
from dawsos.runs.lifecycle import RunOutcome, start
from dawsos.runs.project import Project, load, open_tools
from dawsos.verbs.execution import Options, execute
from e2e.clone import git
from support.cluster import Cluster, Gateway
from support.oci import tiny_image
from support.sender import Sent, users
from support.world import Silent, World

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(420)]

RATE = 40.0
# Flagger's shortest interval: a rollout of three steps takes a minute.
PIPELINE = """
version: 2
name: shop
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}
service:
  project: .
  requirements: requirements.txt
  command: python -m tiny_service
  ready: /ready
  images: [{name: backend, dockerfile: Dockerfile, base: localhost/base}]
  migrate: python3 -c "import os; print('migrated by', os.environ['GIT_SHA'], 'with', os.environ['GREETING'])"
environments:
  production: ENVIRONMENT
stages:
  - {id: build, uses: release, gates: [exit_status]}
  - {id: canary, needs: [build], uses: rollout, environment: production, gates: [rollout]}
rollout:
  ladder: [{weight: 20, duration: 10s}, {weight: 60, duration: 10s}, {weight: 100, duration: 10s}]
  check_interval: 10s
  failed_checks: 2
  no_data_deadline: 60s
exports:
  flagger: FLAGGER
"""


@dataclass
class Shop:
    """A Deployment with a Canary in a namespace of its own; each ship is one release."""

    cluster: Cluster
    gateway: Gateway
    namespace: str
    folder: Path

    @property
    def host(self) -> str:
        return f"{self.namespace}.test"

    def begin(self) -> None:
        """Write the project, and give the cluster what a chart of the team would give it."""
        environment = {
            "platform": "kubernetes", "context": self.cluster.context, "namespace": self.namespace, "release": "shop",
            "chart": "chart", "url": self.gateway.address, "images": {"import": self.cluster.imports}, "driver": "flagger",
        }  # fmt: skip
        flagger = {
            "deployment": "shop", "hosts": [self.host], "prometheus": self.cluster.prometheus,
            "gateway": {"name": self.gateway.name, "namespace": self.gateway.namespace},
        }  # fmt: skip
        text = PIPELINE.replace("ENVIRONMENT", json.dumps(environment)).replace("FLAGGER", json.dumps(flagger))
        self.folder.mkdir()
        (self.folder / "pipeline.yaml").write_text(text)
        (self.folder / "requirements.txt").touch()
        (self.folder / ".gitignore").write_text(".dawsos/\n")
        git(self.folder.parent, "init", "--quiet", "--initial-branch=main", str(self.folder))
        image = {"name": "backend", "image": "localhost/pause:1", "imagePullPolicy": "IfNotPresent"}
        container = {
            **image, "env": [{"name": "PORT", "value": "8000"}, {"name": "GREETING", "value": "hello"}],
            "ports": [{"name": "http", "containerPort": 8000}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}, "periodSeconds": 1},
            "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
            "resources": {"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "128Mi"}},
        }  # fmt: skip
        notes = {"prometheus.io/scrape": "true", "prometheus.io/port": "8000"}
        template = {"metadata": {"labels": {"app": "shop"}, "annotations": notes}, "spec": {"containers": [container]}}
        self.cluster.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "shop", "namespace": self.namespace},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "shop"}}, "template": template},
            }
        )

    def ship(self, message: str, **faults: float) -> tuple[RunOutcome, Run]:
        """Roll a release out as stage ``canary`` of a ship; return its end and what the journal says."""
        project = Project(self.folder, self.folder / ".dawsos")
        tools, pipeline = open_tools(project), load(self.folder)
        sha = self.commit(message)
        commit = Commit(sha, message, "Ada", 1_700_000_000, "main")
        work = project.releases / "build"
        (work / "site" / "tiny").mkdir(parents=True)
        (work / "site" / "tiny" / "__init__.py").write_text(f"FAULTS = {faults!r}\n")
        release = bundle._seal(work, commit, project.releases)
        image = tiny_image(project.images, sha, **faults)
        began = RunStarted(
            "run", sha, "main", profile="production", stages=("build", "canary"), rollouts={"canary": "production"}
        )
        with start(tools, [Silent()], began) as session:
            # The stage before has been done, and signed for.
            before = World(tools, pipeline, session)
            session.record(ReleaseBuilt(release.digest, sha, "bundle", images={image.name: image.digest}), "build")
            artifacts = session.artifacts("build")
            artifacts.mkdir(parents=True)
            (artifacts / "image-backend.json").write_text(json.dumps({"name": "backend", "digests": [image.digest]}))
            before.run_stage("build")
            before.attest()
            context = RunContext(tools, pipeline, commit, self.folder, session)
            return execute(context, Options(profile="production"), [pipeline.stage("canary")]), session.refresh()

    def commit(self, message: str) -> str:
        """Commit everything, and return the commit's hash."""
        (self.folder / "release.txt").write_text(message)
        git(self.folder, "add", "--all")
        git(
            self.folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", message,
        )  # fmt: skip
        return git(self.folder, "rev-parse", "HEAD").strip()

    def log(self, run: str) -> str:
        return next((self.folder / ".dawsos" / "runs" / run).rglob("deploy.log")).read_text()


@dataclass(frozen=True)
class Ended:
    """What became of each release, in their order."""

    shop: Shop
    first: tuple[RunOutcome, Run]
    good: tuple[RunOutcome, Run]
    bad: tuple[RunOutcome, Run]
    sent: Sent


@pytest.fixture(scope="module")
def ended(cluster: Cluster, gateway: Gateway, module_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    found = cluster if cluster.prometheus else cluster.added("flagger")
    shop = Shop(found, gateway, module_namespace, tmp_path_factory.mktemp("flagger-driver") / "shop")
    shop.begin()
    with users(gateway.address, shop.host, RATE, 4) as sent:
        return Ended(shop, shop.ship("first"), shop.ship("good"), shop.ship("bad", FAIL=0.5), sent)


def test_a_first_release_passes_and_the_report_says_that_nothing_was_checked(ended: Ended) -> None:
    outcome, run = ended.first
    assert outcome.exit_code == 0, run.reason
    assert "NOT CHECKED" in outcome.report.read_text()


def test_a_promoted_release_ends_with_0_and_serves_everybody(ended: Ended) -> None:
    outcome, run = ended.good
    assert (outcome.exit_code, run.result) == (0, "passed"), run.reason
    assert run.rollout is not None
    assert [weight for _, weight in run.rollout.weights] == [20, 60, 100]
    page = outcome.report.read_text()
    for said in ("Advance shop", "canary weight 60", "Promotion completed!"):
        assert said in page


def test_a_rejected_release_ends_with_4_and_flagger_s_events_are_in_the_report(ended: Ended) -> None:
    outcome, run = ended.bad
    assert (outcome.exit_code, run.result) == (4, "rolled_back"), run.reason
    assert re.search(r"success-rate \d+\.\d+ < 99", run.reason), run.reason
    page = outcome.report.read_text()
    for said in ("Halt shop", "success-rate", "Canary failed!"):
        assert said in page
    shop = ended.shop
    phase = shop.cluster.kubectl("get", "canary", "shop", "-n", shop.namespace, "-o", "jsonpath={.status.phase}")
    assert phase == "Failed"
    assert run.rollout is not None
    assert [weight for _, weight in run.rollout.weights if weight] == [20]


def test_migrations_ran_in_the_cluster_before_flagger_saw_the_release(ended: Ended) -> None:
    for outcome, run in (ended.first, ended.good, ended.bad):
        assert ended.shop.log(outcome.run).strip() == f"migrated by {run.commit} with hello"


def test_no_user_lost_a_request_by_a_promotion(ended: Ended) -> None:
    rollout, back = ended.good[1].rollout, ended.bad[1].rollout
    assert rollout is not None
    assert back is not None
    began, over = rollout.weights[0][0], back.weights[0][0] - 1
    assert ended.sent.bad(began, over) == []
    assert {answer.by for answer in ended.sent.between(began, over)} == {ended.first[1].commit, ended.good[1].commit}


def test_what_flagger_promoted_is_what_a_verification_looks_at(ended: Ended, tmp_path: Path) -> None:
    project = Project(ended.shop.folder, ended.shop.folder / ".dawsos")

    async def look() -> tuple[str, str]:
        stable = await stable_of(open_tools(project), load(ended.shop.folder), ("production", "production"))
        outcome = await stable.commands.run("python3 -c \"import os; print(os.environ['GIT_SHA'])\"", tmp_path / "log")
        return stable.release.commit, outcome.message

    assert asyncio.run(look()) == (ended.good[1].commit, "")
    assert (tmp_path / "log").read_text().strip() == ended.good[1].commit
