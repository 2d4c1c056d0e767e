"""The verbs below ``dawsos scan``: each leaves evidence that its gate can read, or says what it cannot read."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dawsos.errors import BadInput
from dawsos.verbs.scan import scan_advisories, scan_packages, scan_secrets
from e2e.clone import git
from gates.samples import ask, context
from scans.seeded import SEEDED

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
SECRET, LEAK = SEEDED["AWS Access Key"]
# Three real records of the PyPA Advisory Database, CC-BY-4.0.
EXPORT = Path(__file__).parent.parent / "pipelines" / "defects" / "base" / "advisories.jsonl"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    return root


def commit(root: Path, **files: str) -> str:
    """Write ``files`` (folder__name is folder/name), commit everything and return the commit."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(root, "add", "--all")
    git(root, *IDENTITY, "commit", "--quiet", "--allow-empty", "-m", "m")
    return git(root, "rev-parse", "HEAD").strip()


def scanned(root: Path, since: str | None = "", *folders: Path) -> Any:
    out = root.parent / "out" / "secrets.json"
    scan_secrets(root, out, since, folders)
    text = out.read_text()
    assert SECRET not in text
    return json.loads(text)


def found(report: Any) -> list[tuple[str, int, str]]:
    return [(one["path"], one["line"], one["commit"]) for one in report["secrets"]]


def test_a_clean_repository_is_evidence_on_which_the_gate_passes(repository: Path) -> None:
    commit(repository, app="x = 1\n")
    commit(repository, sub__more="y = 2\n")
    report = scanned(repository)
    assert report == {"scanned": {"commits": 2, "files": 2}, "since": "", "secrets": []}
    assert ask("secrets", {"secrets.json": report}).passed


def test_a_secret_in_a_file_is_told_where_it_is_and_once(repository: Path) -> None:
    commit(repository, app__settings=f"x = 1\n{LEAK}\n")
    report = scanned(repository)
    assert found(report) == [("app/settings", 2, "")]
    assert [(one["kind"], one["length"]) for one in report["secrets"]] == [("AWS Access Key", len(SECRET))]
    assert ask("secrets", {"secrets.json": report}).result == "fail"


def test_a_secret_that_only_a_commit_has_is_told_with_it(repository: Path) -> None:
    leak = commit(repository, settings=f"{LEAK}\n")
    (repository / "settings").unlink()
    gone = commit(repository, other="x = 1\n")
    assert found(scanned(repository)) == [("settings", 1, leak)]
    assert found(scanned(repository, gone)) == []


def test_a_secret_that_moved_is_told_at_both_places(repository: Path) -> None:
    leak = commit(repository, old=f"{LEAK}\n")
    (repository / "old").unlink()
    commit(repository, new=f"{LEAK}\n")
    assert found(scanned(repository)) == [("new", 1, ""), ("old", 1, leak)]


def test_a_secret_of_a_project_in_a_folder_of_its_repository_is_told_once_too(repository: Path) -> None:
    """Commits name paths from the top of the repository, files are named from the project's root."""
    commit(repository, backend__settings=f"{LEAK}\n")
    assert found(scanned(repository / "backend")) == [("settings", 1, "")]


def test_files_that_are_not_committed_yet_are_scanned_and_ignored_ones_are_not(repository: Path) -> None:
    commit(repository, **{".gitignore": "private\n"})
    (repository / "new").write_text(LEAK)
    (repository / "private").write_text(LEAK)
    assert found(scanned(repository)) == [("new", 1, "")]


def test_without_commits_only_files_are_scanned_and_no_repository_is_needed(repository: Path, tmp_path: Path) -> None:
    commit(repository, settings=f"{LEAK}\n")
    (repository / "settings").unlink()
    report = scanned(repository, None)
    assert (report["scanned"], report["since"], report["secrets"]) == ({"commits": 0, "files": 0}, None, [])
    built = tmp_path / "built"
    (built / "deep").mkdir(parents=True)
    (built / "deep" / "page").write_text(LEAK)
    (built / "link").symlink_to(built / "deep" / "page")
    assert found(scanned(built, None, built)) == [("deep/page", 1, "")]


def test_named_folders_and_files_are_scanned_and_nothing_else(repository: Path, tmp_path: Path) -> None:
    commit(repository, a__x=LEAK, b__x=LEAK, c=LEAK)
    assert found(scanned(repository, None, repository / "a", repository / "c")) == [("a/x", 1, ""), ("c", 1, "")]
    outside = tmp_path / "outside"
    outside.write_text(LEAK)
    assert found(scanned(repository, None, outside)) == [(outside.as_posix(), 1, "")]


