"""A real image by buildah from a real release.  Slow, and only where root has buildah and mmdebstrap: see docs/images.md."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dawsos.adapters import git, images
from dawsos.adapters import release as releases
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import GuardedRunner
from dawsos.adapters.redact import Masker
from dawsos.adapters.toolchain import base_environment, ensure
from dawsos.app.project import load
from e2e.clone import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.timeout(1800)
def test_two_builds_are_one_image_that_holds_no_shell_and_runs_as_nobody(tmp_path: Path) -> None:
    missing = [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}")
    subprocess.run([str(ROOT / "deploy" / "image" / "base"), str(tmp_path / "base"), "buildah"], check=True)
    runner, commit, pipeline = GuardedRunner(SystemClock(), Masker()), git.commit(ROOT), load(ROOT)

    async def build() -> list[dict[str, object]]:
        toolchain = await ensure(ROOT / "backend" / "requirements-dev.txt", ROOT / ".dawsos" / "toolchains", runner)
        recipe = releases.Recipe(ROOT / "backend", ROOT / "backend" / "requirements.txt", commit)
        python = toolchain / "bin" / "python"
        built = await releases.build(recipe, python, folder=tmp_path / "releases", log=tmp_path / "log", runner=runner)
        environment = base_environment(tmp_path)
        environment["PATH"] += ":/usr/sbin:/sbin"
        shop = images.Shop(runner, environment, tmp_path / "images.log", tmp_path)
        choice = await images.choose("buildah", pipeline.service.images, shop)
        assert choice.builder == "buildah"
        return [await images.build(image, ROOT, built.path, commit, shop) for image in pipeline.service.images]

    for facts in asyncio.run(build()):
        print(facts, file=sys.stderr)
        assert len(set(facts["digests"])) == 1  # type: ignore[call-overload]
        assert facts["shells"] == []
        assert facts["user"] == "65532:65532"
        assert 0 < int(str(facts["bytes"])) < 150_000_000
