"""Decides whether pods may run an image: only by its digest, and only when a believed key signed that its release passed.

The statement travels as a ConfigMap that anybody may have written; what counts is its signature.  Pure.
https://slsa.dev/spec/v1.1/verification_summary
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dawsos.model.json import JsonObject
from dawsos.ports import Keyring
from dawsos.provenance.envelope import Untrusted, open_envelope
from dawsos.provenance.statements import STATEMENT, VERIFIED
from dawsos.provenance.verification import subject

_BY_DIGEST = re.compile(r".+@(sha256:[0-9a-f]{64})")
# Where a pod names images.
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True)
class Rule:
    """What is demanded: a statement about a release for ``environment``.  ``allowed`` are images, by digest, that need none."""

    environment: str
    allowed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Review:
    """What the API server asks: may this pod, of ``namespace``, have these ``images``?"""

    uid: str
    namespace: str
    images: tuple[str, ...]


def digest_of(image: str) -> str:
    """Return the digest in the reference of an image, an empty text when it has none."""
    found = _BY_DIGEST.fullmatch(image)
    return found[1] if found else ""


def read_review(document: Any) -> Review:
    """Return the question in an AdmissionReview; raises ValueError for anything else.

    Of a pod that is changed only its new images are asked about: what runs already must be able to end.
    """
    try:
        request = document["request"]
        if request["kind"]["kind"] != "Pod":
            raise ValueError(f"this service decides about pods, not about {request['kind']['kind']}")
        before = set(_images(request.get("oldObject") or {}))
        new = [image for image in _images(request["object"]) if image not in before]
        return Review(str(request["uid"]), str(request["namespace"]), tuple(dict.fromkeys(new)))
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("it is no AdmissionReview about a pod") from error


def _images(pod: Mapping[str, Any]) -> Iterable[str]:
    spec = pod.get("spec") or {}
    for part in _CONTAINERS:
        for container in spec.get(part) or ():
            yield str(container.get("image", ""))


def problem(image: str, statement: str | None, keyring: Keyring, rule: Rule) -> str:
    """Return why ``image`` may not run, an empty text when it may; ``statement`` is the envelope found for it, None for none."""
    digest = digest_of(image)
    if not digest:
        return f"{image!r} is named by a tag, which may be another image tomorrow; deploy by digest (@sha256:...)"
    if image in rule.allowed:
        return ""
    if statement is None:
        return f"nobody signed that {image} passed the gates of {rule.environment}"
    try:
        opened = open_envelope(statement, keyring)
    except Untrusted as reason:
        return f"the statement about {image} proves nothing: {reason}"
    wrong = _says(opened.statement, digest, rule)
    return f"the statement about {image} {wrong}" if wrong else ""


def _says(statement: Mapping[str, Any], digest: str, rule: Rule) -> str:
    predicate = statement.get("predicate")
    kind = (statement.get("_type"), statement.get("predicateType"))
    if kind != (STATEMENT, VERIFIED) or not isinstance(predicate, dict):
        return "is of another kind, and not that its release passed"
    if f"sha256:{subject(statement)}" != digest:
        return f"is about another image, sha256:{subject(statement)[:12]}"
    if predicate.get("verificationResult") != "PASSED":
        return f"says {predicate.get('verificationResult')!r}, not 'PASSED'"
    if predicate.get("environment") != rule.environment:
        return f"is for the environment {predicate.get('environment')!r}, not for {rule.environment!r}"
    return ""


def answer(uid: str, problems: Iterable[str]) -> JsonObject:
    """Return the AdmissionReview that refuses with ``problems``, and admits when there are none."""
    told = [one for one in problems if one]
    response: JsonObject = {"uid": uid, "allowed": not told}
    if told:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": f"dawsos: {'; '.join(told)}"}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
