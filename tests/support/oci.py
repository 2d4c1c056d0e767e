"""Images of tiny services without a registry and without a builder: Debian's Python as the first layer, a few files as the second."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters import oci
from dawsos.adapters.clock import SystemClock
from dawsos.adapters.locks import FileLock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.model.cluster import Delivery
from dawsos.model.release import BuiltImage, Release
from dawsos.platforms.kubernetes.images import deliver
from support.cluster import Cluster
from support.images import layer
from support.tiny_service import source

ROOT = Path(__file__).resolve().parents[2]
_CACHE = ROOT / ".dawsos" / "tool" / "image-base"
_WITHIN = 600.0
# The user of deploy/image/base.
_USER = "65532"


def base_layer() -> Path:
    """Return the archive of a root with Python and no shell; made once from Debian's packages (15 s) and kept."""
    made = _CACHE / "base.tar"
    with FileLock(_CACHE.parent / "image-base.lock") as lock:
        assert lock.take(within=_WITHIN), f"process {lock.holder} makes {_CACHE}"
        if made.exists():
            return made
        if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
            pytest.skip("images for tests are made by mmdebstrap, as root")
        fresh = _CACHE.with_name("image-base-fresh")
        script = str(ROOT / "deploy" / "image" / "base")
        done = subprocess.run([script, str(fresh)], capture_output=True, text=True, check=False, timeout=_WITHIN)
        assert done.returncode == 0, f"{script}: {done.stderr.strip()[-800:]}"
        shutil.rmtree(_CACHE, ignore_errors=True)
        fresh.rename(_CACHE)
    return made


def image(store: Path, name: str, files: Mapping[str, str], config: Mapping[str, Any]) -> BuiltImage:
    """Return an image with ``files`` (path -> text) on Debian's Python, kept in ``store``; the same files give the same digest."""
    own = layer({path: text.encode() for path, text in sorted(files.items())})
    return layered(store, name, [base_layer(), own], {"WorkingDir": "/app", **config})


def layered(store: Path, name: str, layers: Sequence[Path | bytes], config: Mapping[str, Any]) -> BuiltImage:
    """Return an image of these archives, the lowest first, kept in ``store``."""
    drafts = store.parent / f"drafts-{name}"
    drafts.mkdir(parents=True, exist_ok=True)
    blobs: list[Path] = []

    def blob(content: bytes | Path) -> dict[str, Any]:
        digest = _digest_of(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
        draft = drafts / digest
        if isinstance(content, Path):
            shutil.copy(content, draft)
        else:
            draft.write_bytes(content)
        blobs.append(draft)
        return {"digest": f"sha256:{digest}", "size": draft.stat().st_size}

    told = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **blob(each)} for each in layers]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"User": _USER, **config},
        "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in told]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(json.dumps(document).encode())},
        "layers": told,
    }
    digest = oci.keep(store, json.dumps(manifest).encode(), blobs)
    drafts.rmdir()
    return BuiltImage(name, digest, store)


def _digest_of(base: Path) -> str:
    """Return the SHA-256 of a layer, which is noted beside it: reading it takes longer than making an image."""
    noted = base.with_suffix(".sha256")
    if not noted.exists():
        with base.open("rb") as stream:
            noted.write_text(hashlib.file_digest(stream, "sha256").hexdigest())
    return noted.read_text()


def tiny_image(store: Path, commit: str, **faults: float) -> BuiltImage:
    """Return an image of support/tiny_service.py that answers ``commit``; ``faults`` are its constants."""
    config = {
        "Entrypoint": ["/usr/bin/python3", "-B", "/app/tiny_service.py"],
        "Env": [f"GIT_SHA={commit}", "PYTHONUNBUFFERED=1", "PATH=/usr/bin"],
    }
    return image(store, "backend", {"app/tiny_service.py": source(**faults)}, config)


def tiny_release(folder: Path, text: str, **faults: float) -> Release:
    """Return a release of the tiny service whose image is built; its commit and digest come from ``text``."""
    commit = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - it stands for a commit
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = folder / "releases" / text
    (path / "site").mkdir(parents=True, exist_ok=True)
    (path / "site" / "tiny_service.py").write_text(source(**faults))
    built = tiny_image(folder / "image-store", commit, **faults)
    return Release(digest, path, commit, 1, "3.11", "/usr/bin/python3", (built,))


def given(cluster: Cluster, built: BuiltImage, folder: Path) -> str:
    """Give the image to the cluster's nodes and return its name there (repository@sha256:...)."""
    runner = ProcessRunner(SystemClock(), Masker())
    delivery = Delivery.model_validate({"import": cluster.imports})
    return asyncio.run(deliver(built, delivery, runner, folder / "deliver.log"))
