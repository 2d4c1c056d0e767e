"""Where no builder is asked for, each image's evidence says that it was not built, and why."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

from dawsos.actions.images import build_images, docker_client
from dawsos.adapters.process import ProcessRunner
from dawsos.engine.contract import StageAttempt
from dawsos.model.pipeline import Image
from dawsos.model.release import Release
from support.world import world


def test_a_demanded_bundle_leaves_the_reason_as_evidence(tmp_path: Path) -> None:
    told = world(tmp_path)
    image = Image(name="backend", dockerfile="Dockerfile", base="localhost/base")
    service = told.pipeline.service.model_copy(update={"builder": "bundle", "images": (image,)})
    scene = SimpleNamespace(
        tools=told.tools, pipeline=told.pipeline.model_copy(update={"service": service}), root=tmp_path, commit=None,
        runner=lambda: ProcessRunner(told.tools.clock, told.tools.masker),
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
