"""An environment is opened with the settings of the profile; who acts on what runs has the profile of its deployment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dawsos.actions.environments import (
    deployments_of,
    has_settings_of,
    load_release,
    open_environment,
    serving_profile,
)
from dawsos.adapters import oci
from dawsos.adapters.files import write_json
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.cluster import Delivery
from dawsos.model.environment import EnvironmentChanges, EnvironmentSettings
from dawsos.model.observability import Observability
from dawsos.model.pipeline import Pipeline, Profile
from dawsos.model.release import Release
from dawsos.model.run import Run
from support.facts import fact
from support.images import altered, kept_image
from support.paper import Paper


def test_an_environment_has_the_settings_of_the_profile(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    laptop = Profile(environments={"production": EnvironmentChanges(replicas=3, env={"GREETING": "hi", "MORE": "1"})})
    pipeline = paper.pipeline.model_copy(update={"profiles": {"laptop": laptop}})

    async def scene(profile: str, deployment: str) -> tuple[int, str, str | None]:
        platform = await open_environment(paper.tools, pipeline, "production", profile)
        await platform.deploy(deployment, release)
        variables = await platform.variables(deployment)
        replicas = (await platform.status()).deployments[deployment].replicas
        return replicas, variables["GREETING"], variables.get("MORE")

    release = paper.release()
    assert asyncio.run(scene("", "d1")) == (1, "hello", None)
    assert asyncio.run(scene("laptop", "d2")) == (3, "hi", "1")


def test_who_acts_on_what_runs_has_the_profile_of_the_last_deployment_there(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    pipeline = paper.pipeline.model_copy(update={"profiles": {"laptop": Profile(), "drill": Profile()}})

    def deployed(environment: str, pipeline: Pipeline = pipeline) -> str:
        return asyncio.run(serving_profile(paper.tools, pipeline, environment))

    assert deployed("production") == ""
    for number, (profile, environment) in enumerate([("laptop", "production"), ("drill", "staging")]):
        session = paper.session(f"20260301-12000{number}-c0ffee0-aa", profile=profile)
        session.record(fact("deployed", environment=environment, release="r", deployment="d", url="", replicas=1), "x")
    paper.session("20260301-120009-c0ffee0-aa", profile="drill")  # deployed nothing
    assert deployed("production") == "laptop"
    assert deployed("staging") == "drill"
    with pytest.raises(BadInput, match="production was deployed with the profile 'laptop', which"):
        deployed("production", paper.pipeline)


def test_a_canary_that_went_again_says_nothing_of_what_serves(tmp_path: Path) -> None:
    """A drill under another profile, or a ship that was rolled back: the release that serves keeps its own settings."""
    paper = Paper(tmp_path)
    changed = Profile(environments={"production": EnvironmentChanges(env={"MORE": "1"})})
    # Who watches it is no setting of a release.
    watched = EnvironmentChanges(observability=Observability(within=1.0))
    profiles = {"laptop": Profile(), "drill": changed, "watched": Profile(environments={"production": watched})}
    pipeline = paper.pipeline.model_copy(update={"profiles": profiles})
    paper.serve(paper.release(), deployment="d1")
    for number, (profile, deployment) in enumerate([("laptop", "d1"), ("drill", "d2")]):
        session = paper.session(f"20260301-12000{number}-c0ffee0-aa", profile=profile)
        told = fact("deployed", environment="production", release="r", deployment=deployment, url="", replicas=1)
        session.record(told, "x")
    assert asyncio.run(serving_profile(paper.tools, pipeline, "production")) == "laptop"
    for profile, alike in (("laptop", True), ("", True), ("watched", True), ("drill", False)):
        assert asyncio.run(has_settings_of(paper.tools, pipeline, "production", profile)) is alike
    gone = pipeline.model_copy(update={"profiles": {}})
    assert asyncio.run(has_settings_of(paper.tools, gone, "production", "")) is False


def test_an_environment_is_given_what_it_takes_from_whoever_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = Paper(tmp_path)
    settings = EnvironmentSettings(pass_env=("POLYGON_KEY",))
    pipeline = paper.pipeline.model_copy(update={"environments": {"staging": settings}})
    monkeypatch.delenv("POLYGON_KEY", raising=False)
    with pytest.raises(BadInput, match="POLYGON_KEY is not set"):
        asyncio.run(open_environment(paper.tools, pipeline, "staging", ""))
    assert not paper.environments["staging"].up
    monkeypatch.setenv("POLYGON_KEY", "a real key")

    async def variables() -> object:
        return await (await open_environment(paper.tools, pipeline, "staging", "")).variables(None)

    assert asyncio.run(variables()) == {"POLYGON_KEY": "a real key"}
    assert paper.tools.masker.clean("it is a real key") == "it is ***"


def test_a_deployment_on_another_machine_says_nothing_of_what_serves_here(tmp_path: Path) -> None:
    """Its run came with the results of another job, and may go on here: what it does from then on counts."""
    paper = Paper(tmp_path)
    session = paper.session("20260301-120000-c0ffee0-aa", profile="laptop")
    deployed = fact("deployed", environment="staging", release="r", deployment="d", url="", replicas=1)
    session.record(deployed, "staging")
    write_json(paper.project.taken(session.id), {"events": session.state.last_seq})
    assert deployments_of(paper.tools, "staging") == []
    session.record(deployed, "staging")
    assert [profile for _, profile in deployments_of(paper.tools, "staging")] == ["laptop"]


def test_a_release_comes_with_its_images_where_images_run(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    release, image = paper.release(), kept_image(paper.project.images)
    local = paper.pipeline.environment("production")
    cluster = local.model_copy(update={"platform": "kubernetes", "images": Delivery.model_validate({"import": "cat"})})

    def loaded(settings: EnvironmentSettings, images: dict[str, str]) -> Release:
        run = Run(id="r", release=release.digest, images=images)
        return asyncio.run(load_release(paper.tools, settings, run))

    assert loaded(cluster, {"backend": image.digest}).images == (image,)
    # Processes run its files, whatever became of an image.
    assert loaded(local, {"backend": image.digest}).images == ()
    with pytest.raises(InfrastructureError, match="has no container image, and what runs here are images"):
        loaded(cluster, {})
    altered(oci.read_manifest(image.layout, image.digest).blobs[1].path)
    with pytest.raises(InfrastructureError, match=r"backend: image sha256:.* was altered"):
        loaded(cluster, {"backend": image.digest})
