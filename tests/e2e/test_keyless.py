"""Keyless signing against a real sigstore: Fulcio, Rekor, a timestamp authority and a certificate log on the loopback address.

`scripts/sigstore_servers` builds them; only the CI service is ours (`e2e/sigstore.py`).  What is signed here is then checked with
every server stopped, for that is how it must be checked.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from dawsos.provenance.certificate import BUNDLE_FILE, CERTIFICATE_FILE
from e2e.clone import Clone, Said, git
from e2e.sigstore import ROOT, CiService, Sigstore, built_servers, running
from support.locked import BUILDING, locked

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
_PROJECT = ROOT / "tests" / "pipelines" / "keyless"
_SERVICE = ROOT / "bench" / "drill_service"
_INSTANCE = "sigstore.json"


@dataclass
class World:
    """Two CI services that Fulcio believes, the servers, and a project whose ship was certified while they ran."""

    ci: CiService
    other: CiService
    sigstore: Sigstore
    project: Clone
    shipped: Said
    run: str

    def evidence(self, run: str) -> Path:
        return self.project.path / ".dawsos" / "runs" / run / "evidence"


def demand(project: Clone, mode: str, ci: CiService, identity: str = "", issuer: str = "") -> None:
    """Write ``signing`` into the project's pipeline, in the place of what was there."""
    path = project.path / "pipeline.yaml"
    text = path.read_text().partition("signing:")[0]
    who = f"  identity: {identity or ci.identity}\n  issuer: {issuer or ci.issuer}\n"
    path.write_text(f"{text}signing:\n  sigstore: {mode}\n  instance: {_INSTANCE}\n{who}")


def ship(project: Clone, *services: CiService, check: int | None = None, **more: str) -> Said:
    """Ship as a job of the first of ``services``; as nobody when there is none."""
    variables = services[0].variables() if services else {}
    return project.dawsos("ship", check=check, **{**variables, **more})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    servers = built_servers()
    if servers is None:
        pytest.skip("needs the servers of sigstore: scripts/sigstore_servers builds them, with Go")
    ci, other = CiService(), CiService()
    path = tmp_path_factory.mktemp("keyless") / "project"
    shutil.copytree(_SERVICE, path)
    shutil.copytree(_PROJECT, path, dirs_exist_ok=True)
    (path / "tools.txt").write_text(locked(*BUILDING))
    (path / "requirements.txt").write_text(locked("pluggy"))
    git(path.parent, "init", "--quiet", "--initial-branch=main", str(path))
    # What the tool keeps is not committed, as its own .gitignore has it from its first command on.
    (path / ".git" / "info").mkdir(exist_ok=True)
    (path / ".git" / "info" / "exclude").write_text(".dawsos/\n")
    (path / ".dawsos").mkdir()
    (path / ".dawsos" / "toolchains").symlink_to(ROOT / ".dawsos" / "toolchains")
    project = Clone(path)
    try:
        folder = tmp_path_factory.mktemp("sigstore")
        with running(folder, servers, (ci.issuer, other.issuer)) as sigstore:
            shutil.copy(sigstore.instance, path / _INSTANCE)
            demand(project, "required", ci)
            project.commit("certified")
            shipped = ship(project, ci, check=0, ASKED_FOR="by the stage")
            yield World(ci, other, sigstore, project, shipped, str(project.show()["id"]))
            pids = [process.pid for process in sigstore.processes.values()]
        assert not any(psutil.pid_exists(pid) for pid in pids)
    finally:
        project.end()
        ci.close()
        other.close()


def wrong(told: Said) -> list[str]:
    return [str(problem) for problem in told.json()["problems"]]


def verified(project: Clone, run: str) -> Said:
    return project.dawsos("evidence", run, "--verify", "--json")


def test_a_ship_with_an_identity_is_certified_and_goes_to_production(world: World) -> None:
    assert len(world.ci.issued) == 1, "one token a run is enough"
    told = verified(world.project, world.run)
    assert told.code == 0, told.text
    (row,) = [row for row in told.json()["statements"] if row["name"] == BUNDLE_FILE]
    assert (row["result"], row["predicate"]["identity"]) == ("certified", world.ci.identity)
    assert row["predicate"]["issuer"] == world.ci.issuer
    keys = {row["key_id"] for row in told.json()["statements"]}
    assert len(keys) == 1
    shown = world.project.dawsos("evidence", world.run, check=0)
    assert f"certified: {world.ci.identity} (issuer {world.ci.issuer})" in shown.text
    bundle = json.loads((world.evidence(world.run) / BUNDLE_FILE).read_text())
    material = bundle["verificationMaterial"]
    assert material["certificate"]["rawBytes"]
    assert material["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"].startswith("rekor.test\n")
    assert material["timestampVerificationData"]["rfc3161Timestamps"]


