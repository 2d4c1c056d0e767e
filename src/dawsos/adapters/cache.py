"""Results of stages that passed, by fingerprint, with the evidence they passed on."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dawsos.model.plan import Fingerprint
from dawsos.model.verdicts import GateVerdict

_PARTS = frozenset({"run", "finished_at", "gates", "manifest"})


class StageCache:
    """One folder per stage and fingerprint, renamed into place whole.  Only passed stages are ever put here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lookup(self, stage: str, digest: str) -> dict[str, Any] | None:
        """Return the kept result {run, finished_at, gates, manifest, evidence}, None when there is none or it is damaged.

        Damaged is also a result whose evidence is not what its gates saw: it would be restored as proof of something else.
        """
        folder = self._folder / stage / digest
        kept = _read(folder / "result.json")
        try:
            return kept if kept and kept.get("evidence") == _digests(folder / "artifacts") else None
        except OSError:
            return None

    def latest_manifest(self, stage: str) -> dict[str, str] | None:
        """Return the manifest of the stage's newest kept result."""
        kept = [result for path in (self._folder / stage).glob("*/result.json") if (result := _read(path))]
        newest: dict[str, str] | None = max(kept, key=lambda result: result["finished_at"], default={}).get("manifest")
        return newest

    def restore(self, stage: str, digest: str, artifacts: Path) -> None:
        """Copy the kept evidence into ``artifacts``."""
        shutil.copytree(self._folder / stage / digest / "artifacts", artifacts, dirs_exist_ok=True)

    def keep(
        self,
        stage: str,
        fingerprint: Fingerprint,
        artifacts: Path,
        *,
        run: str,
        at: float,
        gates: tuple[GateVerdict, ...],
    ) -> None:
        """Keep a passed stage's evidence; an equal one that is there already stays, a damaged one is replaced."""
        target = self._folder / stage / fingerprint.digest
        if self.lookup(stage, fingerprint.digest) is not None:
            return
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
        try:
            shutil.copytree(artifacts, temporary / "artifacts")
            result = {
                "run": run,
                "finished_at": at,
                "manifest": fingerprint.manifest,
                "gates": [asdict(gate) for gate in gates],
                "evidence": _digests(temporary / "artifacts"),
            }
            (temporary / "result.json").write_text(json.dumps(result, sort_keys=True))
            temporary.rename(target)
        except OSError:
            # A full disk must not turn a passed stage red; it will simply run again next time.
            shutil.rmtree(temporary, ignore_errors=True)


def _read(path: Path) -> dict[str, Any] | None:
    """Return the result in ``path``, None when it is not one."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) and kept.keys() >= _PARTS else None


def _digests(folder: Path) -> dict[str, str]:
    """Return relative path -> SHA-256 of every file below ``folder``; raises OSError."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
