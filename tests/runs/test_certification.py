"""A ship's key is certified once where there is an identity; production believes what pipeline.yaml says, and nothing less."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.digests import sha256
from dawsos.adapters.files import write_json
from dawsos.adapters.identity import IDENTITY_VARIABLES
from dawsos.errors import BadInput, InfrastructureError, ReleaseFailed
from dawsos.model.events import KeyCertified
from dawsos.model.pipeline import Signing
from dawsos.model.run import Run
from dawsos.provenance import envelope as dsse
from dawsos.provenance.certificate import (
    BUNDLE_FILE,
    CERTIFICATE_FILE,
    KEY,
    NOBODY,
    Confirmed,
    about_bundle,
    about_key,
    earlier_name,
)
from dawsos.provenance.keys import LocalSigner, local_signer
from dawsos.provenance.statements import statement
from dawsos.reporting import summary as story
from dawsos.runs import certification as certifying
from dawsos.runs import evidence
from dawsos.runs.certification import certify, confirm, earlier_keys, must_have_identity
from runs.test_evidence import approve, shipped
from support.facts import fact
from support.world import World, world

ME, CI = "https://github.com/acme/shop/.github/workflows/ship.yml@refs/heads/main", "https://issuer.example"
TOKEN = "-".join(("what", "the", "service", "gave"))
OFF, AUTO = Signing(), Signing(sigstore="auto")
BELIEVED = Signing(sigstore="auto", identity=ME, issuer=CI)
REQUIRED = Signing(sigstore="required", identity=ME, issuer=CI)


class Library:
    """Stands for the process of the library: a "bundle" is who signed and what, and cannot be wrong."""

    def __init__(self, identity: str = ME, issuer: str = CI, problem: str = "") -> None:
        self.who = {"identity": identity, "issuer": issuer}
        self.problem = problem
        self.signed: list[Mapping[str, str]] = []
        self.instances: list[Path | None] = []

    def __call__(self, home: Path, toolchains: Path, runner: Any, instance: Path | None) -> Library:
        self.instances.append(instance)
        return self

    async def sign(self, statement: str, variables: Mapping[str, str]) -> dict[str, str]:
        self.signed.append(variables)
        if self.problem:
            raise InfrastructureError(self.problem)
        return {"bundle": json.dumps({**self.who, "payload": statement}) + "\n", **self.who}

    async def verify(self, bundle: str, identity: str, issuer: str) -> dict[str, str]:
        try:
            said = json.loads(bundle)
            who = {"identity": said["identity"], "issuer": said["issuer"]}
            payload = base64.b64encode(said["payload"].encode()).decode()
        except (ValueError, KeyError):
            return {"refused": "it does not verify"}
        if (identity, issuer) != (who["identity"], who["issuer"]):
            return {"refused": "it was made by {identity} (issuer {issuer})".format(**who), **who}
        return {"payload": payload, **who}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """A CI job with an identity, and the library."""
    made = Library()
    monkeypatch.setattr(certifying, "Keyless", made)
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", TOKEN)
    return made


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in IDENTITY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def certified(told: World, signing: Signing) -> KeyCertified | None:
    asyncio.run(certify(told.session, signing, told.tools.project.root))
    return told.session.state.certificate


def told_of(told: World, signing: Signing) -> Confirmed:
    return asyncio.run(confirm(told.tools, signing, told.tools.project.root, told.session.refresh()))


def problems(told: World, signing: Signing) -> list[str]:
    run, found = told.session.refresh(), told_of(told, signing)
    wanted = evidence.recorded_demands(told.tools, run, evidence.attested(run), found)
    return [problem for one in evidence.examine(told.tools, run, wanted, found) for problem in one.problems]


def admit(told: World, signing: Signing) -> None:
    canary = told.pipeline.stage("canary")
    evidence.admit(told.tools, told.pipeline, told.session.refresh(), canary, told_of(told, signing))


def released(home: Path, signing: Signing) -> World:
    """Return a ship up to its rollout whose key was certified."""
    told = shipped(home)
    certified(told, signing)
    return told


def test_without_being_asked_or_without_an_identity_nothing_happens(tmp_path: Path, library: Library) -> None:
    told = world(tmp_path)
    assert certified(told, OFF) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SIGSTORE_ID_TOKEN")
        assert certified(told, AUTO) is None
    assert library.signed == []
    assert told_of(told, OFF) == NOBODY
    assert not (told.folder / "evidence").exists()


def test_where_there_is_an_identity_the_key_is_certified_once(tmp_path: Path, library: Library) -> None:
    told = world(tmp_path)
    found = certified(told, AUTO)
    bundle = (told.folder / "evidence" / BUNDLE_FILE).read_bytes()
    assert found == KeyCertified(told.tools.signer().key_id, ME, CI, sha256(bundle))
    said = json.loads(json.loads(bundle)["payload"])
    assert (said["predicateType"], said["predicate"]["run"]) == (KEY, told.session.id)
    assert said["predicate"]["commit"] == told.session.state.commit
    certified(told, AUTO)
    assert len(library.signed) == 1
    assert library.signed[0] == {"SIGSTORE_ID_TOKEN": TOKEN}
    assert told.tools.masker.clean(f"a log with {TOKEN}") == "a log with ***"


def test_a_server_that_is_away_is_told_and_stops_only_what_requires_it(tmp_path: Path, library: Library) -> None:
    library.problem = f"sigstore did not sign: 502 for {TOKEN}"
    told = world(tmp_path)
    found = certified(told, AUTO)
    assert found is not None
    assert found.problem == "sigstore did not sign: 502 for ***"
    (remark,) = [one for one in story.not_checked(told.session.state) if one.where == "signing key"]
    assert remark.what == "sigstore did not sign: 502 for ***"
    with pytest.raises(InfrastructureError, match="did not sign"):
        certified(told, REQUIRED)
    assert not (told.folder / "evidence").exists()


@pytest.mark.parametrize("who", [("https://github.com/acme/other", CI), (ME, "https://another.example")])
def test_a_job_that_is_not_believed_is_told_before_anything_runs(
    tmp_path: Path, library: Library, who: tuple[str, str]
) -> None:
    library.who = {"identity": who[0], "issuer": who[1]}
    told = world(tmp_path)
    found = certified(told, BELIEVED)
    assert found is not None
    assert f"this job is {who[0]} (issuer {who[1]})" in found.problem
    with pytest.raises(InfrastructureError, match=r"this job is .*, and pipeline\.yaml believes only"):
        certified(told, REQUIRED)
    assert not (told.folder / "evidence").exists(), "it goes on as if there were no identity"


def test_a_ship_that_could_only_be_refused_is_not_begun() -> None:
    with pytest.raises(BadInput, match="requires a certified key"):
        must_have_identity(REQUIRED, {"GITHUB_ACTIONS": "true"})
    must_have_identity(REQUIRED, {"SIGSTORE_ID_TOKEN": TOKEN})
    must_have_identity(BELIEVED, {})


def test_a_certified_release_is_admitted_and_shown_with_its_identity(tmp_path: Path, library: Library) -> None:
    told = released(tmp_path, REQUIRED)
    for signing in (OFF, AUTO, BELIEVED, REQUIRED):
        admit(told, signing)
        assert problems(told, signing) == []
    first = evidence.examine(told.tools, told.session.state, [], told_of(told, REQUIRED))[0]
    assert (first.name, first.result, first.predicate["identity"]) == (BUNDLE_FILE, "certified", ME)
    assert evidence.examine(told.tools, told.session.state, [])[0].result == "not checked"


def test_elsewhere_the_certificate_alone_makes_the_key_believed(tmp_path: Path, library: Library) -> None:
    told = released(tmp_path, BELIEVED)
    shutil.rmtree(told.tools.project.keys)
    assert any("which is not trusted here" in problem for problem in problems(told, AUTO))
    assert problems(told, BELIEVED) == []
    admit(told, REQUIRED)


@pytest.mark.parametrize(
    ("signing", "words"),
    [
        (BELIEVED.model_copy(update={"identity": "https://github.com/acme/other"}), f"it was made by {ME}"),
        (BELIEVED.model_copy(update={"issuer": "https://another.example"}), f"(issuer {CI})"),
    ],
    ids=["identity", "issuer"],
)
def test_another_identity_or_issuer_is_refused(tmp_path: Path, library: Library, signing: Signing, words: str) -> None:
    told = released(tmp_path, AUTO)
    with pytest.raises(ReleaseFailed, match=r"signing key: key\.sigstore\.json proves nothing") as refused:
        admit(told, signing)
    assert words in refused.value.message
    assert str(signing.identity) in refused.value.message


def test_where_it_is_required_none_is_refused(tmp_path: Path, library: Library) -> None:
    told = shipped(tmp_path)
    admit(told, BELIEVED)
    with pytest.raises(ReleaseFailed, match="signing key: the key of its run is not certified"):
        admit(told, REQUIRED)


def test_any_byte_of_either_file_changed_is_refused(tmp_path: Path, library: Library) -> None:
    told = released(tmp_path, REQUIRED)
    for name in (BUNDLE_FILE, CERTIFICATE_FILE):
        path = told.folder / "evidence" / name
        good = path.read_bytes()
        for place in range(0, len(good), 7):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            for signing in (AUTO, REQUIRED):
                assert problems(told, signing), f"{name}: byte {place}, {signing.sigstore}"
        path.write_bytes(good)
        path.rename(tmp_path / "hidden")
        assert problems(told, REQUIRED), f"without {name}"
        (tmp_path / "hidden").rename(path)
    assert problems(told, REQUIRED) == []


def test_the_certificate_of_another_run_is_refused(tmp_path: Path, library: Library) -> None:
    there = world(tmp_path / "there")
    other = replace(there.session.state, id="20260301-120000-c0ffee0-bb")
    there.session.state = other
    there.session.id = other.id
    there.session.record(
        fact("run_started", command="ship", commit=other.commit, definition=other.definition, stages=[])
    )
    certified(there, REQUIRED)
    told = released(tmp_path / "here", REQUIRED)
    shutil.copy(there.folder / "evidence" / BUNDLE_FILE, told.folder / "evidence")
    found = problems(told, REQUIRED)
    assert any(f"{BUNDLE_FILE} is of another run ({other.id})" in problem for problem in found), found


def test_statements_by_another_key_than_the_certified_one_are_refused(tmp_path: Path, library: Library) -> None:
    told = shipped(tmp_path)
    used = told.tools.signer()
    other = local_signer(tmp_path / "other")
    # Somebody with the identity certified another key than the one that signed the stages.
    predicate = {
        "run": told.session.id, "commit": told.session.state.commit, "pipeline": {"sha256": told.session.state.definition},
        "publicKey": base64.b64encode(other.public_key).decode(),
    }  # fmt: skip
    said = dsse.payload(statement(KEY, ("signing key", "sha256", other.key_id), predicate)).decode()
    bundle = json.dumps({"identity": ME, "issuer": CI, "payload": said})
    (told.folder / "evidence" / BUNDLE_FILE).write_text(bundle)
    note = about_bundle(told.session.state, other, bundle, ME, CI)
    (told.folder / "evidence" / CERTIFICATE_FILE).write_text(dsse.sign(note, other))
    words = f"unit.json is signed by the key {used.key_id[:12]}, certified is {other.key_id[:12]}"
    assert words in problems(told, REQUIRED)


def test_other_servers_are_those_of_the_project(tmp_path: Path, library: Library) -> None:
    told = world(tmp_path)
    certified(told, AUTO.model_copy(update={"instance": "deploy/sigstore.json"}))
    told_of(told, BELIEVED)
    assert library.instances == [tmp_path / "deploy" / "sigstore.json", None]


FIRST = Run("the-first-run", "ship", "f" * 40)


def pair(signer: LocalSigner, run: Run = FIRST, who: tuple[str, str] = (ME, CI)) -> dict[str, str]:
    """Return the certificate of a key that another job had, as its files."""
    said = dsse.payload(about_key(run, signer)).decode()
    bundle = json.dumps({"identity": who[0], "issuer": who[1], "payload": said}) + "\n"
    return {BUNDLE_FILE: bundle, CERTIFICATE_FILE: dsse.sign(about_bundle(run, signer, bundle, *who), signer)}


def beside(files: Mapping[str, str], run: str = FIRST.id) -> dict[str, str]:
    return {earlier_name(run, name): text for name, text in files.items()}


def restored(home: Path, signer: LocalSigner, files: Mapping[str, str]) -> World:
    """Return a ship up to its rollout whose stage lint ran in another job, which had the key of ``signer``."""
    told = world(home)
    told.restore_stage("lint", signer, files)
    for stage in ("unit", "chaos"):
        told.run_stage(stage)
    told.build()
    approve(told, "Ada", "Bob")
    told.run_stage("uat")
    told.attest()
    return told


STRANGER = "cannot be trusted: it is signed by the key"


def test_what_another_job_did_counts_where_a_certificate_vouches_for_its_key(tmp_path: Path, library: Library) -> None:
    other = local_signer(tmp_path / "other")
    told = restored(tmp_path / "here", other, beside(pair(other)))
    assert told_of(told, BELIEVED).earlier == {FIRST.id: other.public_key}
    assert problems(told, BELIEVED) == []
    admit(told, BELIEVED)
    # Without the certificate it is a stranger's.
    for signing in (OFF, AUTO):
        assert STRANGER in problems(told, signing)[0]
        with pytest.raises(ReleaseFailed, match="may not go to production: stage lint"):
            admit(told, signing)


OTHERS: dict[str, Callable[[LocalSigner], dict[str, str]]] = {
    "none": lambda other: {},
    "another identity": lambda other: beside(pair(other, who=("https://github.com/acme/other", CI))),
    "another issuer": lambda other: beside(pair(other, who=(ME, "https://elsewhere.example"))),
    "of another run": lambda other: beside(pair(other, Run("another-run", "ship", "f" * 40))),
    "without the note": lambda other: {earlier_name(FIRST.id, BUNDLE_FILE): pair(other)[BUNDLE_FILE]},
    "the note of another bundle": lambda other: beside(
        {BUNDLE_FILE: pair(other)[BUNDLE_FILE], CERTIFICATE_FILE: pair(other, who=("a", "b"))[CERTIFICATE_FILE]}
    ),
    "a byte changed": lambda other: beside(
        {**pair(other), BUNDLE_FILE: pair(other)[BUNDLE_FILE].replace("{", "{ ", 1)}
    ),
    "no bundle": lambda other: beside({**pair(other), BUNDLE_FILE: "no bundle"}),
}


@pytest.mark.parametrize("files", OTHERS.values(), ids=OTHERS)
def test_another_certificate_vouches_for_nothing(
    files: Callable[[LocalSigner], dict[str, str]], tmp_path: Path, library: Library
) -> None:
    other = local_signer(tmp_path / "other")
    told = restored(tmp_path / "here", other, files(other))
    assert told_of(told, BELIEVED).earlier == {}
    assert STRANGER in problems(told, BELIEVED)[0]


def test_a_certified_key_signs_for_its_own_run_only(tmp_path: Path, library: Library) -> None:
    """The job of one run could otherwise write what another run did."""
    other = local_signer(tmp_path / "other")
    told = restored(tmp_path / "here", other, beside(pair(other, Run("another-run", "ship", "f" * 40)), "another-run"))
    found = replace(told_of(told, BELIEVED), earlier={"another-run": other.public_key})
    run = told.session.refresh()
    wanted = evidence.recorded_demands(told.tools, run, evidence.attested(run), found)
    assert STRANGER in next(
        problem for one in evidence.examine(told.tools, run, wanted, found) for problem in one.problems
    )


def test_of_kept_results_only_those_of_unknown_keys_are_asked_about(tmp_path: Path, library: Library) -> None:
    told, other = world(tmp_path / "here"), local_signer(tmp_path / "other")
    cache = told.tools.project.cache

    def keep(stage: str, signer: LocalSigner, run: Run, files: Mapping[str, str]) -> None:
        kept = {"run": run.id, "finished_at": 1.0, "gates": [], "manifest": {}, "evidence": {}}
        signed = dsse.sign(statement("kind", ("inputs", "sha256", "f1"), {"run": run.id}), signer)
        write_json(cache / stage / "f1" / "result.json", {**kept, "statement": signed})
        for name, text in files.items():
            (cache / stage / "f1" / name).write_text(text)

    second = Run("the-second-run", "ship", "e" * 40)
    keep("lint", other, FIRST, pair(other))
    keep("unit", other, FIRST, pair(other))
    keep("chaos", other, second, pair(other, FIRST))
    keep("build", told.tools.signer(), second, pair(other, second))  # type: ignore[arg-type]
    found = asyncio.run(earlier_keys(told.tools, BELIEVED, tmp_path, told.tools.project.home))
    assert found == {FIRST.id: other.public_key}
    # The certificate of two stages was checked once, that of a run with another name as well, that of a known key not at all.
    assert len(library.instances) == 2
    assert asyncio.run(earlier_keys(told.tools, OFF, tmp_path, told.tools.project.home)) == {}
