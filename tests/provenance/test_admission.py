"""A pod may run an image by its digest, with a statement of a believed key, for this environment; nothing else is enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dawsos.model.run import Run
from dawsos.provenance import envelope as dsse
from dawsos.provenance.admission import Rule, answer, digest_of, problem, read_review
from dawsos.provenance.keys import LocalKeyring, local_signer
from dawsos.provenance.statements import statement, verified_image

HEX = "a1" * 32
DIGEST = f"sha256:{HEX}"
IMAGE = f"registry.example.com/team/backend@{DIGEST}"
RULE = Rule("production")
RUN = Run(id="r", release="d" * 64, commit="c" * 40, definition="e" * 64)


def signed(folder: Path, digest: str = DIGEST, environment: str = "production", **changes: Any) -> str:
    told = verified_image(RUN, ("backend", digest), environment, 1.7e9, {"uat.json": "1" * 64})
    told["predicate"] |= changes
    return dsse.sign(told, local_signer(folder))


def why(image: str, text: str | None, folder: Path, rule: Rule = RULE) -> str:
    local_signer(folder)
    return problem(image, text, LocalKeyring(folder), rule)


def test_what_a_believed_key_signed_may_run(tmp_path: Path) -> None:
    assert why(IMAGE, signed(tmp_path), tmp_path) == ""


@pytest.mark.parametrize(
    "image", ["backend", "backend:1.0", f"backend@sha256:{HEX[:-1]}", f"backend@{DIGEST}x", "", f"@{DIGEST}"]
)
def test_what_is_not_named_by_a_digest_may_not(image: str, tmp_path: Path) -> None:
    assert digest_of(image) == ""
    assert "is named by a tag" in why(image, signed(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"digest": "sha256:" + "b2" * 32}, "is about another image, sha256:b2b2"),
        ({"environment": "staging"}, "is for the environment 'staging', not for 'production'"),
        ({"verificationResult": "FAILED"}, "says 'FAILED', not 'PASSED'"),
    ],
)
def test_a_statement_that_says_something_else_proves_nothing(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    assert told in why(IMAGE, signed(tmp_path, **changes), tmp_path)


def test_other_statements_of_the_same_key_are_not_taken_for_it(tmp_path: Path) -> None:
    """The key signs stages, approvals and summaries as well, of releases that never passed."""
    signer = local_signer(tmp_path)
    other = dsse.sign(
        statement("urn:dawsos:attestation:run-summary:v1", ("x", "sha256", HEX), {"result": "passed"}), signer
    )
    assert "is of another kind" in why(IMAGE, other, tmp_path)


def test_no_statement_a_strange_key_and_an_altered_text_are_refused(tmp_path: Path) -> None:
    here = tmp_path / "here"
    assert why(IMAGE, None, here) == f"nobody signed that {IMAGE} passed the gates of production"
    assert "which is not trusted here" in why(IMAGE, signed(tmp_path / "elsewhere"), here)
    text = signed(here)
    assert "proves nothing" in why(IMAGE, text.replace('"payload": "ey', '"payload": "eX'), here)
    assert "proves nothing" in why(IMAGE, "no envelope", here)


def test_what_the_administrator_allows_needs_none_and_nothing_like_it(tmp_path: Path) -> None:
    rule = Rule("production", frozenset({IMAGE}))
    assert why(IMAGE, None, tmp_path, rule) == ""
    assert "nobody signed" in why(f"other.example.com/x@{DIGEST}", None, tmp_path, rule)


def review(pod: Any, old: Any = None, kind: str = "Pod") -> dict[str, Any]:
    return {"request": {"uid": "u", "namespace": "n", "kind": {"kind": kind}, "object": pod, "oldObject": old}}


def pod(*images: str, **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"image": image} for image in images], **more}}


def test_every_container_is_asked_about_and_of_a_changed_pod_what_is_new() -> None:
    asked = read_review(review(pod("a", "b", initContainers=[{"image": "i"}], ephemeralContainers=[{"image": "e"}])))
    assert (asked.uid, asked.namespace, asked.images) == ("u", "n", ("i", "a", "b", "e"))
    assert read_review(review(pod("a", "b"), pod("a"))).images == ("b",)
    # A container without an image is no way around.
    assert read_review(review({"spec": {"containers": [{}]}})).images == ("",)


@pytest.mark.parametrize("document", [None, [], {}, {"request": None}, {"request": {"kind": {}}}, review(None)])
def test_what_is_no_review_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="no AdmissionReview about a pod"):
        read_review(document)


def test_of_other_kinds_nothing_is_decided() -> None:
    with pytest.raises(ValueError, match="about pods, not about Deployment"):
        read_review(review(pod("a"), kind="Deployment"))


def test_an_answer_admits_only_without_a_problem() -> None:
    assert answer("u", ["", ""])["response"] == {"uid": "u", "allowed": True}
    refused: Any = answer("u", ["", "no", "never"])["response"]
    assert (refused["allowed"], refused["status"]["message"]) == (False, "dawsos: no; never")