def test_the_token_is_nowhere_and_no_step_had_it(world: World) -> None:
    home = world.project.path / ".dawsos"
    (env,) = home.glob(f"runs/{world.run}/lint/attempt-1/env.txt")
    assert "ASKED_FOR=by the stage" in env.read_text()
    assert "ID_TOKEN" not in env.read_text()
    secrets = [world.ci.secret, *world.ci.issued]
    assert len(secrets) >= 2
    files = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 20
    assert [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)] == []
    assert not any(secret in world.shipped.text for secret in secrets)
    for process in world.project.processes():
        assert not set(process.environ()) & set(world.ci.variables()), process.cmdline()


def job_of(world: World, path: Path) -> Clone:
    """Return a fresh checkout with a home, and so with a key, of its own."""
    git(path.parent, "clone", "--quiet", str(world.project.path), str(path))
    # The link to the toolchains was committed with the rest.
    assert [one.name for one in (path / ".dawsos").iterdir()] == ["toolchains"]
    return Clone(path)


def test_what_one_job_did_counts_in_the_next_by_the_certificate_of_its_key(world: World, tmp_path: Path) -> None:
    """No secret is shared: each job has a key of its own, and the identity of the workflow."""
    first, second, file = (
        job_of(world, tmp_path / "first"),
        job_of(world, tmp_path / "second"),
        tmp_path / "results.tar.gz",
    )
    try:
        first.dawsos("ship", "lint", check=0, **world.ci.variables())
        first.dawsos("results", "save", str(file), check=0)
        assert "doubted" not in second.dawsos("results", "load", str(file), check=0).out
        second.dawsos("ship", "production", check=0, **world.ci.variables())
        told = second.show()
        assert {name: stage["state"] for name, stage in told["stages"].items()} == {
            "lint": "restored", "build": "passed", "production": "passed",
        }  # fmt: skip
        assert verified(second, told["id"]).json()["problems"] == []
        assert second.dawsos("verify").code == 0
        # The certificate of the first job's key lies in the evidence of the second's run, where production looked at it.
        copied = (
            second.path
            / ".dawsos"
            / "runs"
            / told["id"]
            / "evidence"
            / f"{told['stages']['lint']['from_run']}.{BUNDLE_FILE}"
        )
        good = copied.read_text()
        copied.write_text(good.replace("{", "{ ", 1))
        assert any(
            "lint.original.json, cannot be trusted" in problem for problem in wrong(verified(second, told["id"]))
        )
        copied.write_text(good)
    finally:
        left = [*first.end(), *second.end()]
    assert left == []


def test_what_a_job_of_another_service_did_does_not_count(world: World, tmp_path: Path) -> None:
    first, second, file = (
        job_of(world, tmp_path / "first"),
        job_of(world, tmp_path / "second"),
        tmp_path / "results.tar.gz",
    )
    demand(first, "auto", world.other)
    first.commit("a job that believes itself")
    try:
        first.dawsos("ship", "lint", check=0, **world.other.variables())
        first.dawsos("results", "save", str(file), check=0)
        assert (
            "1 of them will not be restored: it is signed by the key"
            in second.dawsos("results", "load", str(file), check=0).out
        )
        assert {row["action"] for row in second.dawsos("plan", "--json", check=0).json()["stages"]} == {"run"}
    finally:
        left = [*first.end(), *second.end()]
    assert left == []


@pytest.mark.parametrize("name", ["identity", "issuer"])
def test_the_wrong_one_is_refused_and_both_are_named(world: World, name: str) -> None:
    wanted = "https://somebody.example/else"
    demand(world.project, "auto", world.ci, **{name: wanted})
    try:
        told = verified(world.project, world.run)
    finally:
        demand(world.project, "required", world.ci)
    assert told.code == 1
    found = wrong(told)[0]
    assert f"{BUNDLE_FILE} proves nothing: it was made by {world.ci.identity} (issuer {world.ci.issuer})" in found
    assert wanted in found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each text within a JSON value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    elif isinstance(value, str):
        yield path


def test_each_part_of_the_bundle_changed_is_refused(world: World) -> None:
    """A letter of each text in the bundle, a blank between two, and a byte of the statement beside it."""
    folder, project, run = world.evidence(world.run), world.project, world.run
    good = (folder / BUNDLE_FILE).read_text()
    ways = list(places(json.loads(good)))
    assert len(ways) >= 12, ways
    try:
        for way in ways:
            changed = json.loads(good)
            inner = changed
            for step in way[:-1]:
                inner = inner[step]
            text = inner[way[-1]]
            middle = len(text) // 2
            inner[way[-1]] = f"{text[:middle]}{'A' if text[middle] != 'A' else 'B'}{text[middle + 1 :]}"
            (folder / BUNDLE_FILE).write_text(json.dumps(changed, indent=1, sort_keys=True) + "\n")
            told = verified(project, run)
            assert told.code == 1, way
            assert any(BUNDLE_FILE in problem for problem in wrong(told)), way
        (folder / BUNDLE_FILE).write_text(good.replace("{", "{ ", 1))
        assert f"signing key: {BUNDLE_FILE} was altered" in " ".join(wrong(verified(project, run)))
    finally:
        (folder / BUNDLE_FILE).write_text(good)
    note = folder / CERTIFICATE_FILE
    kept = note.read_text()
    note.write_text(kept.replace('"payload": "e', '"payload": "f', 1))
    try:
        assert any(CERTIFICATE_FILE in problem for problem in wrong(verified(project, run)))
    finally:
        note.write_text(kept)
    assert verified(project, run).code == 0


