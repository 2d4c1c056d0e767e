"""The results of one machine count on another one if a believed key signed them, and what is damaged changes nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dawsos.adapters.archive import pack, regular_files, unpack
from dawsos.adapters.cache import StageCache
from dawsos.adapters.digests import tree_digests
from dawsos.adapters.locks import FileLock
from dawsos.provenance.keys import local_signer
from dawsos.runs import results
from projects import Said, TinyProject


def private_key() -> str:
    """Return a new private key as PEM."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Ed25519PrivateKey.generate().private_bytes(*form).decode()


class Jobs:
    """Jobs of one commit, each with a home of its own, as on fresh machines; ``file`` travels from one to the next."""

    def __init__(self, project: TinyProject, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project, self.folder, self.file = project, folder, folder / "results.tgz"
        self._monkeypatch = monkeypatch

    def home(self, job: str) -> Path:
        return self.folder / job

    def dawsos(self, job: str, *arguments: str, key: str = "") -> Said:
        self._monkeypatch.setenv("DAWSOS_HOME", str(self.home(job)))
        self._monkeypatch.setenv("DAWSOS_SIGNING_KEY", key)
        return self.project.dawsos(*arguments)

    def saved(self, job: str, *stages: str, key: str = "") -> Path:
        """Ship the stages in ``job`` and save what it kept."""
        assert self.dawsos(job, "ship", *stages, key=key).code == 0
        assert self.dawsos(job, "results", "save", str(self.file), key=key).code == 0
        return self.file

    def loaded(self, job: str, key: str = "") -> Said:
        return self.dawsos(job, "results", "load", str(self.file), key=key)

    def plan(self, job: str, *stages: str, key: str = "") -> dict[str, tuple[str, str]]:
        rows = self.dawsos(job, "plan", "--ship", *stages, "--json", key=key).json["stages"]
        return {row["stage"]: (row["action"], row["reason"]) for row in rows}


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Jobs:
    return Jobs(TinyProject("good", tmp_path, monkeypatch, capsys), tmp_path / "homes", monkeypatch)


def contents(folder: Path) -> dict[str, str]:
    """Return what of a home decides anything: not the journal, which opening it writes."""
    return {name: digest for name, digest in tree_digests(folder).items() if not name.startswith("journal/")}


def rewritten(file: Path, folder: Path, change: Callable[[Path], None]) -> None:
    """Change what is in ``file`` and write it again, its list and all, as a forger does."""
    folder.mkdir()
    facts = unpack(file, folder, lambda name: True)
    change(folder)
    pack(file, dict(regular_files(folder)), facts)


def test_what_one_job_did_is_restored_in_the_next_by_the_key_that_both_were_given(jobs: Jobs) -> None:
    key = private_key()
    jobs.saved("first", "lint", key=key)
    told = jobs.loaded("second", key=key)
    assert told.code == 0
    assert told.out.startswith("loaded   1 result (lint) of commit ")
    assert "doubted" not in told.out
    assert [action for action, _ in jobs.plan("second", "unit", key=key).values()] == ["restore", "run"]
    assert jobs.dawsos("second", "ship", "unit", key=key).code == 0
    run = jobs.dawsos("second", "show", "--json", key=key).json
    assert {name: stage["state"] for name, stage in run["stages"].items()} == {"lint": "restored", "unit": "passed"}
    # And so on: what was restored travels on with what was done.
    jobs.dawsos("second", "results", "save", str(jobs.file), key=key)
    jobs.loaded("third", key=key)
    assert [action for action, _ in jobs.plan("third", key=key).values()] == ["restore", "restore"]


def test_the_key_is_in_no_file_of_a_job_and_in_no_word_that_it_says(jobs: Jobs) -> None:
    key = private_key()
    script = jobs.project.path / "test.sh"
    script.write_text(f"{script.read_text()}\nenv\nenv > $ARTIFACTS/env.txt\n")
    jobs.project.commit("look around")
    said = jobs.dawsos("first", "ship", key=key)
    assert said.code == 0
    jobs.dawsos("first", "results", "save", str(jobs.file), key=key)
    (line,) = [line for line in key.splitlines() if not line.startswith("-----")]
    secrets = [line.encode(), b"DAWSOS_SIGNING_KEY"]
    unpacked = jobs.folder / "unpacked"
    unpacked.mkdir()
    unpack(jobs.file, unpacked, lambda name: True)
    files = [path for folder in (jobs.home("first"), unpacked) for path in folder.rglob("*") if path.is_file()]
    assert [path.name for path in files if path.name == "env.txt"]
    assert [path for path in files if any(secret in path.read_bytes() for secret in secrets)] == []
    assert line not in said.out + said.err
    assert not (jobs.home("first") / "keys").exists()


def test_a_key_that_is_not_believed_makes_no_stage_pass_and_the_plan_says_why(jobs: Jobs) -> None:
    """Its public key is in the file, and is not believed for that."""
    jobs.saved("first", "lint")
    key = local_signer(jobs.home("first") / "keys").key_id
    told = jobs.loaded("second")
    assert told.code == 0
    why = f"it is signed by the key {key[:12]}, which is not believed here"
    assert f"doubted  1 of them will not be restored: {why} (lint)" in told.out
    assert jobs.plan("second", "lint") == {"lint": ("run", f"its kept result does not count: {why}")}
    assert (jobs.home("second") / "strangers" / f"{key}.pub").exists()
    assert jobs.dawsos("second", "ship", "lint").code == 0
    # What ran here replaced it.
    assert jobs.plan("second", "lint")["lint"][0] == "restore"


@pytest.mark.parametrize("how", ["pem", "file", "folder"])
def test_a_key_that_a_variable_names_is_believed(how: str, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.saved("first", "lint")
    jobs.loaded("second")
    (public,) = (jobs.home("first") / "keys").glob("*.pub")
    named = {"pem": public.read_text(), "file": str(public), "folder": str(public.parent)}[how]
    assert jobs.plan("second", "lint")["lint"][0] == "run"
    monkeypatch.setenv("DAWSOS_TRUSTED_KEYS", named)
    assert jobs.plan("second", "lint")["lint"][0] == "restore"


def test_a_key_within_the_repository_is_not_believed_because_of_a_variable(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.saved("first", "lint")
    shutil.copytree(jobs.home("first") / "keys", jobs.project.path / "trusted")
    monkeypatch.setenv("DAWSOS_TRUSTED_KEYS", str(jobs.project.path / "trusted"))
    said = jobs.dawsos("second", "plan")
    assert (said.code, "lies in the repository" in said.err) == (2, True)


@pytest.mark.parametrize("signing", ["", "a key of the job"])
def test_a_key_that_a_commit_puts_into_the_home_is_not_believed(
    signing: str, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.saved("first", "lint")
    (public,) = (jobs.home("first") / "keys").glob("*.pub")
    keys = jobs.project.path / ".dawsos" / "keys"
    keys.mkdir(parents=True)
    shutil.copy(public, keys / "evil.pub")
    subprocess.run(["git", "add", "--force", ".dawsos"], cwd=jobs.project.path, check=True)
    jobs.project.commit("a key of its own")
    monkeypatch.setenv("DAWSOS_HOME", str(jobs.project.path / ".dawsos"))
    monkeypatch.setenv("DAWSOS_SIGNING_KEY", private_key() if signing else "")
    for words in (["results", "load", str(jobs.file)], ["plan", "--ship", "lint"], ["ship", "lint"]):
        told = jobs.project.dawsos(*words)
        assert told.code != 0, words
        assert "the repository tracks .dawsos/keys/evil.pub" in told.out + told.err, words


def forged(folder: Path) -> None:
    (path,) = folder.glob("cache/lint/*/result.json")
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "gates": [{**gate, "measured": "all well"} for gate in kept["gates"]]}))


def renamed(folder: Path) -> None:
    """The result of some inputs is offered for others."""
    (path,) = folder.glob("cache/lint/*")
    path.rename(path.with_name("ab" * 32))


def signed_by_nobody(folder: Path) -> None:
    (path,) = folder.glob("cache/lint/*/result.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "statement": "{}"}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (forged, "its statement says something else"),
        (renamed, "its statement says something else"),
        (signed_by_nobody, "its statement proves nothing: it is not a DSSE envelope"),
    ],
)
def test_a_forged_result_is_not_restored(change: Callable[[Path], None], words: str, jobs: Jobs) -> None:
    key = private_key()
    rewritten(jobs.saved("first", "lint", key=key), jobs.folder / "forged", change)
    told = jobs.loaded("second", key=key)
    assert told.code == 0
    assert words in told.out
    assert jobs.plan("second", "lint", key=key)["lint"][0] == "run"


