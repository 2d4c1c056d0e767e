"""The certificate of a run's key: somebody outside vouches, by a sigstore bundle, for the key that signs everything else.  Pure.

One signature a run is enough: a CI job's identity (a certificate of Fulcio, an entry in a public log) signs a statement about the
run and its key, and every other statement stays signed by that key.  Two files lie in the evidence:

key.sigstore.json     the bundle, in the form that other sigstore tools read
key.certificate.json  a statement signed by the key itself with the bundle's digest: a bundle has parts that nothing signs (the
                      blanks, the number and name of the log, attributes beside the timestamp, spare bits of base64), and a byte
                      that could be changed unnoticed would be one too many; it also shows that the key's owner asked for it
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dawsos.adapters.digests import sha256
from dawsos.model.run import Run
from dawsos.ports import Keyring, Signer
from dawsos.provenance.envelope import Untrusted, open_envelope
from dawsos.provenance.statements import STATEMENT, statement
from dawsos.provenance.verification import Bundle, StatementCheck, subject

BUNDLE_FILE = "key.sigstore.json"
CERTIFICATE_FILE = "key.certificate.json"
PAIR = (BUNDLE_FILE, CERTIFICATE_FILE)
KEY = "urn:dawsos:attestation:signing-key:v1"
CERTIFICATE = "urn:dawsos:attestation:key-certificate:v1"


@dataclass(frozen=True)
class Confirmed:
    """The result of checking the certificate of a run's key.

    ``key`` is the key that the certificate proves (SubjectPublicKeyInfo), empty when there is none; ``problem`` says why the
    certificate proves nothing; ``required`` says that production admits nothing without one.
    """

    key: bytes = b""
    identity: str = ""
    issuer: str = ""
    problem: str = ""
    required: bool = False
    # Earlier run -> the key that a certificate proves for it (SubjectPublicKeyInfo): stages restored from it count.
    earlier: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def key_id(self) -> str:
        return sha256(self.key) if self.key else ""


NOBODY = Confirmed()


def about_key(run: Run, signer: Signer) -> dict[str, Any]:
    """Return the statement that a CI job's identity signs: this key signs for this run of this commit and this pipeline."""
    predicate = {
        "run": run.id,
        "commit": run.commit,
        "pipeline": {"sha256": run.definition},
        "publicKey": base64.b64encode(signer.public_key).decode(),
    }
    return statement(KEY, ("signing key", "sha256", signer.key_id), predicate)


def about_bundle(run: Run, signer: Signer, bundle: str, identity: str, issuer: str) -> dict[str, Any]:
    """Return the statement that the key itself signs about its certificate; who signed that one is what the signer was told."""
    predicate = {
        "run": run.id,
        "commit": run.commit,
        "bundle": {"sha256": sha256(bundle.encode())},
        "identity": identity,
        "issuer": issuer,
    }
    return statement(CERTIFICATE, ("signing key", "sha256", signer.key_id), predicate)


def confirmed(answer: dict[str, str], run: Run, wanted: tuple[str, str], *, required: bool) -> Confirmed:
    """Return what ``answer``, of the library that checked the bundle, proves for ``run``; ``wanted`` is (identity, issuer)."""
    identity, issuer = answer.get("identity", ""), answer.get("issuer", "")
    key, problem = b"", ""
    if "refused" in answer:
        expected = f"; wanted is {wanted[0]} (issuer {wanted[1]})" if identity else ""
        problem = f"proves nothing: {answer['refused']}{expected}"
    elif (identity, issuer) != wanted:
        # The library was asked to verify exactly these; another answer would be a defect of the library.
        problem = f"proves nothing: it was made by {identity} (issuer {issuer})"
    else:
        key, claimed = _key_in(answer.get("payload", ""))
        problem = _not_of(run, claimed) if key else "is not about a signing key"
        key = b"" if problem else key
    return Confirmed(key, identity, issuer, problem and f"{BUNDLE_FILE} {problem}", required)


def key_of_earlier(answer: Mapping[str, str], run: str, wanted: tuple[str, str]) -> bytes:
    """Return the key that ``answer``, of the library that checked a bundle, proves for the earlier run ``run``, of any commit.

    Empty when it proves none: it was refused, is by another identity than ``wanted``, or is of another run.
    """
    if "refused" in answer or (answer.get("identity"), answer.get("issuer")) != wanted:
        return b""
    key, claimed = _key_in(answer.get("payload", ""))
    return key if claimed[0] == run else b""


def is_pair(bundle: str, note: str, run: str, keyring: Keyring) -> bool:
    """Return whether ``note``, signed by the key itself, says that this very ``bundle`` is the certificate of the key of ``run``."""
    predicate, _, problems = _opened(note, run, keyring)
    return not problems and predicate.get("bundle") == {"sha256": sha256(bundle.encode())}


