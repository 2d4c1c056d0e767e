"""Small real images for tests: a layer, a configuration and a manifest, kept as releases keep theirs."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawsos.adapters import oci
from dawsos.model.release import BuiltImage

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


def kept_image(
    store: Path,
    name: str = "backend",
    files: Mapping[str, bytes] | None = None,
    config: Mapping[str, Any] | None = None,
) -> BuiltImage:
    """Return an image of one layer with ``files`` (path -> content, executable) that is kept in ``store``."""
    drafts = store.parent / f"drafts-{name}"
    drafts.mkdir(parents=True, exist_ok=True)
    blobs: list[Path] = []

    def blob(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        path = drafts / digest
        path.write_bytes(content)
        blobs.append(path)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    packed = layer(files if files is not None else {"app/x": name.encode()})
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(packed).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            **blob(json.dumps(document, sort_keys=True).encode()),
        },
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar", **blob(packed)}],
    }
    digest = oci.keep(store, json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode(), blobs)
    drafts.rmdir()
    return BuiltImage(name, digest, store)


def layer(files: Mapping[str, bytes]) -> bytes:
    """Return a layer with ``files``, all of them executable."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def altered(path: Path) -> None:
    """Change one byte of a kept file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))
