"""Images in a folder as the OCI image layout has them: ``blobs/sha256/HEX``, one file a manifest, a configuration or a layer.

One folder keeps any number of images, which share what they have in common.  An image is named by the digest of its manifest, and
its bytes are never written anew: what is pushed or imported has the digest that the evidence is about.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dawsos.errors import InfrastructureError

if TYPE_CHECKING:
    import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
# A manifest lists some dozen layers.
_LONGEST_MANIFEST = 4 << 20


@dataclass(frozen=True)
class Blob:
    """A file of an image: its digest (sha256:...), its size in bytes and where it lies."""

    digest: str
    size: int
    path: Path


@dataclass(frozen=True)
class Manifest:
    """An image: the exact bytes of its manifest, and its blobs, the configuration first, each once."""

    digest: str
    media_type: str
    content: bytes
    blobs: tuple[Blob, ...]


def blob_path(layout: Path, digest: str) -> Path:
    """Return where the blob ``digest`` lies in ``layout``."""
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def read_manifest(layout: Path, digest: str) -> Manifest:
    """Return the image ``digest`` of ``layout`` after comparing its manifest with the digest; its blobs are not read.

    Raises InfrastructureError when it is not there or was altered.
    """
    path = blob_path(layout, digest)
    try:
        content = path.read_bytes() if path.stat().st_size <= _LONGEST_MANIFEST else b""
    except OSError as error:
        raise _missing(digest, error) from error
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise _altered(digest, path)
    try:
        told: dict[str, Any] = json.loads(content)
        listed = {str(one["digest"]): int(one["size"]) for one in (told["config"], *told["layers"])}
        if not all(DIGEST.fullmatch(one) for one in listed):
            raise ValueError("it names a blob by another digest than SHA-256")
        media_type = str(told.get("mediaType") or MANIFEST)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InfrastructureError(
            f"image {digest[:19]} has a manifest that is none of an image: {error}", fix=_AGAIN
        ) from error
    return Manifest(
        digest, media_type, content, tuple(Blob(one, size, blob_path(layout, one)) for one, size in listed.items())
    )


def verify(layout: Path, digest: str) -> Manifest:
    """Return the image ``digest`` of ``layout`` after comparing every byte of it with its digest.

    Raises InfrastructureError when anything of it is missing or was altered.
    """
    manifest = read_manifest(layout, digest)
    for blob in manifest.blobs:
        try:
            with blob.path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise _missing(digest, error) from error
        if f"sha256:{found}" != blob.digest:
            raise _altered(digest, blob.path)
    return manifest


def is_here(layout: Path, digest: str) -> bool:
    """Return whether every file of the image is there with its size; their bytes are not read."""
    try:
        return all(blob.path.stat().st_size == blob.size for blob in read_manifest(layout, digest).blobs)
    except (OSError, InfrastructureError):
        return False


def keep(layout: Path, manifest: bytes, blobs: Iterable[Path]) -> str:
    """Move ``blobs``, files named by their SHA-256 on the same disk, and the ``manifest`` that lists them into ``layout``.

    Returns the digest of the image.  The manifest comes last: an image whose manifest is there is whole.
    """
    folder = layout / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    if not (layout / "oci-layout").exists():
        (layout / "oci-layout").write_bytes(_LAYOUT)
    for path in blobs:
        path.chmod(0o444)
        # What lies there may have been damaged; it is replaced by what was made just now.
        path.replace(folder / path.name)
    digest = hashlib.sha256(manifest).hexdigest()
    draft = folder / f"{digest}.{os.getpid()}.tmp"
    draft.write_bytes(manifest)
    draft.chmod(0o444)
    draft.replace(folder / digest)
    return f"sha256:{digest}"


def write_archive(target: Path, manifest: Manifest, name: str) -> None:
    """Write the image as an OCI archive, to be known as ``name`` (repository@sha256:...) where it is imported.

    containerd takes the whole name from its own annotation; other tools read the reference.
    """
    import tarfile  # every plan looks at what is kept, and none writes an archive

    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    entry = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.content)}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**entry, "annotations": names}],
    }
    with tarfile.open(target, "w") as archive:
        _add(archive, "oci-layout", _LAYOUT)
        _add(archive, "index.json", json.dumps(index, separators=(",", ":")).encode())
        _add(archive, _name_of(manifest.digest), manifest.content)
        for blob in manifest.blobs:
            with blob.path.open("rb") as stream:
                _add(archive, _name_of(blob.digest), stream, blob.size)


def _name_of(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _add(archive: tarfile.TarFile, name: str, content: bytes | BinaryIO, size: int = 0) -> None:
    info = archive.tarinfo(name)
    info.mode = 0o644
    info.size = len(content) if isinstance(content, bytes) else size
    archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else content)


_AGAIN = "ship its commit again with --no-cache"


def _missing(digest: str, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"image {digest[:19]} is not here: {error.strerror} ({error.filename})", fix="ship its commit again"
    )


def _altered(digest: str, path: Path) -> InfrastructureError:
    return InfrastructureError(
        f"image {digest[:19]} was altered after it was built: {path.name[:12]} is not what its digest says",
        fix=f"remove {path} and ship its commit again",
    )