def _not_of(run: Run, claimed: tuple[str, str, str]) -> str:
    """Return why a certificate that claims (run, commit, pipeline) is not that of ``run``, an empty text when it is."""
    if claimed[0] != run.id:
        return f"is of another run ({claimed[0]})"
    return "" if claimed[1:] == (run.commit, run.definition) else "is about another commit or pipeline than this run"


def _key_in(payload: str) -> tuple[bytes, tuple[str, str, str]]:
    """Return the key that the statement in ``payload`` (base64) certifies, and for which (run, commit, pipeline); empty for none."""
    try:
        statement = json.loads(base64.b64decode(payload, validate=True))
        predicate = statement["predicate"]
        key = base64.b64decode(predicate["publicKey"], validate=True)
        kind = (statement["_type"], statement["predicateType"])
        claimed = (predicate["run"], predicate["commit"], predicate["pipeline"]["sha256"])
    except (ValueError, TypeError, LookupError, binascii.Error):
        return b"", ("", "", "")
    if kind != (STATEMENT, KEY) or subject(statement) != sha256(key):
        return b"", ("", "", "")
    return key, claimed


def earlier_name(run: str, name: str) -> str:
    """Return the name under which a file of the certificate of ``run`` lies in the evidence of a later run."""
    return f"{run}.{name}"


def findings(given: Bundle, certificate: Confirmed, keyring: Keyring) -> list[StatementCheck]:
    """Return the finding on the certificate of the key; none when there is no certificate and none is required."""
    bundle, text = given.envelopes.get(BUNDLE_FILE), given.envelopes.get(CERTIFICATE_FILE)
    if bundle is None and text is None:
        missing = "the key of its run is not certified, and pipeline.yaml requires it (signing.sigstore)"
        return [_finding("missing", problems=(missing,))] if certificate.required else []
    predicate, key_id, problems = _opened(text, given.run, keyring)
    if certificate.problem:
        problems.insert(0, certificate.problem)
    if bundle is None:
        problems.append(f"{BUNDLE_FILE} is missing")
    elif predicate and predicate.get("bundle") != {"sha256": sha256(bundle.encode())}:
        problems.append(f"{BUNDLE_FILE} was altered: it is not what {CERTIFICATE_FILE} was signed for")
    if certificate.key and key_id and key_id != certificate.key_id:
        problems.append(f"{BUNDLE_FILE} certifies another key ({certificate.key_id[:12]}, this is {key_id[:12]})")
    return [_finding("certified" if certificate.key else "not checked", predicate, key_id, tuple(problems))]


def _opened(text: str | None, run: str, keyring: Keyring) -> tuple[dict[str, Any], str, list[str]]:
    """Return what the key's own statement says, the key that signed it, and what is wrong with it."""
    if text is None:
        return {}, "", [f"{CERTIFICATE_FILE} is missing"]
    try:
        opened = open_envelope(text, keyring)
    except Untrusted as reason:
        return {}, "", [f"{CERTIFICATE_FILE} cannot be trusted: {reason}"]
    statement, predicate = opened.statement, opened.statement.get("predicate")
    if (
        statement.get("predicateType") != CERTIFICATE
        or not isinstance(predicate, dict)
        or subject(statement) != opened.key_id
    ):
        return {}, opened.key_id, [f"{CERTIFICATE_FILE} is not a statement of the key about its certificate"]
    if predicate.get("run") != run:
        return predicate, opened.key_id, [f"{CERTIFICATE_FILE} is of another run ({predicate.get('run')})"]
    return predicate, opened.key_id, []


def _finding(
    result: str, predicate: dict[str, Any] | None = None, key_id: str = "", problems: tuple[str, ...] = ()
) -> StatementCheck:
    return StatementCheck(BUNDLE_FILE, "signing key", result, predicate or {}, key_id, problems)


def by_the_certified_key(found: Iterable[StatementCheck], certificate: Confirmed) -> list[StatementCheck]:
    """Return ``found``, with a problem in each statement of this run that another key signed than the certified one.

    People's approvals may have been given in an earlier run, or on another machine: any believed key will do for them.
    """
    if not certificate.key:
        return list(found)
    return [
        one
        if one.key_id in ("", certificate.key_id) or one.predicate.get("decision")
        else replace(one, problems=(*one.problems, _other_key(one, certificate)))
        for one in found
    ]


def _other_key(one: StatementCheck, certificate: Confirmed) -> str:
    return f"{one.name} is signed by the key {one.key_id[:12]}, certified is {certificate.key_id[:12]}"
