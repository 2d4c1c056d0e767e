"""Images are brought to the cluster once, and by their digest."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import BadInput, ReleaseFailed
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.release import BuiltImage, Release
from dawsos.platforms.kubernetes.delivering import entry_of, images_of, known_images
from support.images import kept_image

RUNNER = ProcessRunner(SystemClock(), Masker())


def _release(*images: BuiltImage) -> Release:
    return Release("d" * 64, Path(), "c" * 40, 1, "3.11", "python3", images)


def _live(reference: str, digest: str = "d" * 64) -> dict[str, Any]:
    return {"a": {"release": digest, "images": {"backend": reference}}}


def test_what_runs_already_is_known_by_its_digest() -> None:
    release = _release(BuiltImage("backend", "sha256:1", Path()))
    assert known_images(release, _live("r/backend@sha256:1")) == {"backend": "r/backend@sha256:1"}
    # Somebody exchanged it beside the tool, or it is another release.
    assert known_images(release, _live("r/backend@sha256:2")) == {}
    assert known_images(release, _live("r/backend:tag")) == {}
    assert known_images(release, _live("r/backend@sha256:1", "e" * 64)) == {}


def test_another_machine_without_the_images_goes_on_with_what_runs() -> None:
    found = asyncio.run(images_of(_release(), EnvironmentSettings(), _live("r@sha256:1"), (RUNNER, Path(), Path())))
    assert found == {"backend": "r@sha256:1"}


def test_what_does_not_run_yet_is_delivered(tmp_path: Path) -> None:
    image = kept_image(tmp_path / "store")
    settings = EnvironmentSettings.model_validate(
        {
            "platform": "kubernetes",
            "context": "c",
            "namespace": "n",
            "release": "r",
            "chart": "c",
            "images": {"import": f"cat > {tmp_path}/got"},
        }
    )
    tools = (RUNNER, tmp_path / "log", tmp_path)
    found = asyncio.run(images_of(_release(image), settings, {}, tools))
    assert found == {"backend": f"localhost/dawsos-backend@{image.digest}"}
    assert (tmp_path / "got").stat().st_size > 0
    with pytest.raises(BadInput, match="how images get to the cluster"):
        asyncio.run(images_of(_release(image), settings.model_copy(update={"images": None}), {}, tools))


def test_a_release_without_images_cannot_run() -> None:
    with pytest.raises(ReleaseFailed, match="has no images"):
        asyncio.run(images_of(_release(), EnvironmentSettings(), {}, (RUNNER, Path(), Path())))


def test_the_values_of_a_deployment_say_its_release_and_commit() -> None:
    release = dataclasses.replace(_release(), digest="e" * 64)
    assert entry_of(release, {"backend": "r@sha256:1"}, 3, True, {"A": "1"}) == {
        "images": {"backend": "r@sha256:1"}, "release": "e" * 64, "commit": "c" * 40, "replicas": 3, "workers": True,
        "env": {"A": "1"},
    }  # fmt: skip
