"""The image of the tool (deploy/image/tool) for the nodes of a cluster, without a builder and a registry.

Its packages and programs (helm and kubectl of PATH) are made once for each state of their lists, and kept.  The sources of now lie
in a layer of their own above them, so that a change of the tool costs seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dawsos.adapters import oci
from dawsos.adapters.locks import FileLock
from support.cluster import Cluster
from support.images import layer
from support.oci import ROOT, base_layer, layered

# Names an image of the tool that the nodes have already: then none is made.
VARIABLE = "DAWSOS_TOOL_IMAGE"
_KEPT = ROOT / ".dawsos" / "tool" / "tool-image"
_WITHIN = 600.0
# Where the tool lies in the image, and the Python that compiles what lies there.
_SITE, _PYTHON = "usr/lib/python3/dist-packages/dawsos", (3, 11)
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
    with FileLock(_KEPT.parent / "tool-image.lock") as lock:
        assert lock.take(within=_WITHIN), f"process {lock.holder} makes the tool's image"
        archive, name = _archive()
        if (
            cluster.script is None
            or name not in cluster.node("in", "ctr", "-n", "k8s.io", "images", "ls", "-q").split()
        ):
            _give(cluster, archive)
    return name


def _give(cluster: Cluster, archive: Path) -> None:
    with archive.open("rb") as stream:
        done = subprocess.run(cluster.imports, shell=True, stdin=stream, capture_output=True, check=False)  # noqa: S602
    assert done.returncode == 0, f"{cluster.imports}: {done.stderr.decode()[-400:]}"


def _archive() -> tuple[Path, str]:
    """Return the OCI archive of the image, and what it is called in it."""
    programs = [Path(found).resolve() for name in ("helm", "kubectl") if (found := shutil.which(name))]
    packages, sources = _key(_lists(), programs), _key(_sources(), [])
    made, name = _KEPT / f"{packages}-{sources}.tar", f"localhost/dawsos-tool:{packages}-{sources}"
    if not made.exists():
        _make(made, name, _packages(_KEPT / packages))
    return made, name


def _packages(kept: Path) -> Path:
    """Return the archive of everything but the sources of now."""
    made = kept / "tool.tar"
    if made.exists():
        return made
    shutil.rmtree(_KEPT, ignore_errors=True)
    work = kept.with_name("work")
    work.mkdir(parents=True)
    shutil.copy(base_layer(), work / "base.tar")
    # By their names: what is asked for as kubectl may be one program with many names.
    programs = " ".join(found for name in ("helm", "kubectl") if (found := shutil.which(name)))
    argv = [str(ROOT / "deploy" / "image" / "tool"), str(work)]
    own = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "PROGRAMS": programs}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_WITHIN, env=own)
    assert done.returncode == 0, f"{argv[0]}: {done.stderr.strip()[-800:]}"
    (work / "base.tar").unlink()
    work.rename(kept)
    return made


def _make(made: Path, name: str, packages: Path) -> None:
    for old in _KEPT.glob("*.tar"):
        old.unlink()
    with tempfile.TemporaryDirectory(dir=_KEPT) as folder:
        above = Path(folder) / "sources.tar"
        above.write_bytes(_layer(Path(folder) / "compiled"))
        image = layered(Path(folder) / "store", "tool", [packages, above], _CONFIG)
        draft = Path(folder) / "image.tar"
        oci.write_archive(draft, oci.read_manifest(image.layout, image.digest), name)
        draft.rename(made)


def _layer(work: Path) -> bytes:
    """Return the layer with the sources instead of those that lie below, compiled as deploy/image/tool does it."""
    shutil.copytree(ROOT / "src" / "dawsos", work, ignore=shutil.ignore_patterns("__pycache__"))
    if sys.version_info[:2] == _PYTHON:
        argv = [sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", str(work)]
        subprocess.run(argv, check=True, capture_output=True)
    files = {
        f"{_SITE}/{path.relative_to(work)}": path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()
    }
    # Nothing of the folder below is seen through it.
    return layer({f"{_SITE}/.wh..wh..opq": b"", **files})


def _lists() -> list[Path]:
    return [ROOT / "requirements" / "tool.txt", *sorted((ROOT / "deploy" / "image").iterdir())]


def _sources() -> list[Path]:
    return sorted(path for path in (ROOT / "src" / "dawsos").rglob("*") if "__pycache__" not in path.parts)


def _key(files: list[Path], programs: list[Path]) -> str:
    """Return a digest of these files and programs; a program is told by its size and time."""
    told = hashlib.sha256()
    for path in files:
        if path.is_file():
            told.update(f"{path.relative_to(ROOT)}\n".encode())
            told.update(hashlib.sha256(path.read_bytes()).digest())
    for path in programs:
        told.update(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    return told.hexdigest()[:12]
