"""The certificate of a run's key: requested when a ship begins, checked before its release goes to production."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dawsos.adapters.digests import sha256
from dawsos.adapters.files import write_text
from dawsos.adapters.identity import identity
from dawsos.adapters.redactor import secrets_in
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.events import KeyCertified
from dawsos.model.pipeline import Signing
from dawsos.model.run import Run
from dawsos.provenance import envelope as dsse
from dawsos.provenance.certificate import (
    BUNDLE_FILE,
    CERTIFICATE_FILE,
    NOBODY,
    Confirmed,
    about_bundle,
    about_key,
    confirmed,
)
from dawsos.provenance.sigstore import Keyless
from dawsos.runs.project import Tools
from dawsos.runs.recorder import Session


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
    """Return what the certificate in the run's evidence proves under ``signing``; needs no network.

    Raises InfrastructureError when it cannot be checked here.
    """
    required = signing.sigstore == "required"
    path = tools.project.evidence(run.id) / BUNDLE_FILE
    if signing.sigstore == "off" or signing.identity is None or signing.issuer is None or not path.exists():
        return Confirmed(required=required) if required else NOBODY
    wanted = (signing.identity, signing.issuer)
    text = path.read_bytes().decode(errors="replace")
    answer = await _keyless(tools, signing, root).verify(text, *wanted)
    return confirmed(answer, run, wanted, required=required)


def _keyless(tools: Tools, signing: Signing, root: Path) -> Keyless:
    instance = root / signing.instance if signing.instance is not None else None
    return Keyless(tools.project.home, tools.project.toolchains, tools.runner(), instance)
