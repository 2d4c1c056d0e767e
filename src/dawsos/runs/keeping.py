"""The journal of a run that rolls out, kept beside the environment, and taken in on another machine.

What is kept: the events as they are chained, in compressed parts, and the signed statements of the run's evidence as the last part.
A statement about the head of the chain and about every file is signed each time, so whoever takes the run in believes a key,
never the cluster.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dawsos.adapters.digests import sha256
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.platforms.contract import KeptHead, RolloutJournal
from dawsos.platforms.journals import JOURNALS
from dawsos.provenance import envelope as dsse
from dawsos.provenance import statements
from dawsos.runs import evidence
from dawsos.runs.codec import GENESIS
from dawsos.runs.journal import KeptRow
from dawsos.runs.project import Tools, load_run

# The compressed size at which a part is full, and that of the evidence above which it stays at home.
_FULL = 300_000
_EVIDENCE = 700_000
# How old may be what another machine would find of samples, in seconds.
_EVERY = 10.0
# Seconds between two tries to keep how a run ended.
_AGAIN = 1.0
# A statement of the run, or a file of a stage's evidence.
_NAME = r"(?!\.)[^/\0]+"
_NAMES = re.compile(rf"({_NAME}/attempt-[0-9]+/)?{_NAME}")
# What a part may become when it is unpacked.
_UNPACKED = 64_000_000


@dataclass
class Keeper:
    """Implements ``rollout.controller.Keeping`` for the run ``run``, in ``journal``."""

    tools: Tools
    run: str
    journal: RolloutJournal
    _full: list[int] = field(default_factory=list)
    _events: int = 0
    _at: float = -_EVERY

    async def keep(self) -> None:
        rows = self.tools.journal.rows(self.run)
        if len(rows) == self._events:
            return
        begin = self._full[-1] if self._full else 0
        packed = _packed([list(row) for row in rows[begin:]])
        await self.journal.put(self.run, len(self._full) + 1, packed)
        parts = len(self._full) + 2
        if len(packed) > _FULL:
            self._full.append(len(rows))
        files, packed_files = self._that_fit()
        await self.journal.put(self.run, 0, packed_files)
        digests = {name: sha256(base64.b64decode(content)) for name, content in files.items()}
        told = statements.kept_journal(self._named(), (len(rows), rows[-1][7]), digests)
        await self.journal.put_head(KeptHead(self.run, dsse.sign(told, self.tools.signer()), parts))
        self._events, self._at = len(rows), self.tools.clock.monotonic()

    async def follow(self) -> None:
        if self.tools.clock.monotonic() - self._at >= _EVERY:
            with contextlib.suppress(InfrastructureError):
                await self.keep()

    def _named(self) -> tuple[str, str]:
        first = self.tools.journal.events(self.run)[0].fact
        return self.run, str(getattr(first, "commit", ""))

    def _that_fit(self) -> tuple[dict[str, str], bytes]:
        """Return the files that travel, and the part that holds them: without those of the stage, or none, when they are too large."""
        statements_only = _read(self.tools.project.evidence(self.run), "")
        # How a run ended is signed by each machine about its own report.
        statements_only.pop(evidence.SUMMARY_FILE, None)
        for files in ({**statements_only, **self._of_the_rollout()}, statements_only):
            packed = _packed(files)
            if len(packed) <= _EVIDENCE:
                return files, packed
        return {}, _packed({})

    def _of_the_rollout(self) -> dict[str, str]:
        """Return the evidence of the stage that rolls out, once it has ended: until then its files change."""
        run = load_run(self.tools, self.run)
        stage = run.stages.get(run.rollout.stage) if run.rollout is not None else None
        if stage is None or not stage.evidence:
            return {}
        name = statements.evidence_folder(stage)
        found = _read(self.tools.project.run_folder(self.run) / name, f"{name}/")
        return {path: content for path, content in found.items() if path.removeprefix(f"{name}/") in stage.evidence}


def _read(folder: Path, prefix: str) -> dict[str, str]:
    found = sorted(path for path in folder.glob("*") if path.is_file() and not path.is_symlink())
    return {f"{prefix}{path.name}": base64.b64encode(path.read_bytes()).decode() for path in found}


@asynccontextmanager
async def kept_elsewhere(tools: Tools, settings: EnvironmentSettings, run: str) -> AsyncIterator[Keeper | None]:
    """Give what keeps ``run`` beside an environment with these settings, None where nothing is kept elsewhere."""
    make = JOURNALS.get(settings.platform)
    if make is None:
        yield None
        return
    journal = make(settings)
    try:
        yield Keeper(tools, run, journal)
    finally:
        await journal.close()


async def keep_end(tools: Tools, settings: EnvironmentSettings, run: str, patience: float = 0.0) -> None:
    """Keep how a run ended, so that it is known on every other machine; try so long when the cluster does not answer.

    Raises InfrastructureError.
    """
    until = tools.clock.monotonic() + patience
    async with kept_elsewhere(tools, settings, run) as keeper:
        while keeper is not None:
            try:
                await keeper.keep()
                break
            except InfrastructureError:
                if tools.clock.monotonic() >= until:
                    raise
            await tools.clock.sleep(_AGAIN)


def _packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 6)


def _unpacked(content: bytes) -> Any:
    inflating = zlib.decompressobj()
    text = inflating.decompress(content, _UNPACKED)
    if not inflating.eof:
        raise ValueError("a part is cut off or too large")
    return json.loads(text)


async def take(tools: Tools, journal: RolloutJournal, head: KeptHead) -> int:
    """Take a kept run in, or what another machine added to one that is known here; return the number of new events.

    Raises BadInput when no believed key signed it, or when it is not as it was signed; nothing is taken in then.
    """
    predicate = _believed(tools, head)
    try:
        parts = [_unpacked(each) for each in await journal.read(head)]
        rows = [_row(row) for part in parts[1:] for row in part][: int(predicate["journal"]["events"])]
        files = {str(name): base64.b64decode(content) for name, content in parts[0].items()}
        _must_be_as_signed(head.run, rows, files, predicate)
        known = tools.journal.rows(head.run)
        new = tools.journal.take_on(rows) if known else len(rows)
        _write(tools, head.run, files)
        if not known:
            tools.journal.take_in(rows)
    except (ValueError, TypeError, LookupError, AttributeError, zlib.error, RecursionError) as error:
        raise BadInput(
            f"run {head.run}, which its cluster keeps, is not as it was signed: {error}",
            fix="resume it on the machine that began it, or ship again",
        ) from error
    return new


def _write(tools: Tools, run: str, files: dict[str, bytes]) -> None:
    """Write the files of a run that are not here yet: what this machine has itself stays as it is."""
    for name, content in files.items():
        path = tools.project.run_folder(run) / name if "/" in name else tools.project.evidence(run) / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _believed(tools: Tools, head: KeptHead) -> dict[str, Any]:
    """Return what a believed key signed about the run."""
    try:
        statement = dsse.open_envelope(head.statement, tools.keyring()).statement
    except dsse.UnknownKey as error:
        raise BadInput(
            f"run {head.run} is kept in its cluster, signed by the key {error.key_id[:12]}, which is not believed here",
            fix="put the public key of the machine that began it (keys/ of its home) into keys/ of this home, or name it in "
            "DAWSOS_TRUSTED_KEYS",
        ) from error
    except dsse.Untrusted as error:
        raise BadInput(f"run {head.run}, which its cluster keeps, proves nothing: {error}", fix="ship again") from error
    predicate: dict[str, Any] = statement.get("predicate", {})
    if statement.get("predicateType") != statements.JOURNAL or predicate.get("run") != head.run:
        raise BadInput(f"what the cluster keeps as run {head.run} is signed about something else", fix="ship again")
    return predicate


def _row(row: Any) -> KeptRow:
    kinds = (str, int, float, str, str, str, str, str)
    if len(row) != len(kinds) or any(type(value) is not kind for value, kind in zip(row, kinds, strict=True)):
        raise ValueError("it does not hold events")
    return tuple(row)


def _must_be_as_signed(run: str, rows: list[KeptRow], files: dict[str, bytes], predicate: dict[str, Any]) -> None:
    signed = (predicate["journal"]["events"], predicate["journal"]["head"])
    if (len(rows), rows[-1][7] if rows else GENESIS) != signed or any(row[0] != run for row in rows):
        raise ValueError("events are missing, or of another run")
    if {name: sha256(content) for name, content in files.items()} != predicate["files"]:
        raise ValueError("its evidence was altered")
    strange = [name for name in files if not _NAMES.fullmatch(name)]
    if strange:
        raise ValueError(f"{strange[0]!r} is no name of evidence")
