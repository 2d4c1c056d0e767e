"""Results of stages that passed, by fingerprint, with the evidence they passed on and the signed statement of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dawsos.adapters.digests import tree_digests
from dawsos.adapters.files import read_json, write_json
from dawsos.adapters.scratch import owned_folder
from dawsos.model.plan import Fingerprint
from dawsos.model.run import StageRecord

_PARTS = frozenset({"run", "finished_at", "gates", "manifest", "evidence", "statement"})
# Seconds since the epoch, after the year 9998: no calendar has later times.
_LATEST = 2.53e11
# Takes (fingerprint, kept result); returns why the result does not count, an empty text when it does.
Doubts = Callable[[str, dict[str, Any]], str]


class StageCache:
    """One folder per stage and fingerprint, renamed into place whole.  It has passed stages only.

    ``doubts`` says why a kept result is not what its signed statement says, or why that statement does not count here: a result
    that anybody could have put there must not become a passed stage.

    The methods copy and digest whole folders, so an event loop calls them by ``asyncio.to_thread``.  They share only the folder,
    so that several threads and processes may call them at once.
    """

    def __init__(self, folder: Path, doubts: Doubts) -> None:
        self._folder = folder
        self.doubts = doubts

    def lookup(self, stage: str, digest: str) -> dict[str, Any] | None:
        """Return the kept result {run, finished_at, gates, manifest, evidence, statement}.

        None when there is none or it does not count (see ``doubt``).
        """
        kept = read_result(self._folder / stage / digest / "result.json")
        return None if kept is None or self._doubt(stage, digest, kept) else kept

    def doubt(self, stage: str, digest: str) -> str:
        """Return why the kept result does not count, an empty text when it does or when there is none."""
        kept = read_result(self._folder / stage / digest / "result.json")
        return "" if kept is None else self._doubt(stage, digest, kept)

    def _doubt(self, stage: str, digest: str, kept: dict[str, Any]) -> str:
        try:
            same = kept["evidence"] == tree_digests(self.artifacts(stage, digest))
        except OSError as error:
            return f"its evidence cannot be read: {error.strerror}"
        return self.doubts(digest, kept) if same else "its evidence was altered"

    def beside(self, stage: str, digest: str, names: Iterable[str]) -> dict[str, str]:
        """Return those of the files ``names`` that lie beside the kept evidence (name -> text)."""
        folder = self._folder / stage / digest
        return {
            name: (folder / name).read_bytes().decode(errors="replace") for name in names if (folder / name).is_file()
        }

    def artifacts(self, stage: str, digest: str) -> Path:
        """Return the folder of the kept evidence."""
        return self._folder / stage / digest / "artifacts"

    def latest_manifest(self, stage: str) -> dict[str, str] | None:
        """Return the manifest of the stage's newest kept result."""
        kept = [result for path in (self._folder / stage).glob("*/result.json") if (result := read_result(path))]
        newest: dict[str, str] | None = max(kept, key=lambda result: result["finished_at"], default={}).get("manifest")
        return newest

    def restore(self, stage: str, digest: str, artifacts: Path) -> None:
        """Copy the kept evidence into ``artifacts``, which holds nothing else afterwards."""
        shutil.rmtree(artifacts, ignore_errors=True)
        shutil.copytree(self._folder / stage / digest / "artifacts", artifacts, symlinks=True)

    def keep(
        self,
        record: StageRecord,
        fingerprint: Fingerprint,
        artifacts: Path,
        *,
        run: str,
        statement: str,
        beside: Mapping[str, str] | None = None,
    ) -> None:
        """Keep a passed stage's evidence with its signed ``statement``, and ``beside`` it files (name -> text).

        It replaces a damaged result, and one that is older than this attempt: the stage ran although that result was there,
        because a waiver had ended.
        """
        target = self._folder / record.id / fingerprint.digest
        there = self.lookup(record.id, fingerprint.digest)
        if there is not None and there["finished_at"] >= (record.started_at or 0.0):
            return
        shutil.rmtree(target, ignore_errors=True)
        try:
            with owned_folder(target.parent, "new-") as temporary:
                shutil.copytree(artifacts, temporary / "artifacts", symlinks=True)
                result = {
                    "run": run,
                    "finished_at": record.finished_at,
                    "manifest": fingerprint.manifest,
                    "gates": [gate.body() for gate in record.gates],
                    "evidence": record.evidence,
                    "statement": statement,
                }
                write_json(temporary / "result.json", result)
                for name, text in (beside or {}).items():
                    (temporary / name).write_text(text)
                temporary.rename(target)
        except OSError:
            # A full disk must not turn a passed stage red; the stage runs again the next time.
            return


def read_result(path: Path) -> dict[str, Any] | None:
    """Return the result in ``path``, None when it is not one: it may be of a stranger, who may have written anything."""
    kept = read_json(path)
    return kept if kept is not None and kept.keys() >= _PARTS and _typed(kept) else None


def _typed(kept: Mapping[str, Any]) -> bool:
    texts = all(isinstance(kept[name], str) for name in ("run", "statement"))
    maps = all(_is_texts(kept[name]) for name in ("manifest", "evidence"))
    gates = isinstance(kept["gates"], list) and all(isinstance(gate, dict) for gate in kept["gates"])
    at = kept["finished_at"]
    return texts and maps and gates and isinstance(at, int | float) and 0 <= at < _LATEST


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
