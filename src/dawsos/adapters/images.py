"""Container images of a release: which builder can make them here, and what an image holds.

The choice is made in the open: each candidate says why it can or cannot.  An image is made from the release's own
folder, so that it holds the very files that were tested, and twice, so that it can be compared with itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dawsos.adapters.git import Commit
from dawsos.errors import InfrastructureError, ReleaseFailed
from dawsos.model.pipeline import Image
from dawsos.model.process import Command
from dawsos.ports import Runner

BUNDLE = "bundle"
_BUDGET = 600.0
_SHELLS = frozenset({"sh", "ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "rbash", "tcsh", "zsh"})
_INSPECT = ("buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}")
_PACKAGE_SUFFIX = re.compile(r"-\d.*$")


@dataclass(frozen=True)
class Choice:
    """The builder that is used and why: each candidate with its reason, in the order they were asked."""

    builder: str
    reason: str


@dataclass(frozen=True)
class Shop:
    """Where builders are run: the runner, the environment they see, the log, a folder for their work."""

    runner: Runner
    environment: dict[str, str]
    log: Path
    folder: Path

    async def run(self, *argv: str) -> tuple[bool, str]:
        """Run ``argv``; return whether it exited 0 and what it printed."""
        before = self.log.stat().st_size if self.log.exists() else 0
        outcome = await self.runner.run(Command(argv, str(self.folder), self.environment, str(self.log), _BUDGET))
        said = self.log.read_bytes()[before:].decode(errors="replace") if self.log.exists() else ""
        return outcome.classification == "ok", said.strip()


async def choose(demanded: str, images: tuple[Image, ...], shop: Shop) -> Choice:
    """Return the builder to use: ``demanded`` when it is named, else the first that works, else the bundle alone.

    Raises InfrastructureError when the one that is demanded does not work here.
    """
    if demanded == BUNDLE:
        return Choice(BUNDLE, "pipeline.yaml demands it")
    if not images:
        return Choice(BUNDLE, "service.images names none")
    problem = await _missing(images, shop)
    if not problem:
        why = "pipeline.yaml demands it" if demanded == "buildah" else "it works here and has the base image"
        return Choice("buildah", why)
    if demanded == "buildah":
        raise InfrastructureError(f"pipeline.yaml demands buildah: {problem}", fix="docs/images.md, or builder: auto")
    return Choice(BUNDLE, f"no image was built: {problem}")


async def _missing(images: tuple[Image, ...], shop: Shop) -> str:
    """Return what keeps buildah from working here, an empty string when nothing does."""
    works, said = await shop.run("buildah", "--version")
    if not works:
        return "buildah is not installed" if "cannot start" in said else f"buildah does not work: {said[-200:]}"
    for base in sorted({image.base for image in images}):
        # A base that is named by its digest may be pulled; one made here must be here.
        if "@sha256:" not in base and not (await shop.run(*_INSPECT, base))[0]:
            return f"the base image {base} is not here (deploy/image/base makes it)"
    return ""


async def build(image: Image, root: Path, release: Path, commit: Commit, shop: Shop) -> dict[str, Any]:
    """Build ``image`` twice from the release's folder, keep it, and return its facts, as the image gate reads them.

    Raises ReleaseFailed with the end of the builder's words.
    """
    name = f"localhost/dawsos-{image.name}:{release.name[:12]}"
    layouts = [shop.folder / f"{image.name}-{turn}" for turn in (1, 2)]
    for layout in layouts:
        await _must(
            shop, "buildah", "bud", "--quiet", "--no-cache", "--isolation", "chroot", "--format", "docker",
            "--timestamp", str(commit.time), "--build-arg", f"BASE={image.base}", "--build-arg", f"GIT_SHA={commit.sha}",
            "--build-arg", f"CREATED={datetime.fromtimestamp(commit.time, UTC).isoformat()}",
            "-f", str(root / image.dockerfile), "-t", f"{name}-raw", str(release),
        )  # fmt: skip
        await _must(shop, "buildah", "push", "--quiet", "--disable-compression", f"{name}-raw", f"dir:{layout}")
        await _must(shop, "buildah", "rmi", f"{name}-raw")
        normalise(layout)
    said = await _must(shop, "buildah", "pull", "--quiet", f"dir:{layouts[0]}")
    await _must(shop, "buildah", "tag", said.splitlines()[-1], name)
    _, base_id = await shop.run(*_INSPECT, image.base)
    return {
        **image_facts(layouts[0]), "name": image.name, "tag": name, "base": image.base, "base_id": base_id,
        "builder": "buildah", "digests": [manifest_digest(layout) for layout in layouts],
    }  # fmt: skip


async def _must(shop: Shop, *argv: str) -> str:
    works, said = await shop.run(*argv)
    if not works:
        tail = "\n    ".join(said.splitlines()[-8:])
        raise ReleaseFailed(f"`{' '.join(argv[:2])}` failed:\n    {tail}", fix=f"read {shop.log}")
    return said


def normalise(folder: Path) -> None:
    """Take out of the image in ``folder`` what only names the container it was built in: a random id and host name.

    Docker's format has them, and it is the one with a HEALTHCHECK; with them no two builds are ever the same.
    """
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    old = _blob(folder, manifest["config"]["digest"])
    config = json.loads(old.read_text())
    config.pop("container", None)
    for part in ("config", "container_config"):
        config.get(part, {}).pop("Hostname", None)
    content = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    old.unlink()
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(content)}
    path.write_text(json.dumps(manifest, sort_keys=True, separators=(",", ":")))


def manifest_digest(folder: Path) -> str:
    """Return the digest that names the image laid out in ``folder`` (containers/image's ``dir`` transport)."""
    return f"sha256:{hashlib.sha256((folder / 'manifest.json').read_bytes()).hexdigest()}"


def image_facts(folder: Path) -> dict[str, Any]:
    """Return what the image in ``folder`` holds, its layers being uncompressed: sizes in bytes, user, shells, labels, health check."""
    manifest = json.loads((folder / "manifest.json").read_text())
    config = json.loads(_blob(folder, manifest["config"]["digest"]).read_text())
    layers: list[dict[str, Any]] = []
    files: dict[str, tuple[int, bool]] = {}
    commands = [step.get("created_by", "") for step in config.get("history", ()) if not step.get("empty_layer")]
    for index, layer in enumerate(manifest["layers"]):
        path = _blob(folder, layer["digest"])
        command = commands[index] if len(commands) == len(manifest["layers"]) else ""
        layers.append({"digest": layer["digest"], "bytes": layer["size"], "command": command[:200]})
        _lay_over(files, path)
    own = config.get("config", {})
    return {
        "bytes": sum(layer["bytes"] for layer in layers),
        "layers": sorted(layers, key=lambda layer: -layer["bytes"])[:5],
        "packages": _packages(files)[:5],
        "user": own.get("User", ""),
        "shells": sorted(name for name in files if name.rpartition("/")[2] in _SHELLS and files[name][1]),
        "labels": own.get("Labels") or {},
        "healthcheck": (own.get("Healthcheck") or {}).get("Test") or [],
    }


def _blob(folder: Path, digest: str) -> Path:
    return folder / digest.removeprefix("sha256:")


def _lay_over(files: dict[str, tuple[int, bool]], layer: Path) -> None:
    """Put the layer's files, path -> (bytes, executable), over those below; whiteouts take away what they name."""
    with tarfile.open(layer) as archive:
        for member in archive:
            path = member.name.removeprefix("./").rstrip("/")
            parent, _, name = path.rpartition("/")
            if name.startswith(".wh."):
                gone = parent if name == ".wh..wh..opq" else f"{parent}/{name[4:]}".lstrip("/")
                for known in [one for one in files if one == gone or one.startswith(f"{gone}/")]:
                    del files[known]
            elif member.isfile() or member.issym() or member.islnk():
                # A link to a shell is a shell: its name is what somebody would call.
                files[path] = (member.size if member.isfile() else 0, member.issym() or bool(member.mode & 0o111))


def _packages(files: dict[str, tuple[int, bool]]) -> list[dict[str, Any]]:
    """Return the folders below site-packages with their bytes, the largest first; the rest of the image is ``base``."""
    sizes: dict[str, int] = {}
    for path, (size, _) in files.items():
        _, found, rest = path.partition("app/site/")
        name = _PACKAGE_SUFFIX.sub("", rest.split("/")[0]) if found else "base"
        sizes[name] = sizes.get(name, 0) + size
    return [{"name": name, "bytes": size} for name, size in sorted(sizes.items(), key=lambda pair: -pair[1])]