def test_the_bundle_of_another_run_is_refused(world: World) -> None:
    world.project.commit("again")
    assert ship(world.project, world.ci).code == 0
    second = str(world.project.show()["id"])
    assert second != world.run
    good = (world.evidence(second) / BUNDLE_FILE).read_text()
    shutil.copy(world.evidence(world.run) / BUNDLE_FILE, world.evidence(second))
    try:
        assert f"{BUNDLE_FILE} is of another run ({world.run})" in " ".join(wrong(verified(world.project, second)))
    finally:
        (world.evidence(second) / BUNDLE_FILE).write_text(good)


def test_another_service_with_the_same_job_name_does_not_get_to_production(world: World) -> None:
    """Fulcio believes both services; pipeline.yaml believes one."""
    before = world.project.version()
    assert world.other.identity == world.ci.identity
    world.project.commit("by another service")
    told = ship(world.project, world.other)
    assert told.code == 3, told.text
    assert (
        f"this job is {world.ci.identity} (issuer {world.other.issuer}), and pipeline.yaml believes only" in told.text
    )
    assert world.project.version() == before
    # It ran as nobody, not as somebody else.
    assert not list((world.project.path / ".dawsos" / "runs" / str(world.project.show()["id"])).glob("evidence/key.*"))


def test_production_goes_back_only_to_what_the_believed_job_made(world: World) -> None:
    first, second = world.project.dawsos("evidence", world.run, "--json").json()["commit"], world.project.version()
    assert first != second
    demand(world.project, "auto", world.ci, issuer=world.other.issuer)
    told = world.project.dawsos("rollback", "--to", first, "--as", "Ada", "--reason", "test")
    assert told.code == 1, told.text
    assert f"{BUNDLE_FILE} proves nothing: it was made by" in told.text
    assert world.project.version() == second
    demand(world.project, "required", world.ci)
    world.project.dawsos("rollback", "--to", first, "--as", "Ada", "--reason", "test", check=0)
    assert world.project.version() == first


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("alter", f"signing key: {BUNDLE_FILE} was altered"),
        ("remove", "signing key: the key of its run is not certified, and pipeline.yaml requires it"),
    ],
)
def test_a_step_that_tampers_with_the_certificate_keeps_its_release_from_production(
    world: World, how: str, words: str
) -> None:
    before = world.project.version()
    world.project.commit(f"a step that will {how}")
    told = ship(world.project, world.ci, TAMPER=how)
    assert told.code == 1, told.text
    assert "may not go to production" in told.text
    assert words in told.text
    assert world.project.version() == before


def test_a_job_that_fulcio_does_not_know_is_refused_by_it(world: World) -> None:
    stranger = CiService()
    try:
        told = ship(world.project, stranger)
        assert told.code == 3, told.text
        assert "sigstore did not sign: FulcioClientError" in told.text
        assert "400" in told.text
        assert not any(secret in told.text for secret in [stranger.secret, *stranger.issued])
        assert stranger.issued
    finally:
        stranger.close()


def test_where_it_is_required_a_ship_without_identity_does_not_begin(world: World) -> None:
    told = ship(world.project)
    assert told.code == 2
    assert "requires a certified key" in told.text


def test_it_verifies_with_every_server_stopped_and_on_a_machine_without_the_key(world: World, tmp_path: Path) -> None:
    run = world.run
    world.sigstore.stop()
    there = tmp_path / "there"
    shutil.copytree(world.project.path, there, symlinks=True, ignore=shutil.ignore_patterns("keys", "environments"))
    assert not (there / ".dawsos" / "keys").exists()
    told = verified(Clone(there), run)
    assert told.code == 0, told.text
    demand(Clone(there), "off", world.ci)
    refused = wrong(verified(Clone(there), run))
    assert any("which is not trusted here" in problem for problem in refused), (
        "without the certificate it is a stranger's"
    )


def test_a_sigstore_that_is_away_ends_a_run_that_requires_it_and_no_other(world: World) -> None:
    world.sigstore.stop()
    world.project.commit("nobody there")
    told = ship(world.project, world.ci)
    assert told.code == 3, told.text
    assert "sigstore did not sign" in told.text
    demand(world.project, "auto", world.ci)
    world.project.commit("as far as it goes")
    try:
        told = ship(world.project, world.ci)
        assert told.code == 0, told.text
        assert re.search(r"signing key +sigstore did not sign", told.text), told.text
        assert world.ci.secret not in told.text
    finally:
        demand(world.project, "required", world.ci)
