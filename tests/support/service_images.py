"""Real images of DawsOS and of what it needs on a cluster, made once for each state of the sources and kept."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from dawsos.adapters import git
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.locks import FileLock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.adapters.toolchain import ensure
from dawsos.model.release import Release
from dawsos.releases import bundle as releases
from support.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
_KEPT = ROOT / ".dawsos" / "tool" / "service-images"
_WITHIN = 1200.0
SERVICES = ("postgres", "redis", "stand-ins")
OTHER = "f" * 40


@dataclass(frozen=True)
class ServiceImages:
    """``tag`` is that of the images ``dawsos-NAME``; the backend with the tag ``OTHER`` is the same under another commit."""

    tag: str
    archives: tuple[Path, ...]

    def give(self, cluster: Cluster) -> None:
        """Import the images into the nodes of ``cluster``."""
        for archive in self.archives:
            with archive.open("rb") as stream:
                done = subprocess.run(cluster.imports, shell=True, stdin=stream, capture_output=True, check=False)  # noqa: S602
            assert done.returncode == 0, f"{cluster.imports}: {done.stderr.decode()[-400:]}"


def service_images() -> ServiceImages:
    """Return the images of HEAD; skips the test where they cannot be built (docs/images.md)."""
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in ("buildah", "mmdebstrap")):
        pytest.skip("images of DawsOS are made by buildah and mmdebstrap, as root")
    tag, key = git.commit(ROOT).sha, _said("git", "rev-parse", "HEAD:backend", "HEAD:deploy/image").replace("\n", "-")
    folder = _KEPT / key
    with FileLock(_KEPT.parent / "service-images.lock") as lock:
        assert lock.take(within=_WITHIN), f"process {lock.holder} makes {folder}"
        noted = folder / "tag"
        if not noted.exists():
            shutil.rmtree(_KEPT, ignore_errors=True)
            folder.mkdir(parents=True)
            _make(folder, tag)
            noted.write_text(tag)
        return ServiceImages(noted.read_text(), tuple(sorted(folder.glob("*.tar"))))


def _make(folder: Path, tag: str) -> None:
    base = folder / "base"
    _said(str(ROOT / "deploy" / "image" / "base"), str(base), "buildah")
    _said(str(ROOT / "deploy" / "image" / "services"), str(base), "buildah")
    release, commit = asyncio.run(_release(folder)), git.commit(ROOT)
    for name, file in (("backend", "Dockerfile"), ("worker", "Dockerfile.worker")):
        _said(
            "buildah", "bud", "--quiet", "--no-cache", "--isolation", "chroot", "--format", "docker",
            "--timestamp", str(commit.time), "--build-arg", "BASE=localhost/dawsos-base", "--build-arg", f"GIT_SHA={tag}",
            "--tag", f"localhost/dawsos-{name}:{tag}", "--file", str(ROOT / "backend" / file), str(release.path),
        )  # fmt: skip
    # The same image under another commit, so that it is seen which one answers.
    other = _said("buildah", "from", f"localhost/dawsos-backend:{tag}")
    _said("buildah", "config", "--env", f"GIT_SHA={OTHER}", other)
    _said("buildah", "commit", "--quiet", "--rm", "--format", "docker", other, f"localhost/dawsos-backend:{OTHER}")
    made = [("backend", tag), ("backend", OTHER), ("worker", tag), *((name, "latest") for name in SERVICES)]
    for name, version in made:
        # The request calls the image `dawsos-backend`, which is short for this.
        archive = f"docker-archive:{folder / f'{name}-{version[:8]}.tar'}:docker.io/library/dawsos-{name}:{version}"
        _said("buildah", "push", "--quiet", f"localhost/dawsos-{name}:{version}", archive)
    shutil.rmtree(base)
    shutil.rmtree(folder / "release")


async def _release(folder: Path) -> Release:
    runner, locked = ProcessRunner(SystemClock(), Masker()), ROOT / "backend" / "requirements.txt"
    toolchain = await ensure(ROOT / "backend" / "requirements-dev.txt", ROOT / ".dawsos" / "toolchains", runner)
    recipe = releases.Recipe(ROOT / "backend", locked, git.commit(ROOT))
    work = folder / "release"
    work.mkdir()
    return await releases.build(
        recipe,
        toolchain / "bin" / "python",
        folder=work / "releases",
        kept=work / "packages",
        log=work / "log",
        runner=runner,
    )


def _said(*argv: str) -> str:
    own = {key: word for key, word in os.environ.items() if not key.startswith("DOCKER_")}
    own["PATH"] += ":/usr/sbin:/sbin"
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_WITHIN, cwd=ROOT, env=own)
    assert done.returncode == 0, f"{' '.join(argv[:3])}: {done.stderr.strip()[-800:]}"
    return done.stdout.strip()
