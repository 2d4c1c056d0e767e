"""The image of the tool (deploy/image/tool) for the nodes of a cluster, without a builder and a registry.

It is made once for each state of the sources, and kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dawsos.adapters import oci
from dawsos.adapters.locks import FileLock
from support.cluster import Cluster
from support.oci import ROOT, base_layer, layered

# Names an image of the tool that the nodes have already: then none is made.
VARIABLE = "DAWSOS_TOOL_IMAGE"
_KEPT = ROOT / ".dawsos" / "tool" / "tool-image"
_WITHIN = 600.0
# As deploy/image/tool gives them to a builder.
_CONFIG = {
    "Entrypoint": ["python3", "-P", "-m", "dawsos.cli"],
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/tmp"],
    "WorkingDir": "/tmp",
}


def tool_image(cluster: Cluster) -> str:
    """Give the image to the nodes of ``cluster`` and return its name there."""
    named = os.environ.get(VARIABLE)
    if named:
        return named
    if not cluster.imports:
        pytest.skip(f"the cluster says no command that imports images, and {VARIABLE} names none that the nodes have")
    archive, name = _archive()
    with archive.open("rb") as stream:
        done = subprocess.run(cluster.imports, shell=True, stdin=stream, capture_output=True, check=False)  # noqa: S602
    assert done.returncode == 0, f"{cluster.imports}: {done.stderr.decode()[-400:]}"
    return name


def _archive() -> tuple[Path, str]:
    """Return the OCI archive of the image, and what it is called in it."""
    key = _key()
    made, name = _KEPT / key / "image.tar", f"localhost/dawsos-tool:{key}"
    with FileLock(_KEPT.parent / "tool-image.lock") as lock:
        assert lock.take(within=_WITHIN), f"process {lock.holder} makes {made}"
        if not made.exists():
            _make(made, name)
    return made, name


def _make(made: Path, name: str) -> None:
    shutil.rmtree(_KEPT, ignore_errors=True)
    work = made.parent / "work"
    work.mkdir(parents=True)
    shutil.copy(base_layer(), work / "base.tar")
    argv = [str(ROOT / "deploy" / "image" / "tool"), str(work)]
    own = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "PROGRAMS": ""}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_WITHIN, env=own)
    assert done.returncode == 0, f"{argv[0]}: {done.stderr.strip()[-800:]}"
    image = layered(made.parent / "store", "tool", [work / "tool.tar"], _CONFIG)
    draft = made.with_suffix(".new")
    oci.write_archive(draft, oci.read_manifest(image.layout, image.digest), name)
    for folder in (work, made.parent / "store"):
        shutil.rmtree(folder)
    draft.rename(made)


def _key() -> str:
    """Return a digest of everything that the image is made of."""
    told = hashlib.sha256()
    files = [ROOT / "requirements" / "tool.txt"]
    files += sorted((ROOT / "deploy" / "image").iterdir())
    files += sorted(path for path in (ROOT / "src" / "dawsos").rglob("*") if "__pycache__" not in path.parts)
    for path in files:
        if path.is_file():
            told.update(f"{path.relative_to(ROOT)}\n".encode())
            told.update(hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()[:16]