def test_nothing_that_nobody_signed_is_written_to_the_terminal(jobs: Jobs) -> None:
    key, evil = private_key(), "\x1b[2J\n::x"
    jobs.saved("first", "lint", key=key)
    folder = jobs.folder / "forged"
    folder.mkdir()
    facts = unpack(jobs.file, folder, lambda name: True)
    (path,) = folder.glob("cache/lint/*/result.json")
    kept = json.loads(path.read_text())
    statement = json.loads(kept["statement"])
    statement["signatures"][0]["keyid"] = evil
    path.write_text(json.dumps({**kept, "statement": json.dumps(statement, indent=1) + "\n"}))
    shutil.rmtree(folder / "runs")
    shutil.rmtree(folder / "journal")
    pack(jobs.file, dict(regular_files(folder)), {**facts, "commit": evil})
    told = jobs.loaded("second", key=key)
    assert (told.code, "\x1b" in told.out, "\n::" in told.out) == (0, False, False)
    assert "of commit unknown" in told.out
    assert "its statement proves nothing: it does not name a key (lint)" in told.out
    assert "\\u001b" not in jobs.dawsos("second", "results", "load", str(jobs.file), "--json", key=key).out


def altered(folder: Path) -> None:
    (path,) = folder.glob("cache/lint/*/artifacts/steps.json")
    path.write_text("[]")


