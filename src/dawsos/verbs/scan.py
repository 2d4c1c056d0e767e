"""The verbs below ``dawsos scan``: each writes a JSON file that a gate reads as evidence."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from dawsos.adapters import git
from dawsos.adapters.files import write_json
from dawsos.errors import BadInput
from dawsos.gates.documents import Malformed, Missing
from dawsos.gates.readers.resolved import read_resolved
from dawsos.scans.locks import read_lock
from dawsos.scans.osv import match, read_export
from dawsos.scans.packages import Subject, spdx, spdx_of_lock
from dawsos.scans.secrets import Line, find_secrets

_LARGEST = 10 * 1024**2


def scan_secrets(root: Path, out: Path, since: str | None, folders: tuple[Path, ...]) -> None:
    """Write what was scanned and which secrets were found, without them; ``since`` None leaves the commits out."""
    named = [file for folder in folders for file in _files(folder)] if folders else git.tracked_files(root)
    # A file that was not scanned is not counted.
    files = [file for file in named if file.stat().st_size <= _LARGEST]
    lines = _lines(files, root)
    found = find_secrets(lines)
    known = [] if since is None else git.commits(root, since)
    if known:
        history = find_secrets(
            Line(path, number, text, commit) for commit, path, number, text in git.added_lines(root, since or "")
        )
        # A secret that is still in a file is reported once, at its place in the file.
        top = git.below_top(root)
        here = {(secret.fingerprint, top + secret.path) for secret in found}
        found += [secret for secret in history if (secret.fingerprint, secret.path) not in here]
    write_json(
        out,
        {
            "scanned": {"commits": len(known), "files": len(files)},
            "since": since,
            "secrets": [asdict(one) for one in found],
        },
    )


def _files(folder: Path) -> list[Path]:
    if not folder.exists():
        raise BadInput(f"there is no {folder}", fix="name a folder that exists")
    found = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _lines(files: list[Path], root: Path) -> Iterator[Line]:
    for path in files:
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
        for number, text in enumerate(content.decode(errors="replace").splitlines(), start=1):
            yield Line(name, number, text)


def scan_advisories(out: Path, export: Path, resolved: Path, ecosystem: str) -> None:
    """Write which packages of ``resolved`` were compared with ``export``, and which advisories affect them."""
    try:
        content, lock = export.read_bytes(), resolved.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {error.filename}: {error.strerror}", fix="name a file that exists") from error
    try:
        packages = read_resolved(resolved.name, lock).pins
    except (Missing, Malformed) as error:
        raise BadInput(str(error), fix="give a lock in which every line is a pin") from error
    data = read_export(export.name, content)
    write_json(
        out,
        {
            "data": {
                "file": export.name, "sha256": hashlib.sha256(content).hexdigest(), "modified": data.modified,
                "records": len(data.records), "ecosystem": ecosystem,
            },
            "audited": packages,
            "vulnerabilities": match(data, packages, ecosystem),
        },
    )  # fmt: skip


def scan_packages(out: Path, source: Path, name: str, version: str) -> None:
    """Write the SPDX document of the packages installed in the folder ``source``, or named by the lock ``source``; its time is
    SOURCE_DATE_EPOCH, if that is set."""
    if not source.exists():
        raise BadInput(
            f"there is no {source}", fix="name a folder of installed packages, such as $RELEASE/site, or a lock"
        )
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        at = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadInput(
            f"SOURCE_DATE_EPOCH is {epoch!r}, not a time in seconds since 1970", fix="correct it or unset it"
        ) from error
    created = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    subject = Subject(name, version, "", created)
    if source.is_dir():
        write_json(out, spdx(source, subject))
    else:
        write_json(out, spdx_of_lock(read_lock(source.name, source.read_bytes()), subject))
