"""helm as the tool calls it: a program that notes what it is given stands for it; the real one runs in tests/contracts/platform."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import BadInput, InfrastructureError, ReleaseFailed
from dawsos.platforms.kubernetes.helm import Helm, failure, last_line, parsed, pending, way_out
from dawsos.platforms.kubernetes.target import Target

NOTES = """#!/bin/sh
echo "$@" >> "$FOLDER/calls"
for last; do :; done
case "$1 $2" in
"version --template") printf 'v%s.1.2' "$MAJOR";;
history*) echo '[]';;
"get values") echo 'Error: release: not found' >&2; exit 1;;
upgrade*|template*) cp "$last" "$FOLDER/values"; ls -l "$last" > "$FOLDER/mode"; echo 'kind: A'; echo '---'; echo 'kind: B';;
uninstall*) echo 'Error: uninstall: Release not loaded: x: release: not found' >&2; exit 1;;
esac
"""


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes a helm of a major version."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "helm").write_text(NOTES)
    (folder / "helm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("FOLDER", str(tmp_path))
    target = Target("ctx", "prod", "shop", tmp_path / "chart", (tmp_path / "mine.yaml",))

    def made(major: str) -> Helm:
        monkeypatch.setenv("MAJOR", major)
        return Helm(target, ProcessRunner(SystemClock(), Masker()), SystemClock(), tmp_path / "home")

    return made


def _calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


@pytest.mark.parametrize(("major", "forced"), [("3", False), ("4", True)])
def test_an_upgrade_takes_over_fields_where_helm_would_refuse(
    helm: Any, tmp_path: Path, major: str, forced: bool
) -> None:
    asyncio.run(helm(major).upgrade({"stable": "a"}, tmp_path / "log"))
    upgrade = next(call for call in _calls(tmp_path) if call.startswith("upgrade"))
    assert ("--force-conflicts" in upgrade) is forced
    assert "--no-hooks" in upgrade
    assert "--namespace prod --kube-context ctx" in upgrade


def test_values_go_by_a_private_file_that_is_gone_afterwards_over_those_of_the_user(helm: Any, tmp_path: Path) -> None:
    asyncio.run(helm("3").upgrade({"stable": "a"}, tmp_path / "log"))
    upgrade = next(call for call in _calls(tmp_path) if call.startswith("upgrade"))
    assert upgrade.index("mine.yaml") < upgrade.index("values.json")
    assert json.loads((tmp_path / "values").read_text()) == {"stable": "a"}
    assert (tmp_path / "mode").read_text().startswith(stat.filemode(0o100600))
    assert list((tmp_path / "home").iterdir()) == []


def test_what_is_rendered_is_returned_as_objects(helm: Any) -> None:
    assert asyncio.run(helm("3").template({})) == [{"kind": "A"}, {"kind": "B"}]
    assert parsed("# nothing\n---\n[1]\n") == []
    with pytest.raises(ReleaseFailed, match="no YAML"):
        parsed("a: [")


def test_no_release_is_no_values_and_nothing_to_uninstall(helm: Any) -> None:
    assert asyncio.run(helm("3").values()) is None
    assert asyncio.run(helm("3").uninstall()) is False


def test_a_version_that_is_neither_3_nor_4_is_refused(helm: Any) -> None:
    with pytest.raises(BadInput, match="version 3 or 4"):
        asyncio.run(helm("2").version())


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("Error: Kubernetes cluster unreachable: dial tcp 10.0.0.1:6443: connect: connection refused", InfrastructureError),
        ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", InfrastructureError),
        ('secrets is forbidden: User "x" cannot list resource "secrets"', InfrastructureError),
        ("Error: values don't meet the specifications of the schema(s)", ReleaseFailed),
        ("Error: template: dawsos/templates/x.yaml:1: function \"y\" not defined", ReleaseFailed),
        ("deployments.apps is forbidden: ValidatingAdmissionPolicy 'signed' denied request: no statement", ReleaseFailed),
    ],
)  # fmt: skip
def test_what_helm_says_is_the_cluster_s_fault_or_the_release_s(told: str, kind: type[Exception]) -> None:
    found = failure("upgrade", Target("c", "prod", "shop", Path("charts/shop")), told)
    assert type(found) is kind
    assert told in found.message


def test_a_revision_is_abandoned_when_helm_itself_would_have_given_up() -> None:
    history = [{"revision": 3, "status": "pending-upgrade", "updated": "2001-09-09T01:46:40.123456789Z"}]
    assert pending(history, 1_000_000_010.0) == pytest.approx(140.1, abs=0.1)
    assert (pending(history, 1_000_001_000.0) or 0) < 0
    assert pending([{"status": "deployed"}], 0.0) is None
    assert pending([], 0.0) is None
    assert pending([{"status": "pending-install", "updated": "?"}], 5.0) == 0.0


def test_a_pending_revision_ends_by_the_one_before_or_by_a_new_beginning() -> None:
    pending_one = {"revision": 3, "status": "pending-upgrade"}
    before = [{"revision": 1, "status": "superseded"}, {"revision": 2, "status": "failed"}]
    assert way_out([*before, pending_one], "shop") == ["rollback", "shop", "1"]
    assert way_out([pending_one], "shop") == ["uninstall", "shop"]


def test_the_last_line_that_says_something() -> None:
    assert last_line("a\n b \n\n") == "b"
    assert last_line("") == ""
