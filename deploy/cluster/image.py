#!/usr/bin/env python3
"""image.py NAME OUT.tar FILE:PATH ...: an OCI archive of one layer with these files; the first is what it runs.

`ctr -n k8s.io images import OUT.tar` names it NAME.  The same files give the same bytes.
"""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}


def main(name: str, out: str, files: list[str]) -> None:
    pairs = [file.partition(":")[::2] for file in files]
    layer = _layer([(path.lstrip("/"), Path(source).read_bytes()) for source, path in pairs])
    config = {
        "created": "1970-01-01T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [pairs[0][1]], "Env": ["PATH=/bin:/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    blobs = [json.dumps(config).encode(), layer]
    kinds = ["config.v1+json", "layer.v1.tar"]
    told = [
        {"mediaType": f"application/vnd.oci.image.{kind}", "digest": _digest(blob), "size": len(blob)}
        for kind, blob in zip(kinds, blobs, strict=True)
    ]
    of_image = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": of_image, "config": told[0], "layers": told[1:]}).encode()
    entry = {
        "mediaType": of_image,
        "digest": _digest(manifest),
        "size": len(manifest),
        "annotations": {"io.containerd.image.name": name},
    }
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    with tarfile.open(out, "w") as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}', 0o644)
        _add(archive, "index.json", index, 0o644)
        for blob in (*blobs, manifest):
            _add(archive, f"blobs/sha256/{_digest(blob)[7:]}", blob, 0o644)


def _layer(files: list[tuple[str, bytes]]) -> bytes:
    buffer, folders = io.BytesIO(), {"tmp", "proc", "sys", "dev"}
    for path in [*ACCOUNTS, *(path for path, _ in files)]:
        parts = path.split("/")[:-1]
        folders |= {"/".join(parts[: count + 1]) for count in range(len(parts))}
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in sorted(folders):
            _add(archive, folder, None, 0o1777 if folder == "tmp" else 0o755)
        for path, text in ACCOUNTS.items():
            _add(archive, path, text.encode(), 0o644)
        for path, data in files:
            _add(archive, path, data, 0o755)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes | None, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.mode, info.type = mode, tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    info.size = len(data or b"")
    archive.addfile(info, io.BytesIO(data or b""))


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
