"""Real images by each real builder from a real release, and Docker's really run.  Slow, and only where a builder and its base can be
had: see docs/images.md."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions.images import docker_client
from dawsos.adapters import git
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.http import get
from dawsos.adapters.loopback import free_ports
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adapters.services import SERVICES
from dawsos.adapters.services.ephemeral import services
from dawsos.adapters.toolchain import base_environment, ensure
from dawsos.model.release import Release
from dawsos.releases import bundle as releases
from dawsos.releases import images
from dawsos.releases.builders import BUILDERS
from dawsos.releases.builders.common import BuildTools, ImageBuild
from dawsos.runs.project import load
from e2e.clone import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SECRET = "-".join(("a", "secret", "of", "this", "test", "and", "of", "nothing", "else"))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The backend as it is built for staging."""
    folder = tmp_path_factory.mktemp("release")
    runner, commit = ProcessRunner(SystemClock(), Masker()), git.commit(ROOT)

    async def build() -> Release:
        toolchain = await ensure(ROOT / "backend" / "requirements-dev.txt", ROOT / ".dawsos" / "toolchains", runner)
        recipe = releases.Recipe(ROOT / "backend", ROOT / "backend" / "requirements.txt", commit)
        python = toolchain / "bin" / "python"
        return await releases.build(
            recipe, python, folder=folder / "releases", kept=folder / "packages", log=folder / "log", runner=runner
        )

    return asyncio.run(build())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base image as an archive, made from Debian's packages."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("needs root and mmdebstrap")
    folder = tmp_path_factory.mktemp("base")
    subprocess.run([str(ROOT / "deploy" / "image" / "base"), str(folder)], check=True)
    return folder


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_two_builds_are_one_image_that_holds_no_shell_and_runs_as_nobody(
    name: str, release: Release, base: Path, tmp_path: Path
) -> None:
    # buildah would read Docker's configuration as well, which may be one without credentials.
    own = {key: word for key, word in os.environ.items() if name == "docker" or not key.startswith("DOCKER_")}
    subprocess.run([str(ROOT / "deploy" / "image" / "base"), str(base), name], check=False, env=own)
    pipeline, commit = load(ROOT), git.commit(ROOT)

    async def build() -> list[dict[str, Any]]:
        environment = base_environment(tmp_path)
        environment["PATH"] += ":/usr/sbin:/sbin"
        client = docker_client(os.environ, Path.home())
        tools = BuildTools(
            ProcessRunner(SystemClock(), Masker()), environment, tmp_path / "images.log", tmp_path, client
        )
        problem = await BUILDERS[name].problem(pipeline.service.images, tools)
        if problem:
            pytest.skip(f"{name}: {problem}")
        choice = await images.choose(name, pipeline.service.images, tools)
        assert choice.builder is BUILDERS[name]
        orders = [ImageBuild(image, ROOT, release.path, commit) for image in pipeline.service.images]
        return [await images.build(choice.builder, order, tools) for order in orders]

    for facts in asyncio.run(build()):
        print(facts, file=sys.stderr)
        assert len(set(facts["digests"])) == 1
        assert facts["shells"] == []
        assert facts["user"] == "65532:65532"
        assert facts["labels"]["org.opencontainers.image.revision"] == commit.sha
        assert facts["base_id"]
        assert 0 < facts["bytes"] < 150_000_000
        if name == "docker":
            asyncio.run(answers_as_a_container(facts["tag"], facts["name"], release, commit.sha))


async def answers_as_a_container(tag: str, image: str, release: Release, sha: str) -> None:
    """Run the image read-only and without any capability beside real services, until its own health check is content."""
    async with container(tag, release) as (url, name):
        async with asyncio.timeout(90):
            while (state := docker("inspect", "--format", "{{json .State}}", name)) is not None:
                told = json.loads(state)
                assert told["Running"], docker("logs", name)
                if told["Health"]["Status"] == "healthy":
                    break
                await asyncio.sleep(0.5)
        ready = await get(f"{url}/health/ready")
        assert (ready["status_code"], ready["body"]["status"]) == (200, "ready")
        if image == "backend":
            assert (await get(f"{url}/health"))["body"] == {"status": "healthy", "version": sha}
        assert docker("exec", name, "sh", "-c", "true", check=False) is None, "there is a shell in the image"
        assert docker("inspect", "--format", "{{.Config.User}}", name) == "65532:65532"
        # TERM ends it in order, well before Docker would kill it.
        docker("stop", "--time", "30", name)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"


@asynccontextmanager
async def container(tag: str, release: Release) -> AsyncIterator[tuple[str, str]]:
    """Yield the address and the name of a running container of ``tag``, its database migrated; both are gone afterwards."""
    (port,) = free_ports(1)
    name = f"dawsos-test-{port}"
    async with services(list(SERVICES.values()), release.path.parent.parent) as variables:
        own = {
            "JWT_SECRET": SECRET,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "WORKER_PORT": str(port),
            "LEDGER_DIR": "/ledger",
        }
        given = [word for key, value in (variables | own).items() for word in ("--env", f"{key}={value}")]
        # The loopback of the machine, because the services listen nowhere else.
        kept = ("--network", "host", "--read-only", "--cap-drop", "ALL", "--tmpfs", "/ledger:uid=65532,gid=65532")
        try:
            docker("run", "--rm", *kept, *given, "--entrypoint", "python3", tag, "-P", "-m", "app.migrate", "up")
            docker("run", "--detach", "--name", name, *kept, *given, tag)
            yield f"http://127.0.0.1:{port}", name
        finally:
            docker("rm", "--force", name, check=False)


def docker(*words: str, check: bool = True) -> str | None:
    """Return what docker printed; None when it failed and may."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(words[:2])}: {done.stdout}{done.stderr}")
    return None if done.returncode else (done.stdout + done.stderr).strip()
