"""The results of a commit as one file: what a job kept, for the next job on another machine.

    cache/STAGE/FINGERPRINT/   a kept result: its evidence, its signed statement, the certificate of the key where there is one
    releases/DIGEST/           each release that a kept result built
    images/blobs/sha256/HEX    the images of these releases, where an environment runs images
    strangers/KEY.pub          the public keys of the signers, to compare or to name; nothing is believed because it is here
    runs/RUN/, journal/RUN.json   what the runs did (see ``foreign``)

No private key, no variable and no data of an environment is in it.  Whoever made a file may have written anything into it: what
is loaded is checked as a whole before any of it gets to its place, replaces nothing that counts, and counts itself only by its
signed statement (see ``evidence.doubts``).
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawsos import __version__
from dawsos.adapters import archive, oci
from dawsos.adapters.cache import Doubts, StageCache, read_result
from dawsos.adapters.digests import tree_digests
from dawsos.adapters.files import read_json
from dawsos.adapters.locks import FileLock
from dawsos.adapters.oci import Manifest
from dawsos.adapters.scratch import owned_folder
from dawsos.errors import BadInput, InfrastructureError, OwnedElsewhere
from dawsos.model.run import Run
from dawsos.model.status import StageState
from dawsos.provenance.certificate import BUNDLE_FILE, CERTIFICATE_FILE
from dawsos.provenance.envelope import signer_of
from dawsos.provenance.keys import key_id_of
from dawsos.releases import bundle as releases
from dawsos.runs import evidence, foreign
from dawsos.runs.foreign import Foreign
from dawsos.runs.project import Tools, load_run

VERSION = 1
# Seconds to wait for another process that takes results in: it only moves folders.
_PATIENCE = 60.0
_HEX = "[0-9a-f]{64}"
_KNOWN = re.compile(
    rf"cache/[a-z][a-z0-9_-]*/{_HEX}/(result\.json|{re.escape(BUNDLE_FILE)}|{re.escape(CERTIFICATE_FILE)}|artifacts/.+)"
    rf"|releases/{_HEX}/(release\.json|(site|app)/.+)|images/blobs/sha256/{_HEX}|strangers/{_HEX}\.pub|{foreign.NAMES}/.+|{foreign.JOURNALS}",
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
    """What was saved: the kept results, the releases, the runs, and what was left out with the reason."""

    commit: str
    results: tuple[Kept, ...]
    releases: tuple[str, ...]
    runs: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """What was loaded of the results of ``commit``: each result, how many of them were here already, the new releases and runs,
    and the runs that are not believed.
    """

    commit: str
    results: tuple[Kept, ...]
    here: int
    releases: tuple[str, ...]
    runs: tuple[str, ...] = ()
    doubted: tuple[Foreign, ...] = ()


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
            release = str(_built(folder).get("release", ""))
            if re.fullmatch(_HEX, release) and release not in built and (tools.project.releases / release).is_dir():
                path = tools.project.releases / release
                files |= _packed(f"releases/{release}", path, releases.known_links(path))
                files |= _packed_images(tools, folder)
                built[release] = None
        except ValueError as reason:
            left_out.append(f"{stage}: {reason}")
            continue
        results.append(Kept(stage, fingerprint, found["run"], signer_of(found["statement"])))
    runs = []
    for run in filter(foreign.travels, _runs_of(tools, commit)):
        try:
            files |= foreign.packed(tools, run)
            runs.append(run.id)
        except ValueError as reason:
            left_out.append(f"run {run.id}: {reason}")
    known = tools.public_keys()
    files |= {f"strangers/{one.key}.pub": known[one.key] for one in results if one.key in known}
    try:
        archive.pack(target, files, {"version": VERSION, "commit": commit, "dawsos": __version__})
    except OSError as error:
        raise InfrastructureError(f"cannot write {target}: {error.strerror}", fix="name a file in a folder") from error
    return Saved(commit, tuple(results), tuple(built), tuple(runs), tuple(left_out))


def _kept_by(tools: Tools, commit: str) -> list[tuple[str, str]]:
    """Return (stage, fingerprint) of each stage that passed or was restored in a run of the commit."""
    done = (StageState.PASSED, StageState.RESTORED)
    stages = [stage for run in _runs_of(tools, commit) for stage in run.stages.values()]
    return list(dict.fromkeys((stage.id, stage.fingerprint) for stage in stages if stage.state in done))


def _runs_of(tools: Tools, commit: str) -> list[Run]:
    runs = (load_run(tools, run) for run in tools.journal.runs())
    return [run for run in runs if run.commit == commit]


def _packed(prefix: str, folder: Path, links: Container[str] = ()) -> dict[str, Path]:
    """Return name in the archive -> path of each file below ``folder``; raises ValueError for what cannot be packed.

    ``links`` are made again by whoever unpacks, because the manifest of their release names them.
    """
    found = {f"{prefix}/{name}": path for name, path in archive.regular_files(folder, links)}
    strange = next((name for name in found if not _KNOWN.fullmatch(name)), None)
    if strange is not None:
        raise ValueError(f"{strange} is no file of a kept result")
    return found


def _built(result: Path) -> dict[str, Any]:
    """Return what a kept result says of the release that it built, nothing when it built none."""
    return read_json(result / "artifacts" / "release.json") or {}


def _images_of(result: Path) -> list[str]:
    """Return the digests of the images that a kept result says it built."""
    images = _built(result).get("images")
    digests = map(str, images.values()) if isinstance(images, dict) else ()
    return sorted(digest for digest in digests if oci.DIGEST.fullmatch(digest))


def _packed_images(tools: Tools, result: Path) -> dict[str, Path]:
    """Return name in the archive -> path of each file of the images that are here; an image that is gone is built anew elsewhere."""
    layout = tools.project.images
    here = [oci.read_manifest(layout, digest) for digest in _images_of(result) if oci.is_here(layout, digest)]
    paths = [oci.blob_path(layout, digest) for one in here for digest in (one.digest, *(b.digest for b in one.blobs))]
    return {f"images/blobs/sha256/{path.name}": path for path in paths}


def load(tools: Tools, source: Path, certified: Callable[[Path], Mapping[str, bytes]]) -> Loaded:
    """Take in the file ``source``: results, releases and runs that are not here yet.

    ``certified`` looks at the certificates below an unpacked folder, and returns run -> the key that one proves for it.

    Raises BadInput, and changes nothing, when anything in it is damaged, or does not belong there.
    """
    home = tools.project.home
    with owned_folder(home, "results-") as folder:
        facts = archive.unpack(source, folder, lambda name: bool(_KNOWN.fullmatch(name)))
        if facts.get("version") != VERSION:
            raise BadInput(
                f"{source} is of another version ({facts.get('version')!r})", fix="use one version of dawsos"
            )
        keys = certified(folder)
        cache = StageCache(tools.project.cache, evidence.doubts(tools, keys))
        results = _results(source, folder, cache)
        built = _releases(source, folder)
        images = _images(source, folder)
        _keys(source, folder)
        try:
            runs = foreign.check(tools, folder, keys)
        except foreign.Damaged as reason:
            raise BadInput(f"{source} is refused: {reason}", fix=_FIX) from reason
        # Everything is as it should be; from here on the home changes.
        with _loading(home):
            here = sum(not _take(folder, home, cache, one) for one in results)
            new = [digest for digest in built if _take_release(folder / "releases" / digest, tools.project.releases)]
            for image in images:
                blobs = [blob.path for blob in image.blobs if blob.path.exists()]
                oci.keep(tools.project.images, image.content, blobs)
            told = [one.run for one in runs if not one.doubt and foreign.take(tools, folder, one.run)]
            for path in sorted(folder.glob("strangers/*.pub")):
                tools.project.strangers.mkdir(exist_ok=True)
                path.replace(tools.project.strangers / path.name)
    doubted = tuple(one for one in runs if one.doubt)
    # Nobody signed it: only what can be the name of a commit is shown.
    commit = str(facts.get("commit", ""))
    return Loaded(
        commit if re.fullmatch("[0-9a-f]{40,64}", commit) else "unknown",
        results,
        here,
        tuple(new),
        tuple(told),
        doubted,
    )


@contextmanager
def _loading(home: Path) -> Iterator[None]:
    """Let one process at a time take something in: of two that load one file, the second finds all of it here."""
    with FileLock(home / "results.lock") as lock:
        if not lock.take(_PATIENCE):
            raise OwnedElsewhere(
                f"results are being loaded by the process {lock.holder}, which does not finish",
                fix=f"see what it does, or end it: kill -9 {lock.holder}",
            )
        yield


def _moved(path: Path, target: Path) -> bool:
    """Move a folder to its place; return False when a run has put another one there meanwhile."""
    try:
        path.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise InfrastructureError(f"cannot write {target}: {error.strerror}", fix="check the disk") from error
    return True


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
        releases.restore_links(folder / "releases", digest)
        if not releases.is_whole(folder / "releases", digest):
            raise BadInput(f"{source} is refused: release {digest[:12]} was altered", fix=_FIX)
    return found


def _images(source: Path, folder: Path) -> list[Manifest]:
    """Return the unpacked images; raises BadInput when one was altered, or when there is a file that is of none of them."""
    layout, found = folder / "images", []
    wanted = {digest for path in folder.glob("cache/*/*") for digest in _images_of(path)}
    try:
        found = [oci.verify(layout, one) for one in sorted(wanted) if oci.blob_path(layout, one).exists()]
    except InfrastructureError as error:
        raise BadInput(f"{source} is refused: {error.message}", fix=_FIX) from error
    known = {digest for one in found for digest in (one.digest, *(blob.digest for blob in one.blobs))}
    strange = [path for path in sorted(layout.glob("blobs/sha256/*")) if f"sha256:{path.name}" not in known]
    if strange:
        raise BadInput(f"{source} is refused: {strange[0].name[:12]} is of no image of its results", fix=_FIX)
    return found


def _keys(source: Path, folder: Path) -> None:
    for path in folder.glob("strangers/*.pub"):
        try:
            same = key_id_of(path.read_bytes()) == path.stem
        except BadInput:
            same = False
        if not same:
            raise BadInput(f"{source} is refused: strangers/{path.name} is not that key", fix=_FIX)


def _take(folder: Path, home: Path, cache: StageCache, one: Kept) -> bool:
    """Put a result into the cache, unless one that counts is there; return whether it was put there."""
    if cache.lookup(one.stage, one.fingerprint) is not None:
        return False
    target = cache.artifacts(one.stage, one.fingerprint).parent
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    return _moved(folder / target.relative_to(home), target)


def _take_release(path: Path, store: Path) -> bool:
    """Put a release into the store, unless it is there; return whether it was put there."""
    target = store / path.name
    if target.exists():
        return False
    releases.protect(path)
    store.mkdir(parents=True, exist_ok=True)
    return _moved(path, target)