def test_a_binary_file_and_one_that_is_too_large_are_left_out(repository: Path) -> None:
    (repository / "image").write_bytes(b"\x89\0" + LEAK.encode())
    (repository / "dump").write_bytes(f"{LEAK}\n".encode().ljust(10 * 1024**2 + 1, b"x"))
    (repository / "just").write_bytes(f"{LEAK}\n".encode().ljust(10 * 1024**2, b"x"))
    (repository / "latin").write_bytes(b"caf\xe9\n" + LEAK.encode())
    assert found(scanned(repository, None)) == [("just", 1, ""), ("latin", 2, "")]


def test_a_folder_that_is_not_there_is_bad_input(repository: Path) -> None:
    with pytest.raises(BadInput) as refused:
        scan_secrets(repository, repository / "out.json", None, (repository / "no",))
    assert refused.value.message == f"there is no {repository / 'no'}"
    assert refused.value.fix == "name a folder that exists"
    assert not (repository / "out.json").exists()


def test_a_folder_without_a_repository_or_a_revision_that_is_not_there_is_bad_input(
    repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="git ls-files failed"):
        scanned(tmp_path, None)
    commit(repository, a="x = 1\n")
    with pytest.raises(BadInput, match=r"git rev-list failed .*no-such-revision"):
        scanned(repository, "no-such-revision")


def advisories(tmp_path: Path, lock: str, export: Path = EXPORT, ecosystem: str = "PyPI") -> Any:
    (tmp_path / "requirements.txt").write_text(lock)
    scan_advisories(tmp_path / "osv.json", export, tmp_path / "requirements.txt", ecosystem)
    return json.loads((tmp_path / "osv.json").read_text())


def test_locked_packages_are_compared_with_the_export(tmp_path: Path) -> None:
    report = advisories(tmp_path, "Jinja2==2.10\nclick==8.1.7\n")
    assert report["audited"] == {"jinja2": "2.10", "click": "8.1.7"}
    assert [row["id"] for row in report["vulnerabilities"]] == ["PYSEC-2019-217", "PYSEC-2021-66"]
    records = [json.loads(line) for line in EXPORT.read_text().splitlines()]
    assert report["data"] == {
        "file": "advisories.jsonl", "sha256": hashlib.sha256(EXPORT.read_bytes()).hexdigest(), "records": 3,
        "modified": max(record["modified"] for record in records), "ecosystem": "PyPI",
    }  # fmt: skip


def test_the_gate_reads_what_was_compared(tmp_path: Path) -> None:
    for version, result in (("2.10", "fail"), ("3.1.6", "pass")):
        lock = f"jinja2=={version}\n"
        report = advisories(tmp_path, lock)
        now = context(at=datetime.fromisoformat(report["data"]["modified"]).timestamp() + 1)
        evidence = {"osv.json": report, "requirements.txt": lock, "context.json": now}
        assert ask("vulnerabilities", evidence, sources={"osv": "osv.json"}).result == result


def test_an_advisory_on_a_package_of_npm_with_a_dot_in_its_name_is_found(tmp_path: Path) -> None:
    affected = {"package": {"name": "lodash.merge", "ecosystem": "npm"}, "versions": ["4.6.1"]}
    record = {"id": "GHSA-a", "modified": "2026-01-01T00:00:00Z", "affected": [affected]}
    (tmp_path / "npm.jsonl").write_text(json.dumps(record))
    lock = {"lockfileVersion": 3, "packages": {"node_modules/lodash.merge": {"version": "4.6.1"}}}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    scan_advisories(tmp_path / "out.json", tmp_path / "npm.jsonl", tmp_path / "package-lock.json", "npm")
    found = json.loads((tmp_path / "out.json").read_text())["vulnerabilities"]
    assert [row["id"] for row in found] == ["GHSA-a"]


def test_another_ecosystem_has_other_advisories(tmp_path: Path) -> None:
    report = advisories(tmp_path, "jinja2==2.10\n", ecosystem="npm")
    assert (report["vulnerabilities"], report["data"]["ecosystem"]) == ([], "npm")


