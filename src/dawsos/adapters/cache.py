"""Results of stages that passed, by fingerprint, with the evidence they passed on."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dawsos.model.plan import Fingerprint
from dawsos.model.verdicts import GateVerdict


class StageCache:
    """One folder per stage and fingerprint, renamed into place whole.  Only passed stages are ever put here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lookup(self, stage: str, digest: str) -> dict[str, Any] | None:
        """Return the kept result {run, finished_at, gates, manifest}, None when there is none or it is damaged."""
        try:
            kept: dict[str, Any] = json.loads((self._folder / stage / digest / "result.json").read_text())
        except (OSError, ValueError):
            return None
        return kept

    def latest_manifest(self, stage: str) -> dict[str, str] | None:
        """Return the manifest of the stage's newest kept result."""
        newest: tuple[float, dict[str, str]] | None = None
        for path in (self._folder / stage).glob("*/result.json"):
            try:
                kept = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            if newest is None or kept["finished_at"] > newest[0]:
                newest = (kept["finished_at"], kept["manifest"])
        return newest[1] if newest else None

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
        """Keep a passed stage's evidence; an equal one that is there already stays."""
        target = self._folder / stage / fingerprint.digest
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
        try:
            shutil.copytree(artifacts, temporary / "artifacts")
            result = {
                "run": run,
                "finished_at": at,
                "manifest": fingerprint.manifest,
                "gates": [asdict(gate) for gate in gates],
            }
            (temporary / "result.json").write_text(json.dumps(result, sort_keys=True))
            temporary.rename(target)
        except OSError:
            # A full disk must not turn a passed stage red; it will simply run again next time.
            shutil.rmtree(temporary, ignore_errors=True)