def no_result(folder: Path) -> None:
    (path,) = folder.glob("cache/lint/*/result.json")
    path.write_text("[]")


def of_no_time(folder: Path) -> None:
    """Its statement is genuine; nobody signed the time as it is written here."""
    (path,) = folder.glob("cache/lint/*/result.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "finished_at": 1e300}))


def no_key(folder: Path) -> None:
    (path,) = folder.glob("strangers/*.pub")
    path.write_bytes(path.read_bytes()[:40])


def another_key(folder: Path) -> None:
    (path,) = folder.glob("strangers/*.pub")
    path.rename(path.with_name(f"{'0' * 64}.pub"))


def no_release(folder: Path) -> None:
    (folder / "releases" / ("a" * 64)).mkdir(parents=True)
    (folder / "releases" / ("a" * 64) / "release.json").write_text('{"files": {}}')


def private(folder: Path) -> None:
    (folder / "keys").mkdir()
    (folder / "keys" / "signing.pem").write_text("a key for the next ship")


def elsewhere(folder: Path) -> None:
    (folder / "environments").mkdir()
    (folder / "environments" / "desired.json").write_text("{}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (altered, "its evidence was altered"), (no_result, "is not whole"), (of_no_time, "is not whole"),
        (no_key, "is not that key"),
        (another_key, "is not that key"), (no_release, "release aaaaaaaaaaaa was altered"),
        (private, "'keys/signing.pem' is not expected in it"),
        (elsewhere, "'environments/desired.json' is not expected in it"),
    ],
)  # fmt: skip
def test_what_is_damaged_or_foreign_is_refused_and_the_home_stays_as_it_was(
    change: Callable[[Path], None], words: str, jobs: Jobs
) -> None:
    key = private_key()
    rewritten(jobs.saved("first", key=key), jobs.folder / "forged", change)
    jobs.dawsos("second", "plan", key=key)
    before = contents(jobs.home("second"))
    told = jobs.loaded("second", key=key)
    assert told.code == 2
    assert words in told.err
    assert contents(jobs.home("second")) == before


