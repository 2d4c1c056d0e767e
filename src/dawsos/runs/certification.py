"""The certificate of a run's key: requested when a ship begins, checked before its release goes to production."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dawsos.adapters.cache import read_result
from dawsos.adapters.digests import sha256
from dawsos.adapters.files import write_text
from dawsos.adapters.identity import identity
from dawsos.adapters.secret_variables import secrets_in
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.events import KeyCertified
from dawsos.model.pipeline import Signing
from dawsos.model.run import Run
from dawsos.provenance import envelope as dsse
from dawsos.provenance.certificate import (
    BUNDLE_FILE,
    CERTIFICATE_FILE,
    NOBODY,
    PAIR,
    Confirmed,
    about_bundle,
    about_key,
    confirmed,
    earlier_name,
    is_pair,
    key_of_earlier,
)
from dawsos.provenance.sigstore import Keyless
from dawsos.runs.evidence import SUMMARY_FILE
from dawsos.runs.project import Tools
from dawsos.runs.recorder import Session

# Each is checked by a process of its own, and a file of a stranger may hold any number.
_MOST_CERTIFICATES = 50


def must_have_identity(signing: Signing, variables: Mapping[str, str]) -> None:
    """Raise BadInput when a certificate is required and no identity could sign it: production would refuse the release at the
    end.
    """
    if signing.sigstore == "required" and not identity(variables):
        raise BadInput(
            "pipeline.yaml requires a certified key (signing.sigstore: required), and no CI service gives this process an identity",
            fix="ship from the CI job whose identity it names (on GitHub: permissions: id-token: write), or write auto",
        )


async def certify(session: Session, signing: Signing, root: Path) -> None:
    """Have the key of a ship certified, once, when there is an identity; record the outcome in the journal.

    Raises InfrastructureError when that fails and is required; otherwise the run goes on without a certificate.
    """
    tools, run = session.tools, session.state
    variables = identity(os.environ)
    folder = tools.project.evidence(run.id)
    if signing.sigstore == "off" or not variables or (folder / CERTIFICATE_FILE).exists():
        return
    tools.masker.add(secrets_in(variables))
    signer = tools.signer()
    try:
        answer = await _keyless(tools, signing, root).sign(dsse.payload(about_key(run, signer)).decode(), variables)
        _must_be_wanted(answer, signing)
    except InfrastructureError as error:
        session.record(KeyCertified(signer.key_id, problem=error.message))
        if signing.sigstore == "required":
            raise
        return
    bundle, who = answer["bundle"], (answer["identity"], answer["issuer"])
    write_text(folder / BUNDLE_FILE, bundle)
    write_text(folder / CERTIFICATE_FILE, dsse.sign(about_bundle(run, signer, bundle, *who), signer))
    session.record(KeyCertified(signer.key_id, who[0], who[1], sha256(bundle.encode())))


def _must_be_wanted(answer: Mapping[str, str], signing: Signing) -> None:
    """Raise InfrastructureError when this job has another identity than ``signing`` names: production would refuse the release."""
    if signing.identity is not None and (answer["identity"], answer["issuer"]) != (signing.identity, signing.issuer):
        raise InfrastructureError(
            f"this job is {answer['identity']} (issuer {answer['issuer']}), and pipeline.yaml believes only "
            f"{signing.identity} (issuer {signing.issuer})",
            fix="ship from that job, or correct signing.identity and signing.issuer",
        )


async def confirm(tools: Tools, signing: Signing, root: Path, run: Run) -> Confirmed:
    """Return what the certificates in the run's evidence prove under ``signing``; needs no network.

    Raises InfrastructureError when one cannot be checked here.
    """
    required, folder = signing.sigstore == "required", tools.project.evidence(run.id)
    path, wanted = folder / BUNDLE_FILE, _wanted(signing)
    if wanted is None:
        return Confirmed(required=required) if required else NOBODY
    pairs = []
    for earlier in dict.fromkeys(stage.from_run for stage in run.stages.values() if stage.from_run):
        pairs += _pair(earlier, folder, earlier)
    keys = await _keys(tools, signing, root, pairs)
    if not path.exists():
        return Confirmed(required=required, earlier=keys)
    text = path.read_bytes().decode(errors="replace")
    answer = await _keyless(tools, signing, root).verify(text, *wanted)
    return replace(confirmed(answer, run, wanted, required=required), earlier=keys)


@dataclass(frozen=True)
class _Pair:
    """The certificate of the key of an earlier run: the bundle and the key's own note about it."""

    run: str
    bundle: str
    note: str


async def earlier_keys(tools: Tools, signing: Signing, root: Path, home: Path) -> dict[str, bytes]:
    """Return run -> key for the kept results and the runs below ``home`` whose key only a certificate proves; needs no network.

    Raises InfrastructureError when a certificate cannot be checked here.
    """
    if _wanted(signing) is None:
        return {}
    keyring, pairs = tools.keyring(), []
    for path in sorted(home.glob("cache/*/*/result.json")):
        kept = read_result(path)
        if kept is not None and not keyring.knows(dsse.signer_of(str(kept["statement"]))):
            pairs += _pair(str(kept["run"]), path.parent)
    for path in sorted(home.glob(f"runs/*/evidence/{SUMMARY_FILE}")):
        if not keyring.knows(dsse.signer_of(path.read_bytes().decode(errors="replace"))):
            pairs += _pair(path.parents[1].name, path.parent)
    return await _keys(tools, signing, root, pairs)


def _wanted(signing: Signing) -> tuple[str, str] | None:
    """Return (identity, issuer) of whose certificates are believed, None when none are."""
    if signing.sigstore == "off" or signing.identity is None or signing.issuer is None:
        return None
    return signing.identity, signing.issuer


def _pair(run: str, folder: Path, prefix: str = "") -> list[_Pair]:
    """Return the certificate that lies in ``folder``, none when a file of it is missing."""
    files = [folder / (earlier_name(prefix, name) if prefix else name) for name in PAIR]
    if not all(path.is_file() for path in files):
        return []
    bundle, note = (path.read_bytes().decode(errors="replace") for path in files)
    return [_Pair(run, bundle, note)]


async def _keys(tools: Tools, signing: Signing, root: Path, pairs: Iterable[_Pair]) -> dict[str, bytes]:
    """Return run -> the key that one of ``pairs`` proves; one that proves nothing is left out, and its stage then runs."""
    wanted, found = _wanted(signing), dict[str, bytes]()
    if wanted is None:
        return found
    for pair in list(dict.fromkeys(pairs))[:_MOST_CERTIFICATES]:
        answer = await _keyless(tools, signing, root).verify(pair.bundle, *wanted)
        key = key_of_earlier(answer, pair.run, wanted)
        if key and is_pair(pair.bundle, pair.note, pair.run, tools.keyring(key)):
            found[pair.run] = key
    return found


def _keyless(tools: Tools, signing: Signing, root: Path) -> Keyless:
    instance = root / signing.instance if signing.instance is not None else None
    return Keyless(tools.project.home, tools.project.toolchains, tools.runner(), instance)
