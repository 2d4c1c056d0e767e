"""Signs and verifies with the library ``sigstore``: a script that ``sigstore.py`` runs in the environment of ``sigstore.txt``.

The tool itself never imports that library.  Request and answer are JSON files, because standard output goes to a log.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat import asn1
from sigstore.dsse import Statement
from sigstore.errors import VerificationError
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityToken, detect_credential
from sigstore.sign import SigningContext
from sigstore.verify import Verifier, policy

# Fulcio's names for the issuer of the identity: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_TOKEN = "SIGSTORE_ID_TOKEN"  # noqa: S105


def sign(request: dict[str, Any]) -> dict[str, Any]:
    """Sign ``statement`` with the identity that the CI service gives; return the bundle, and the identity in its certificate."""
    # Some services put the token itself there, GitHub's is asked for; neither is passed on to anything that we start.
    token = os.environ.pop(_TOKEN, "") or detect_credential() or ""
    try:
        context = SigningContext.from_trust_config(_instance(request, offline=False))
        with context.signer(IdentityToken(token)) as signer:
            bundle = signer.sign_dsse(Statement(request["statement"].encode()))
    except Exception as error:
        # The library's own errors may say nothing, and a service may repeat in its complaint what it was sent.
        causes = [one for one in (error, error.__cause__) if one is not None]
        text = "; ".join(f"{type(one).__name__}: {one}" for one in causes)
        return {"error": text.replace(token, "***") if token else text}
    # One text for one bundle: sorted keys, as it is told to be in its name.
    text = json.dumps(json.loads(bundle.to_json()), indent=1, sort_keys=True) + "\n"
    return {"bundle": text, **_named(bundle.signing_certificate)}


def verify(request: dict[str, Any]) -> dict[str, Any]:
    """Check ``bundle`` against the trusted root, ``identity`` and ``issuer``, without the network; return what it signs."""
    verifier = Verifier(trusted_root=_instance(request, offline=True).trusted_root)
    demanded = policy.Identity(identity=request["identity"], issuer=request["issuer"])
    try:
        bundle = Bundle.from_json(request["bundle"])
        named = _named(bundle.signing_certificate)
        try:
            _, payload = verifier.verify_dsse(bundle, demanded)
        except VerificationError:
            # If it is genuine and made by another identity, the answer names that identity.
            verifier.verify_dsse(bundle, policy.UnsafeNoOp())
            return {"refused": "it was made by {identity} (issuer {issuer})".format(**named), **named}
    except Exception as error:
        # Any error of a parser on altered bytes gives the same answer.
        return {"refused": f"it does not verify: {type(error).__name__}: {error}"}
    return {"payload": base64.b64encode(payload).decode(), **named}


def _instance(request: dict[str, Any], *, offline: bool) -> ClientTrustConfig:
    """Return the sigstore servers and their keys: those of the file that is named, else the public ones.

    Offline, the public ones are what this machine last learned of them, or what came with the library.
    """
    if request["instance"]:
        return ClientTrustConfig.from_json(Path(request["instance"]).read_text())
    return ClientTrustConfig.production(offline=offline)


def _named(certificate: x509.Certificate) -> dict[str, str]:
    """Return the identity that ``certificate`` was made out to and the issuer who vouched for it."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    issuer = certificate.extensions.get_extension_for_oid(_ISSUER).value
    return {
        "identity": ", ".join(str(name.value) for name in names),
        "issuer": asn1.decode_der(str, issuer.value) if isinstance(issuer, x509.UnrecognizedExtension) else "",
    }


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text())
    answer = {"sign": sign, "verify": verify}[request["verb"]](request)
    Path(sys.argv[2]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