def test_a_result_that_counts_here_is_not_replaced(jobs: Jobs) -> None:
    key = private_key()
    jobs.saved("first", "lint", key=key)
    assert jobs.dawsos("second", "ship", "lint", key=key).code == 0
    before = contents(jobs.home("second") / "cache")
    told = jobs.loaded("second", key=key)
    assert "1 of them were here already" in told.out
    assert contents(jobs.home("second") / "cache") == before


def test_results_of_another_commit_count_for_the_same_inputs_only(jobs: Jobs) -> None:
    key = private_key()
    jobs.saved("first", key=key)
    (jobs.project.path / "test.sh").write_text("exit 0 # changed\n")
    jobs.project.commit("changed")
    assert jobs.loaded("second", key=key).code == 0
    assert [action for action, _ in jobs.plan("second", key=key).values()] == ["run", "run"]


def test_evidence_that_cannot_travel_is_named(jobs: Jobs) -> None:
    pipeline = jobs.project.path / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace("sh -n test.sh", "ln -s /etc/passwd $ARTIFACTS/link"))
    jobs.project.commit("a link as evidence")
    assert jobs.dawsos("first", "ship", "lint").code == 0
    told = jobs.dawsos("first", "results", "save", str(jobs.file))
    assert told.code == 0
    assert "left out lint: artifacts/link is no regular file" in told.out


def test_where_nothing_was_kept_a_file_with_nothing_is_saved(jobs: Jobs) -> None:
    """A job that turned red saves what it has, and its last step must not hide why."""
    assert jobs.dawsos("first", "results", "save", str(jobs.file)).code == 0
    assert jobs.loaded("second").out.startswith("loaded   0 results of commit ")


def test_where_it_cannot_be_written_is_told(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = jobs.dawsos("first", "results", "save", str(tmp_path / "file" / "results.tgz"))
    assert (told.code, "cannot write" in told.err) == (3, True)


def test_the_file_is_an_ordinary_compressed_tar(jobs: Jobs) -> None:
    jobs.saved("first", "lint")
    listed = subprocess.run(["tar", "-tzf", jobs.file], capture_output=True, text=True, check=True).stdout.split()
    assert listed[0] == "results.json"
    assert {name.split("/")[0] for name in listed[1:]} == {"cache", "strangers", "runs", "journal"}


def test_json_tells_each_result(jobs: Jobs) -> None:
    key = private_key()
    jobs.saved("first", "lint", key=key)
    (one,) = jobs.dawsos("second", "results", "load", str(jobs.file), "--json", key=key).json
    kept: list[dict[str, Any]] = one["results"]
    assert [(row["stage"], row["doubt"], len(row["key"])) for row in kept] == [("lint", "", 64)]


def test_of_two_that_load_at_once_the_second_waits_and_finds_all_of_it_here(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = private_key()
    jobs.saved("first", key=key)
    jobs.dawsos("second", "plan", key=key)
    before = contents(jobs.home("second"))
    with monkeypatch.context() as hasty, FileLock(jobs.home("second") / "results.lock") as lock:
        hasty.setattr(results, "_PATIENCE", 0.0)
        assert lock.take()
        told = jobs.loaded("second", key=key)
    assert (told.code, "results are being loaded by the process" in told.err) == (3, True)
    (jobs.home("second") / "results.lock").unlink()
    assert contents(jobs.home("second")) == before
    assert jobs.loaded("second", key=key).code == 0
    assert "were here already" in jobs.loaded("second", key=key).out


def test_what_a_run_put_there_meanwhile_stays(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    key = private_key()
    jobs.saved("first", "lint", key=key)
    assert jobs.dawsos("second", "ship", "lint", key=key).code == 0
    before = contents(jobs.home("second") / "cache")
    # As if it had not been there a moment ago.
    monkeypatch.setattr(StageCache, "lookup", lambda *_: None)
    monkeypatch.setattr("dawsos.runs.results.shutil.rmtree", lambda *_, **__: None)
    told = jobs.loaded("second", key=key)
    assert (told.code, "1 of them were here already" in told.out) == (0, True)
    assert contents(jobs.home("second") / "cache") == before
