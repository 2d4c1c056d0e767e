"""Where no builder is asked for, each image's evidence says that it was not built, and why."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dawsos.actions.images import build_images, docker_client, must_be_buildable
from dawsos.adapters.process import ProcessRunner
from dawsos.engine.contract import StageAttempt
from dawsos.errors import InfrastructureError
from dawsos.model.cluster import Delivery
from dawsos.model.release import Release
from dawsos.model.service import Image
from support.world import world


def test_a_demanded_bundle_leaves_the_reason_as_evidence(tmp_path: Path) -> None:
    told = world(tmp_path)
    image = Image(name="backend", dockerfile="Dockerfile", base="localhost/base")
    service = told.pipeline.service.model_copy(update={"builder": "bundle", "images": (image,)})
    scene = SimpleNamespace(
        tools=told.tools, pipeline=told.pipeline.model_copy(update={"service": service}), root=tmp_path, commit=None,
        session=told.session, runner=lambda: ProcessRunner(told.tools.clock, told.tools.masker),
    )  # fmt: skip
    work = StageAttempt(told.pipeline.stage("build"), 1, tmp_path / "artifacts", None, told.session, told.tools.clock)
    choice, built = asyncio.run(build_images(scene, work, Release("d" * 64, tmp_path, "c", 1, "py", "python")))  # type: ignore[arg-type]
    assert (choice.name, built) == ("bundle", {})
    facts = json.loads((tmp_path / "artifacts" / "image-backend.json").read_text())
    assert facts == {"name": "backend", "not_built": "pipeline.yaml demands it"}


def test_the_person_s_own_docker_is_asked(tmp_path: Path) -> None:
    assert docker_client({"PATH": "/bin"}, tmp_path) == {"DOCKER_CONFIG": str(tmp_path / ".docker")}
    theirs = {"DOCKER_HOST": "unix:///run/user/1000/docker.sock", "DOCKER_CONFIG": "/etc/d", "DOCKER_PASSWORD": "p"}
    assert docker_client(theirs, tmp_path) == {key: theirs[key] for key in ("DOCKER_HOST", "DOCKER_CONFIG")}


def test_where_images_run_a_machine_without_a_builder_is_told_before_the_first_gate(tmp_path: Path) -> None:
    told = world(tmp_path)
    image = Image(name="backend", dockerfile="Dockerfile", base="localhost/dawsos-no-such-base")
    service = told.pipeline.service.model_copy(update={"images": (image,)})
    cluster = {"platform": "kubernetes", "images": Delivery.model_validate({"import": "cat"})}
    settings = {name: one.model_copy(update=cluster) for name, one in told.pipeline.environments.items()}

    def scene(**changes: Any) -> Any:
        pipeline = told.pipeline.model_copy(update={"service": service, **changes})
        return SimpleNamespace(
            tools=told.tools, pipeline=pipeline, root=tmp_path, commit=None, session=told.session,
            runner=lambda: ProcessRunner(told.tools.clock, told.tools.masker),
        )  # fmt: skip

    # The files of the bundle run here: an image is nice to have.
    asyncio.run(must_be_buildable(scene()))
    assert settings
    with pytest.raises(
        InfrastructureError, match="runs container images, and none can be built here: no image was built"
    ):
        asyncio.run(must_be_buildable(scene(environments=settings)))
    work = StageAttempt(told.pipeline.stage("build"), 1, tmp_path / "artifacts", None, told.session, told.tools.clock)
    with pytest.raises(InfrastructureError, match="none can be built here"):
        asyncio.run(
            build_images(scene(environments=settings), work, Release("d" * 64, tmp_path, "c", 1, "py", "python"))
        )
