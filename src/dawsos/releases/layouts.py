"""Reads an image that a builder has written to a folder: a manifest, its configuration, its uncompressed layers.

The folder is containers/image's ``dir`` transport: ``manifest.json`` and one file a blob, named by its SHA-256.
"""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

from dawsos.adapters import oci
from dawsos.adapters.digests import sha256

_SHELLS = frozenset({"sh", "ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "rbash", "tcsh", "zsh"})
_PACKAGE_SUFFIX = re.compile(r"-\d.*$")


def normalise(folder: Path) -> None:
    """Remove the random id and host name of the build container from the image in ``folder``.

    Docker's image format has them, and only that format has a HEALTHCHECK; with them no two builds are the same.
    """
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    old = blob(folder, manifest["config"]["digest"])
    config = json.loads(old.read_text())
    config.pop("container", None)
    for part in ("config", "container_config"):
        config.get(part, {}).pop("Hostname", None)
    old.unlink()
    manifest["config"] |= add_blob(folder, canonical(config))
    path.write_bytes(canonical(manifest))


def canonical(document: dict[str, Any]) -> bytes:
    """Return the one JSON text of ``document``."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def add_blob(folder: Path, content: bytes) -> dict[str, Any]:
    """Write a blob into ``folder`` and return its digest and size, as a manifest has them."""
    digest = sha256(content)
    (folder / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def manifest_digest(folder: Path) -> str:
    """Return the digest that names the image laid out in ``folder`` (containers/image's ``dir`` transport)."""
    return f"sha256:{sha256((folder / 'manifest.json').read_bytes())}"


def keep_layout(folder: Path, store: Path) -> str:
    """Move the image of ``folder`` into ``store``, the OCI image layout of all images, and return its digest."""
    content = (folder / "manifest.json").read_bytes()
    manifest = json.loads(content)
    digests = (one["digest"] for one in (manifest["config"], *manifest["layers"]))
    return oci.keep(store, content, [blob(folder, digest) for digest in dict.fromkeys(digests)])


def image_facts(folder: Path) -> dict[str, Any]:
    """Return what the image in ``folder`` holds, its layers being uncompressed: sizes in bytes, user, shells, labels, health check."""
    manifest = json.loads((folder / "manifest.json").read_text())
    config = json.loads(blob(folder, manifest["config"]["digest"]).read_text())
    layers: list[dict[str, Any]] = []
    files: dict[str, tuple[int, bool]] = {}
    commands = [step.get("created_by", "") for step in config.get("history", ()) if not step.get("empty_layer")]
    for index, layer in enumerate(manifest["layers"]):
        path = blob(folder, layer["digest"])
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


def blob(folder: Path, digest: str) -> Path:
    """Return the file of a blob."""
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
                # A link to a shell counts as a shell: it can be called by its name.
                files[path] = (member.size if member.isfile() else 0, member.issym() or bool(member.mode & 0o111))


def _packages(files: dict[str, tuple[int, bool]]) -> list[dict[str, Any]]:
    """Return the folders below site-packages with their bytes, the largest first; the rest of the image is ``base``."""
    sizes: dict[str, int] = {}
    for path, (size, _) in files.items():
        _, found, rest = path.partition("app/site/")
        name = _PACKAGE_SUFFIX.sub("", rest.split("/")[0]) if found else "base"
        sizes[name] = sizes.get(name, 0) + size
    return [{"name": name, "bytes": size} for name, size in sorted(sizes.items(), key=lambda pair: -pair[1])]
