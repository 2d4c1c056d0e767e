"""An image is signed for when it is the one that the evidence is about, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dawsos.adapters.files import write_json
from dawsos.errors import ReleaseFailed
from dawsos.model.run import Run
from dawsos.provenance import envelope as dsse
from dawsos.provenance.admission import Rule, problem
from dawsos.runs.vouching import must_be_shown, vouch, vouched
from support.facts import fact
from support.world import COMMIT, RELEASE, World, world

DIGEST, OTHER = "sha256:" + "a1" * 32, "sha256:" + "b2" * 32


def built(home: Path, *digests: str) -> World:
    """Return a ship that has built the image DIGEST; its evidence names ``digests``, and is missing without any."""
    told = world(home)
    if digests:
        write_json(told.session.artifacts("build") / "image-backend.json", {"digests": list(digests)})
    facts = {"release": RELEASE, "commit": COMMIT, "builder": "mason", "bytes": 1, "images": {"backend": DIGEST}}
    told.session.record(fact("release_built", **facts), "build")
    told.run_stage("build")
    told.attest()
    return told


def run_of(told: World) -> Run:
    return told.session.refresh()


def test_the_image_that_the_evidence_is_about_is_shown(tmp_path: Path) -> None:
    told = built(tmp_path, DIGEST, DIGEST)
    must_be_shown(told.tools, run_of(told))


@pytest.mark.parametrize("digests", [(), (OTHER, OTHER), (DIGEST, OTHER)])
def test_another_image_may_not_go_to_production(digests: tuple[str, ...], tmp_path: Path) -> None:
    told = built(tmp_path, *digests)
    with pytest.raises(ReleaseFailed, match=r"its image backend .* is not the one that image-backend\.json is about"):
        must_be_shown(told.tools, run_of(told))


def test_what_is_signed_admits_the_image_and_names_what_was_verified(tmp_path: Path) -> None:
    told = built(tmp_path, DIGEST, DIGEST)
    assert vouched(told.tools, run_of(told)) == {}
    vouch(told.tools, run_of(told), "production")
    (text,) = vouched(told.tools, run_of(told)).values()
    keyring = told.tools.keyring()
    assert problem(f"localhost/dawsos-backend@{DIGEST}", text, keyring, Rule("production")) == ""
    predicate = dsse.open_envelope(text, keyring).statement["predicate"]
    assert [one["uri"] for one in predicate["inputAttestations"]] == ["build.json", "provenance.json"]
    assert (predicate["release"], predicate["commit"]) == (RELEASE, COMMIT)
    # Once signed it stays as it is, also when a run is resumed.
    vouch(told.tools, run_of(told), "production")
    assert vouched(told.tools, run_of(told)) == {"backend": text}


def test_the_provenance_of_a_release_names_its_images(tmp_path: Path) -> None:
    told = built(tmp_path, DIGEST, DIGEST)
    envelope = (told.tools.project.evidence(told.session.id) / "provenance.json").read_text()
    details = dsse.open_envelope(envelope, told.tools.keyring()).statement["predicate"]["runDetails"]
    assert details["byproducts"] == [{"name": "image backend", "digest": {"sha256": "a1" * 32}}]
    assert json.dumps(details)
