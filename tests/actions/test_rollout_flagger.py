"""The rollout of an environment with ``driver: flagger``: what is brought to the cluster, and what the gate and the report get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions import rollout_flagger
from dawsos.actions.rollout import evidence
from dawsos.actions.rollout_flagger import documents_of, options_of, roll_out_with_flagger
from dawsos.errors import BadInput, ReleaseFailed
from dawsos.gates.rollout import EVIDENCE
from dawsos.model.cluster import Delivery
from dawsos.model.exports import Exports, FlaggerOptions, GatewayName
from dawsos.model.release import Release
from dawsos.model.service import Job, Worker
from dawsos.reporting.html_canary import canary_view
from dawsos.rollout.controller import Finished
from dawsos.runs.recorder import Session
from gates.samples import ask
from support.flagger_world import CANARIES, DEPLOYMENTS, NAME, NAMESPACE, FlaggerWorld
from support.images import kept_image
from support.paper import Paper

OPTIONS = FlaggerOptions(
    deployment=NAME, namespace=NAMESPACE, hosts=("shop.test",), gateway=GatewayName(name="web", namespace="gateways")
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> FlaggerWorld:
    made = FlaggerWorld(interval=10.0)

    @asynccontextmanager
    async def connected(context: str) -> AsyncIterator[FlaggerWorld]:
        assert context == "here"
        yield made

    monkeypatch.setattr(rollout_flagger, "connected", connected)
    return made


@pytest.fixture
def paper(tmp_path: Path, world: FlaggerWorld) -> Paper:
    made = Paper(tmp_path / "project")
    made.tools = replace(made.tools, clock=world.clock)
    settings = made.pipeline.environments["production"].model_copy(
        update={
            "platform": "kubernetes", "context": "here", "namespace": NAMESPACE, "driver": "flagger",
            "images": Delivery.model_validate({"import": "cat >/dev/null"}),
        }
    )  # fmt: skip
    environments = {**made.pipeline.environments, "production": settings}
    made.pipeline = made.pipeline.model_copy(update={"environments": environments, "exports": Exports(flagger=OPTIONS)})
    return made


def with_images(paper: Paper, release: Release) -> Release:
    return replace(release, images=(kept_image(paper.project.root / "store", "backend"),))


def roll(paper: Paper, session: Session, release: Release) -> tuple[Finished, dict[str, Any]]:
    work = paper.attempt(session, "canary")
    settings = paper.pipeline.environments["production"]
    finished = asyncio.run(roll_out_with_flagger(paper.context(session), work, release, settings))
    return finished, evidence(session, finished, release)


def test_the_canary_of_the_export_and_the_image_by_digest_come_to_the_cluster(
    paper: Paper, world: FlaggerWorld
) -> None:
    world.initialise()
    release = with_images(paper, paper.release("2"))
    session = paper.session()
    finished, told = roll(paper, session, release)
    assert finished.outcome == "promoted"
    container = world.objects[DEPLOYMENTS]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == f"localhost/dawsos-backend@{release.images[0].digest}"
    analysis = world.objects[CANARIES]["spec"]["analysis"]
    assert analysis["stepWeights"] == [step.weight for step in paper.pipeline.policy().ladder]
    assert (told["outcome"], told["weight"]) == ("promoted", 100)
    assert any("Advance shop canary" in each["message"] for each in told["told"])
    verdict = ask("rollout", {EVIDENCE: told})
    assert (verdict.result, verdict.unchecked) == ("pass", False)
    rollout = session.state.rollout
    assert rollout is not None
    assert any("Advance shop canary weight 25" in message for _, _, message in canary_view(rollout, 0.0)["told"])


def test_a_release_that_flagger_rolls_back_fails_the_gate_with_flaggers_words(
    paper: Paper, world: FlaggerWorld
) -> None:
    world.initialise()
    world.healthy = False
    world.threshold = paper.pipeline.policy().failed_checks
    finished, told = roll(paper, paper.session(), with_images(paper, paper.release("2")))
    assert finished.outcome == "rolled_back"
    verdict = ask("rollout", {EVIDENCE: told})
    assert (verdict.result, "success-rate 50.00 < 99" in verdict.message) == ("fail", True)


def test_a_first_release_passes_and_the_gate_says_that_nothing_was_checked(paper: Paper, world: FlaggerWorld) -> None:
    _, told = roll(paper, paper.session(), with_images(paper, paper.release("1")))
    assert told["checked"] is False
    verdict = ask("rollout", {EVIDENCE: told})
    assert (verdict.result, verdict.unchecked) == ("pass", True)
    assert verdict.message.startswith("warning: NOT CHECKED: Flagger took the first release")


def test_after_its_end_nothing_is_brought_to_the_cluster_again(paper: Paper, world: FlaggerWorld) -> None:
    world.initialise()
    session, release = paper.session(), with_images(paper, paper.release("2"))
    roll(paper, session, release)
    before = dict(world.objects)
    finished, _ = roll(paper, session, replace(release, images=()))
    assert finished.outcome == "promoted"
    assert world.objects == before


def test_a_release_without_images_is_none_for_a_cluster(paper: Paper, world: FlaggerWorld) -> None:
    with pytest.raises(ReleaseFailed, match="has no images"):
        roll(paper, paper.session(), paper.release("1"))
    assert CANARIES not in world.objects


@pytest.mark.parametrize(
    ("exports", "what"),
    [
        (None, "needs exports.flagger"),
        (OPTIONS.model_copy(update={"providers": ("traefik",)}), "needs the provider gatewayapi:v1"),
    ],
)
def test_what_it_cannot_do_is_told_before_it_begins(paper: Paper, exports: FlaggerOptions | None, what: str) -> None:
    changed = paper.pipeline.model_copy(update={"exports": Exports(flagger=exports)})
    with pytest.raises(BadInput, match=what) as told:
        options_of(changed, "production")
    assert told.value.fix


def test_the_policy_is_that_of_the_runs_profile_and_only_one_provider_is_rendered(paper: Paper) -> None:
    options = options_of(
        paper.pipeline.model_copy(
            update={"exports": Exports(flagger=OPTIONS.model_copy(update={"providers": ("gatewayapi:v1", "istio")}))}
        ),
        "production",
    )
    assert (options.profile, options.providers) == ("production", ("gatewayapi:v1",))
    kinds = {document["kind"] for document in documents_of(paper.pipeline, options)}
    assert kinds == {"Canary", "MetricTemplate"}


COMMANDS = {"migrate": "{python} -m migrate", "seed": "{python} -m seed", "before_traffic": ("packs",)}


def with_commands(paper: Paper) -> None:
    jobs = (Job(name="packs", run="{python} -m packs", env={"PACK": "a"}),)
    service = paper.pipeline.service.model_copy(update={**COMMANDS, "jobs": jobs})
    paper.pipeline = paper.pipeline.model_copy(update={"service": service})


def test_the_commands_of_the_service_run_as_jobs_before_the_deployment_changes(
    paper: Paper, world: FlaggerWorld
) -> None:
    world.initialise()
    with_commands(paper)
    world.ends = {"python -m migrate": (0, ["2 migrations"]), "python -m seed": (0, ['{"user_id": "7"}'])}
    session, release = paper.session(), with_images(paper, paper.release("2"))
    finished, _ = roll(paper, session, release)
    assert finished.outcome == "promoted"
    jobs = [job["spec"]["template"] for job in world.jobs.values()]
    commands = [job["spec"]["containers"][0]["command"][-1] for job in jobs]
    assert commands == ["migrate", "seed", "packs"]
    image, template = release.images[0].digest, world.objects[DEPLOYMENTS]["spec"]["template"]
    (deployment,) = [each for each in template["spec"]["containers"][0]["env"] if each["name"] == "DEPLOYMENT_ID"]
    for job in jobs:
        (container,) = job["spec"]["containers"]
        assert container["image"].endswith(image)
        assert deployment in container["env"]
        assert "app" not in job["metadata"]["labels"]
    assert {"name": "PACK", "value": "a"} in jobs[2]["spec"]["containers"][0]["env"]
    logs = paper.attempt(session, "canary").artifacts
    assert "2 migrations" in (logs / "deploy.log").read_text()


def test_a_migration_that_fails_is_the_release_s_fault_and_flagger_never_sees_it(
    paper: Paper, world: FlaggerWorld
) -> None:
    world.initialise()
    with_commands(paper)
    world.ends = {"python -m migrate": (1, ["no column total"])}
    before = world.template()
    with pytest.raises(ReleaseFailed, match="no column total"):
        roll(paper, paper.session(), with_images(paper, paper.release("2")))
    assert (world.template(), len(world.jobs)) == (before, 1)


def test_a_worker_that_no_container_of_the_deployment_is_would_stay_behind(paper: Paper, world: FlaggerWorld) -> None:
    world.initialise()
    service = paper.pipeline.service.model_copy(update={"workers": (Worker(name="queue", command="x"),)})
    paper.pipeline = paper.pipeline.model_copy(update={"service": service})
    before = world.template()
    with pytest.raises(BadInput, match="no container queue"):
        roll(paper, paper.session(), with_images(paper, paper.release("2")))
    assert world.template() == before
