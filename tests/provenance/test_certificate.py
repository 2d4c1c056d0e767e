"""What a certificate of a run's key is worth: whose, of which run, of which key; and that no byte of it can be changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.digests import sha256
from dawsos.model.run import Run
from dawsos.provenance import envelope as dsse
from dawsos.provenance.certificate import (
    BUNDLE_FILE,
    CERTIFICATE_FILE,
    NOBODY,
    Confirmed,
    about_bundle,
    about_key,
    by_the_certified_key,
    confirmed,
    findings,
)
from dawsos.provenance.keys import LocalKeyring, LocalSigner, local_signer
from dawsos.provenance.verification import Bundle, StatementCheck

RUN = Run("run-1", "ship", "c0ffee", definition="d" * 64)
WANTED = ("https://github.com/acme/shop/.github/workflows/ship.yml@refs/heads/main", "https://issuer.example")
WHO = {"identity": WANTED[0], "issuer": WANTED[1]}


@dataclass
class Desk:
    """A key and the certificate somebody made for it."""

    signer: LocalSigner
    keyring: LocalKeyring
    bundle: str = '{"a": "bundle"}\n'

    def answer(self, **changes: Any) -> dict[str, str]:
        """Return what the library says of the bundle, its payload changed as told."""
        said = about_key(RUN, self.signer)
        said["predicate"] |= changes
        return {"payload": base64.b64encode(dsse.payload(said)).decode(), **WHO}

    def believed(self) -> Confirmed:
        return confirmed(self.answer(), RUN, WANTED, required=True)

    def given(self, run: str = "run-1", **files: str | None) -> Bundle:
        """Return the evidence; ``files`` replace what lies there, None takes it away."""
        note = dsse.sign(about_bundle(RUN, self.signer, self.bundle, *WANTED), self.signer)
        there = {BUNDLE_FILE: self.bundle, CERTIFICATE_FILE: note, **{_NAMES[key]: text for key, text in files.items()}}
        return Bundle(run, "", {name: text for name, text in there.items() if text is not None}, lambda _: {})

    def problems(self, given: Bundle, certificate: Confirmed | None = None) -> list[str]:
        found = findings(given, self.believed() if certificate is None else certificate, self.keyring)
        return [problem for one in found for problem in one.problems]


_NAMES = {"bundle": BUNDLE_FILE, "note": CERTIFICATE_FILE}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    signer = local_signer(tmp_path / "keys")
    return Desk(signer, LocalKeyring(tmp_path / "keys"))


def test_a_good_certificate_names_the_key_and_who_vouches_for_it(desk: Desk) -> None:
    found = desk.believed()
    assert (found.problem, found.identity, found.issuer) == ("", *WANTED)
    assert (found.key, found.key_id) == (desk.signer.public_key, desk.signer.key_id)
    (shown,) = findings(desk.given(), found, desk.keyring)
    assert (shown.result, shown.problems, shown.predicate["identity"]) == ("certified", (), WANTED[0])
    assert shown.key_id == desk.signer.key_id


def test_what_the_library_refuses_is_no_key(desk: Desk) -> None:
    found = confirmed({"refused": "it does not verify: bad signature"}, RUN, WANTED, required=False)
    assert found.key == b""
    assert desk.problems(desk.given(), found) == [f"{BUNDLE_FILE} proves nothing: it does not verify: bad signature"]


def test_another_identity_is_told_beside_the_one_that_is_wanted() -> None:
    other = {"identity": "https://github.com/evil", "issuer": "https://issuer.example"}
    found = confirmed({"refused": "it was made by https://github.com/evil", **other}, RUN, WANTED, required=False)
    assert found.key == b""
    assert found.problem.endswith(f"it was made by https://github.com/evil; wanted is {WANTED[0]} (issuer {WANTED[1]})")


@pytest.mark.parametrize(
    "changed", [{"identity": "https://github.com/evil"}, {"issuer": "https://evil"}, {"identity": ""}]
)
def test_a_yes_of_the_library_to_somebody_else_is_none(desk: Desk, changed: dict[str, str]) -> None:
    found = confirmed({**desk.answer(), **changed}, RUN, WANTED, required=True)
    assert found.key == b""
    assert "proves nothing: it was made by" in found.problem


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"run": "run-2"}, "is of another run (run-2)"),
        ({"commit": "beef"}, "is about another commit or pipeline"),
        ({"pipeline": {"sha256": "e" * 64}}, "is about another commit or pipeline"),
        ({"publicKey": base64.b64encode(b"another key").decode()}, "is not about a signing key"),
        ({"publicKey": "no base64"}, "is not about a signing key"),
        ({"pipeline": "d" * 64}, "is not about a signing key"),
    ],
)
def test_a_certificate_of_something_else_is_no_key(desk: Desk, changes: dict[str, Any], words: str) -> None:
    found = confirmed(desk.answer(**changes), RUN, WANTED, required=True)
    assert found.key == b""
    assert words in found.problem


@pytest.mark.parametrize("payload", ["!", base64.b64encode(b"[]").decode(), base64.b64encode(b"{").decode()])
def test_a_payload_that_is_no_statement_is_no_key(payload: str) -> None:
    assert "not about a signing key" in confirmed({"payload": payload, **WHO}, RUN, WANTED, required=True).problem


def test_another_kind_of_statement_is_no_key(desk: Desk) -> None:
    said = {**about_key(RUN, desk.signer), "predicateType": "https://slsa.dev/provenance/v1"}
    answer = {"payload": base64.b64encode(dsse.payload(said)).decode(), **WHO}
    assert "not about a signing key" in confirmed(answer, RUN, WANTED, required=True).problem


@pytest.mark.parametrize("name", ["bundle", "note"])
def test_any_byte_changed_is_found_also_where_nobody_is_believed(desk: Desk, name: str) -> None:
    text = desk.given().envelopes[_NAMES[name]]
    for place in range(len(text)):
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        for certificate in (desk.believed(), NOBODY):
            assert desk.problems(desk.given(**{name: changed}), certificate), f"{name}: byte {place}"


def test_one_file_without_the_other_is_found(desk: Desk) -> None:
    assert desk.problems(desk.given(bundle=None)) == [f"{BUNDLE_FILE} is missing"]
    assert desk.problems(desk.given(note=None)) == [f"{CERTIFICATE_FILE} is missing"]


def test_none_at_all_is_a_problem_only_where_one_is_required(desk: Desk) -> None:
    none = desk.given(bundle=None, note=None)
    assert findings(none, NOBODY, desk.keyring) == []
    assert desk.problems(none, Confirmed(required=True)) == [
        "the key of its run is not certified, and pipeline.yaml requires it (signing.sigstore)"
    ]


def test_the_note_of_another_run_is_found(desk: Desk) -> None:
    assert desk.problems(desk.given(run="run-2")) == [f"{CERTIFICATE_FILE} is of another run (run-1)"]


def test_a_statement_of_another_kind_is_no_note(desk: Desk) -> None:
    note = dsse.sign(about_key(RUN, desk.signer), desk.signer)
    assert "is not a statement of the key about its certificate" in desk.problems(desk.given(note=note))[0]


def test_a_note_that_one_key_signs_about_another_is_none(desk: Desk, tmp_path: Path) -> None:
    other = local_signer(tmp_path / "other")
    note = dsse.sign(about_bundle(RUN, other, desk.bundle, *WANTED), desk.signer)
    assert "is not a statement of the key about its certificate" in desk.problems(desk.given(note=note))[0]


def test_a_certificate_for_another_key_is_found(desk: Desk, tmp_path: Path) -> None:
    other = local_signer(tmp_path / "other")
    certificate = replace(desk.believed(), key=other.public_key)
    assert desk.problems(desk.given(), certificate) == [
        f"{BUNDLE_FILE} certifies another key ({other.key_id[:12]}, this is {desk.signer.key_id[:12]})"
    ]


def _by(key: str, **predicate: Any) -> StatementCheck:
    return StatementCheck("unit.json", "unit", "passed", predicate, key)


@pytest.mark.parametrize(
    ("finding", "refused"),
    [
        (lambda desk: _by(desk.signer.key_id), False),
        (lambda _: _by("ab" * 32), True),
        (lambda _: _by("ab" * 32, decision="approved"), False),
        (lambda _: _by(""), False),
    ],
    ids=["the certified key", "another key", "a person's approval", "nobody"],
)
def test_only_the_certified_key_may_sign_what_the_run_says(
    desk: Desk, finding: Callable[[Desk], StatementCheck], refused: bool
) -> None:
    one = finding(desk)
    (told,) = by_the_certified_key([one], desk.believed())
    words = f"unit.json is signed by the key abababababab, certified is {desk.signer.key_id[:12]}"
    assert told.problems == ((words,) if refused else ())
    assert by_the_certified_key([one], NOBODY) == [one]


def test_the_statement_that_is_certified_has_the_key_as_its_subject(desk: Desk) -> None:
    said = json.loads(dsse.payload(about_key(RUN, desk.signer)))
    assert said["subject"] == [{"name": "signing key", "digest": {"sha256": sha256(desk.signer.public_key)}}]
    assert said["predicate"]["run"] == "run-1"
    assert said["predicate"]["pipeline"] == {"sha256": "d" * 64}
