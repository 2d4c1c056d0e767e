"""The results of a commit as one file: what a job kept, for the next job on another machine.

    cache/STAGE/FINGERPRINT/   a kept result: its evidence, its signed statement, the certificate of the key where there is one
    releases/DIGEST/           each release that a kept result built
    keys/KEY.pub               the public keys of the signers, to compare or to name; nothing is believed because it is here

No private key, no variable and no data of an environment is in it.  Whoever made a file may have written anything into it: what
is loaded is checked as a whole before any of it gets to its place, replaces nothing that counts, and counts itself only by its
signed statement (see ``evidence.doubts``).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dawsos import __version__
from dawsos.adapters import archive
from dawsos.adapters.cache import Doubts, StageCache, read_result
from dawsos.adapters.digests import tree_digests
from dawsos.adapters.files import read_json
from dawsos.adapters.scratch import owned_folder
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.status import StageState
from dawsos.provenance.certificate import BUNDLE_FILE, CERTIFICATE_FILE
from dawsos.provenance.envelope import signer_of
from dawsos.provenance.keys import key_id_of
from dawsos.releases import bundle as releases
from dawsos.runs.project import Tools, load_run

VERSION = 1
_HEX = "[0-9a-f]{64}"
_KNOWN = re.compile(
    rf"cache/[a-z][a-z0-9_-]*/{_HEX}/(result\.json|{re.escape(BUNDLE_FILE)}|{re.escape(CERTIFICATE_FILE)}|artifacts/.+)"
    rf"|releases/{_HEX}/(release\.json|site/.+)|keys/{_HEX}\.pub",
    re.DOTALL,
)
_FIX = "save it again: dawsos results save FILE"


@dataclass(frozen=True)
class Kept:
    """A kept result: of which stage, on which inputs, by which run, signed by which key; ``doubt`` says why it does not count."""

    stage: str
    fingerprint: str
    run: str
    key: str
    doubt: str = ""


@dataclass(frozen=True)
class Saved:
    """What was saved: the kept results, the releases, and what was left out with the reason."""

    commit: str
    results: tuple[Kept, ...]
    releases: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """What was loaded of the results of ``commit``: each result, how many of them were here already, and the new releases."""

    commit: str
    results: tuple[Kept, ...]
    here: int
    releases: tuple[str, ...]


def save(tools: Tools, doubts: Doubts, commit: str, target: Path) -> Saved:
    """Write what the runs of ``commit`` kept or restored to ``target``; raises InfrastructureError when it cannot be written."""
    cache = StageCache(tools.project.cache, doubts)
    files: dict[str, Path | bytes] = {}
    results: list[Kept] = []
    built: dict[str, None] = {}
    left_out = []
    for stage, fingerprint in _kept_by(tools, commit):
        found = cache.lookup(stage, fingerprint)
        if found is None:
            continue
        folder = cache.artifacts(stage, fingerprint).parent
        try:
            files |= _packed(f"cache/{stage}/{fingerprint}", folder)
            release = str((read_json(folder / "artifacts" / "release.json") or {}).get("release", ""))
            if re.fullmatch(_HEX, release) and release not in built and (tools.project.releases / release).is_dir():
                files |= _packed(f"releases/{release}", tools.project.releases / release)
                built[release] = None
        except ValueError as reason:
            left_out.append(f"{stage}: {reason}")
            continue
        results.append(Kept(stage, fingerprint, found["run"], signer_of(found["statement"])))
    known = tools.public_keys()
    files |= {f"keys/{one.key}.pub": known[one.key] for one in results if one.key in known}
    try:
        archive.pack(target, files, {"version": VERSION, "commit": commit, "dawsos": __version__})
    except OSError as error:
        raise InfrastructureError(f"cannot write {target}: {error.strerror}", fix="name a file in a folder") from error
    return Saved(commit, tuple(results), tuple(built), tuple(left_out))


def _kept_by(tools: Tools, commit: str) -> list[tuple[str, str]]:
    """Return (stage, fingerprint) of each stage that passed or was restored in a run of the commit."""
    runs = (load_run(tools, run) for run in tools.journal.runs())
    done = (StageState.PASSED, StageState.RESTORED)
    stages = [stage for run in runs if run.commit == commit for stage in run.stages.values()]
    return list(dict.fromkeys((stage.id, stage.fingerprint) for stage in stages if stage.state in done))


def _packed(prefix: str, folder: Path) -> dict[str, Path]:
    """Return name in the archive -> path of each file below ``folder``; raises ValueError for what cannot be packed."""
    found = {f"{prefix}/{name}": path for name, path in archive.regular_files(folder)}
    strange = next((name for name in found if not _KNOWN.fullmatch(name)), None)
    if strange is not None:
        raise ValueError(f"{strange} is no file of a kept result")
    return found


def load(tools: Tools, source: Path, believe: Callable[[Path], Doubts]) -> Loaded:
    """Take in the file ``source``: results and releases that are not here yet.

    ``believe`` looks at the certificates beside the results below a folder, and returns what is to be doubted.

    Raises BadInput, and changes nothing, when anything in it is damaged, or does not belong there.
    """
    home = tools.project.home
    with owned_folder(home, "results-") as folder:
        facts = archive.unpack(source, folder, lambda name: bool(_KNOWN.fullmatch(name)))
        if facts.get("version") != VERSION:
            raise BadInput(
                f"{source} is of another version ({facts.get('version')!r})", fix="use one version of dawsos"
            )
        cache = StageCache(tools.project.cache, believe(folder / "cache"))
        results = _results(source, folder, cache)
        built = _releases(source, folder)
        _keys(source, folder)
        # Everything is as it should be; from here on the home changes.
        here = sum(not _take(folder, home, cache, one) for one in results)
        new = [digest for digest in built if _take_release(folder / "releases" / digest, tools.project.releases)]
        for path in sorted(folder.glob("keys/*.pub")):
            tools.project.strangers.mkdir(exist_ok=True)
            path.replace(tools.project.strangers / path.name)
    return Loaded(str(facts.get("commit", "")), results, here, tuple(new))


def _results(source: Path, folder: Path, cache: StageCache) -> tuple[Kept, ...]:
    """Return the results in the unpacked ``folder``; raises BadInput when one is not whole."""
    found = []
    for path in sorted(folder.glob("cache/*/*")):
        kept = read_result(path / "result.json")
        if kept is None or kept["evidence"] != tree_digests(path / "artifacts"):
            raise BadInput(
                f"{source} is refused: the result of {path.parent.name} is not whole, or its evidence was altered",
                fix=_FIX,
            )
        doubt = cache.doubts(path.name, kept)
        key = signer_of(kept["statement"])
        found.append(Kept(path.parent.name, path.name, str(kept["run"]), key, doubt))
    return tuple(found)


def _releases(source: Path, folder: Path) -> list[str]:
    """Return the digests of the unpacked releases; raises BadInput when one is not what its digest says."""
    found = [path.name for path in sorted(folder.glob("releases/*"))]
    for digest in found:
        if not releases.is_whole(folder / "releases", digest):
            raise BadInput(f"{source} is refused: release {digest[:12]} was altered", fix=_FIX)
    return found


def _keys(source: Path, folder: Path) -> None:
    for path in folder.glob("keys/*.pub"):
        try:
            same = key_id_of(path.read_bytes()) == path.stem
        except BadInput:
            same = False
        if not same:
            raise BadInput(f"{source} is refused: keys/{path.name} is not that key", fix=_FIX)


def _take(folder: Path, home: Path, cache: StageCache, one: Kept) -> bool:
    """Put a result into the cache, unless one that counts is there; return whether it was put there."""
    if cache.lookup(one.stage, one.fingerprint) is not None:
        return False
    target = cache.artifacts(one.stage, one.fingerprint).parent
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    (folder / target.relative_to(home)).rename(target)
    return True


def _take_release(path: Path, store: Path) -> bool:
    """Put a release into the store, unless it is there; return whether it was put there."""
    target = store / path.name
    if target.exists():
        return False
    releases.protect(path)
    store.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    return True
