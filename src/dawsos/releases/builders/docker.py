"""Images by Docker, with BuildKit.

BuildKit can set the times in an image itself only where its containerd store or a newer exporter is used, so they are set here,
on what ``docker save`` gives: two builds are then one image with every Docker that has buildx.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from dawsos.model.service import Image
from dawsos.releases.builders.common import BuildTools, ImageBuild, made_here, not_here
from dawsos.releases.layouts import add_blob, blob, canonical

_MEDIA = "application/vnd.docker"
_ID = ("docker", "image", "inspect", "--format", "{{.Id}}")


class Docker:
    """Implements ``Builder``."""

    name = "docker"

    async def problem(self, images: tuple[Image, ...], tools: BuildTools) -> str:
        tools = _client(tools)
        version = await tools.run("docker", "version", "--format", "{{.Server.Version}}")
        if not version.ok:
            return "not installed" if version.outcome.not_found else f"no daemon answers: {version.output[-200:]}"
        if not (await tools.run("docker", "buildx", "version")).ok:
            return "there is no buildx, the client of BuildKit"
        missing = [base for base in made_here(images) if not (await tools.run(*_ID, base)).ok]
        return not_here(missing[0]) if missing else ""

    async def lay_out(self, build: ImageBuild, tools: BuildTools, layout: Path) -> None:
        tools = _client(tools)
        raw, archive = f"{build.name}-raw", layout.with_suffix(".tar")
        await tools.must(
            "docker", "buildx", "build", "--load", "--quiet", "--no-cache", "--network", "none", "-t", raw,
            *build.arguments,
        )  # fmt: skip
        await tools.must("docker", "save", "--output", str(archive), raw)
        await tools.must("docker", "rmi", raw)
        unpack(archive, layout, build.commit.time)
        archive.unlink()

    async def keep(self, build: ImageBuild, tools: BuildTools, layout: Path) -> None:
        archive = layout.with_suffix(".tar")
        pack(layout, archive, build.name)
        await _client(tools).must("docker", "load", "--quiet", "--input", str(archive))
        archive.unlink()

    async def base_id(self, base: str, tools: BuildTools) -> str:
        return (await _client(tools).run(*_ID, base)).output


def _client(tools: BuildTools) -> BuildTools:
    """Return ``tools`` as Docker's client sees it."""
    # An attestation of BuildKit's would name the moment of the build; the pipeline signs its own.
    plain = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    return dataclasses.replace(tools, environment=tools.environment | tools.docker | plain)


def unpack(archive: Path, layout: Path, moment: int) -> None:
    """Lay out what ``docker save`` wrote, with no time later than ``moment`` (Unix seconds) and without the build's own ids."""
    layout.mkdir()
    with tarfile.open(archive) as saved:
        (one,) = json.load(_member(saved, "manifest.json"))
        config = json.load(_member(saved, one["Config"]))
        layers = [_earlier(_member(saved, name), layout, moment) for name in one["Layers"]]
    config["rootfs"]["diff_ids"] = [layer["digest"] for layer in layers]
    config["created"] = _written(moment)
    for step in config.get("history", ()):
        step["created"] = min(step.get("created") or config["created"], config["created"])
    for part in ("container", "container_config", "moby.buildkit.buildinfo.v1"):
        config.pop(part, None)
    for part in ("Hostname", "Image"):
        config.get("config", {}).pop(part, None)
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_MEDIA}.distribution.manifest.v2+json",
        "config": {"mediaType": f"{_MEDIA}.container.image.v1+json", **add_blob(layout, canonical(config))},
        "layers": [{"mediaType": f"{_MEDIA}.image.rootfs.diff.tar", **layer} for layer in layers],
    }
    (layout / "manifest.json").write_bytes(canonical(manifest))


def pack(layout: Path, archive: Path, name: str) -> None:
    """Write the image of ``layout`` as ``docker load`` reads it, to be known as ``name``."""
    manifest = json.loads((layout / "manifest.json").read_text())
    digests = [layer["digest"] for layer in manifest["layers"]]
    blobs = {digest: blob(layout, digest) for digest in (manifest["config"]["digest"], *digests)}
    config = f"{blobs[manifest['config']['digest']].name}.json"
    layers = [f"{blobs[digest].name}/layer.tar" for digest in digests]
    with tarfile.open(archive, "w") as saved:
        saved.add(blobs[manifest["config"]["digest"]], config)
        for digest in dict.fromkeys(digests):
            saved.add(blobs[digest], f"{blobs[digest].name}/layer.tar")
        content = json.dumps([{"Config": config, "RepoTags": [name], "Layers": layers}]).encode()
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(content)
        saved.addfile(entry, io.BytesIO(content))


def _member(archive: tarfile.TarFile, name: str) -> BinaryIO:
    return cast("BinaryIO", archive.extractfile(name))


def _written(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _earlier(layer: BinaryIO, layout: Path, moment: int) -> dict[str, Any]:
    """Copy a layer into ``layout``, no file of it later than ``moment``; return its digest and size in bytes."""
    draft = layout / "draft"
    with tarfile.open(fileobj=layer, mode="r:*") as old, tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as new:
        for entry in old:
            entry.mtime = min(int(entry.mtime), moment)
            entry.pax_headers = {key: word for key, word in entry.pax_headers.items() if not key.endswith("time")}
            new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
    with draft.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    shutil.move(draft, layout / digest)
    return {"digest": f"sha256:{digest}", "size": (layout / digest).stat().st_size}
