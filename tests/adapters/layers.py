"""Makes layers and layouts of images for the tests of those who read them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any


def layer(folder: Path, files: dict[str, tuple[int, int]], links: dict[str, str] | None = None) -> dict[str, Any]:
    """Write a layer with ``files``, path -> (bytes, mode), and return its entry in the manifest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (size, mode) in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = size, mode
            archive.addfile(info, io.BytesIO(b"x" * size))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return blob(folder, buffer.getvalue())


def blob(folder: Path, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def layout(folder: Path, *layers: dict[str, Any], host: str = "a1b2") -> Path:
    config = {
        "container": host * 16,
        "config": {"Hostname": host, "User": "65532", "Labels": {"a": "b"}, "Healthcheck": {"Test": ["CMD", "true"]}},
        "container_config": {"Hostname": host},
        "history": [{"created_by": "COPY"} for _ in layers],
    }
    told = blob(folder, json.dumps(config).encode())
    (folder / "manifest.json").write_text(json.dumps({"config": told, "layers": list(layers)}))
    return folder