@pytest.mark.parametrize("gone", ["export", "lock"])
def test_a_file_that_is_not_there_is_bad_input_and_is_named(tmp_path: Path, gone: str) -> None:
    (tmp_path / "lock").write_text("a==1\n")
    (tmp_path / "export").write_bytes(EXPORT.read_bytes())
    (tmp_path / gone).unlink()
    with pytest.raises(BadInput) as refused:
        scan_advisories(tmp_path / "osv.json", tmp_path / "export", tmp_path / "lock", "PyPI")
    assert refused.value.message == f"cannot read {tmp_path / gone}: No such file or directory"
    assert refused.value.fix == "name a file that exists"


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        ("a>=1\n", "requirements.txt: 'a>=1' is not a pin (name==version), so what is installed is not known"),
        # Compared with no version it would be a package without advisories.
        (
            "jinja2==2.*\n",
            "requirements.txt: 'jinja2==2.*' is not a pin (name==version), so what is installed is not known",
        ),
        ("# nothing\n", "requirements.txt pins nothing"),
        ("{}", "requirements.txt is no known lock: give a requirements.txt, package-lock.json, SPDX or CycloneDX file"),
    ],
)
def test_a_lock_that_is_none_is_bad_input(tmp_path: Path, lock: str, message: str) -> None:
    with pytest.raises(BadInput) as refused:
        advisories(tmp_path, lock)
    assert refused.value.message == message
    assert refused.value.fix == "give a lock in which every line is a pin"
    assert not (tmp_path / "osv.json").exists()


def test_an_export_that_is_none_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "export.jsonl").write_text("no records\n")
    with pytest.raises(BadInput, match=r"^export\.jsonl is not an OSV export"):
        advisories(tmp_path, "a==1\n", tmp_path / "export.jsonl")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    info = tmp_path / "site" / "httpx-0.28.1.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(
        "Metadata-Version: 2.4\nName: httpx\nVersion: 0.28.1\nLicense-Expression: MIT\n"
    )
    return tmp_path / "site"


def test_installed_packages_are_a_bill_of_materials_that_the_gates_read(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795600000")
    scan_packages(tmp_path / "sbom.json", site, "demo", "c0ffee")
    document = json.loads((tmp_path / "sbom.json").read_text())
    assert document["creationInfo"]["created"] == "2026-11-25T09:46:40Z"
    assert (document["packages"][0]["name"], document["packages"][0]["versionInfo"]) == ("demo", "c0ffee")
    assert ask("sbom", {"sbom.json": document}, form="SPDX", kinds={"pypi": 1}).measured == "1 packages (SPDX): 1 pypi"
    assert ask("licences", {"sbom.json": document}, report="sbom.json").passed


def test_with_the_time_of_the_commit_it_is_the_same_byte_for_byte(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    for name in ("a", "b"):
        scan_packages(tmp_path / name, site, "demo", "1")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("told", [None, ""])
def test_without_a_time_it_is_made_now(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    if told is not None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", told)
    scan_packages(tmp_path / "sbom.json", site, "demo", "1")
    assert json.loads((tmp_path / "sbom.json").read_text())["creationInfo"]["created"] > "2026-01-01"


@pytest.mark.parametrize("told", ["yesterday", "1.5", "9" * 30, "99999999999999"])
def test_a_time_that_is_none_is_bad_input(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", told)
    with pytest.raises(BadInput) as refused:
        scan_packages(tmp_path / "sbom.json", site, "demo", "1")
    assert refused.value.message == f"SOURCE_DATE_EPOCH is {told!r}, not a time in seconds since 1970"
    assert refused.value.fix == "correct it or unset it"


def test_a_site_that_is_no_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        scan_packages(tmp_path / "sbom.json", tmp_path / "no", "demo", "1")
    assert refused.value.message == f"there is no {tmp_path / 'no'}"
    assert refused.value.fix == "name a folder of installed packages, such as $RELEASE/site, or a lock"
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file is no lock that is known"):
        scan_packages(tmp_path / "sbom.json", tmp_path / "file", "demo", "1")


def test_a_file_that_is_too_large_to_be_looked_through_is_not_counted_as_scanned(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "small.txt").write_text("nothing\n")
    with (folder / "large.txt").open("wb") as stream:
        stream.truncate(11 * 1024**2)
    scan_secrets(tmp_path, tmp_path / "out.json", None, (folder,))
    assert json.loads((tmp_path / "out.json").read_text())["scanned"]["files"] == 1
