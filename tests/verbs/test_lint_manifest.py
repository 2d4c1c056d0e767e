"""``lint FLAGGER.yaml``: findings with their lines, and what the manifest would do."""

from __future__ import annotations

from pathlib import Path

from dawsos.verbs.lint_manifest import lint_manifest
from verbs.test_policies import MANIFEST, write_manifest


def test_a_manifest_is_linted_with_its_lines_and_simulated(tmp_path: Path) -> None:
    (found,) = lint_manifest(write_manifest(tmp_path), "50rps")
    errors = [
        (line, finding.message)
        for line, finding in zip(found.lines, found.manifest.findings, strict=True)
        if finding.level == "error"
    ]
    (line, message) = errors[0]
    assert (line, message.startswith("nonsense is no metric of Flagger")) == (13, True)
    assert found.broken
    assert {one.judge for one in found.simulated} == {"this manifest", "statistical"}


def test_what_cannot_be_simulated_is_not(tmp_path: Path) -> None:
    path = tmp_path / "canary.yaml"
    path.write_text(MANIFEST.replace("stepWeights: [20, 100]", "stepWeight: 0"))
    (found,) = lint_manifest(path, "50rps")
    assert (found.simulated, "no ladder" in found.unsimulated) == ((), True)
