"""Wheels that a test makes itself, and the lock that names them: the real pip installs them without a network."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def wheels(folder: Path, packages: Mapping[str, Mapping[str, str]]) -> Path:
    """Write a wheel (version 1) of the given files for each package into ``folder``, and return the lock of them all."""
    folder.mkdir(parents=True)
    lines = []
    for name, files in packages.items():
        stem = f"{name.replace('-', '_')}-1"
        path = folder / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
            archive.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
            archive.writestr(
                f"{stem}.dist-info/WHEEL",
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(f"{stem}.dist-info/RECORD", "")
        lines.append(f"{name} @ {path.as_uri()} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    lock = folder / "lock.txt"
    lock.write_text("".join(lines))
    return lock
