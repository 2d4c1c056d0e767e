"""``lint``: what a good pipeline.yaml means, and an older one rewritten by ``--fix``."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.test_upgrade import SMALL, SMALL_NOW
from dawsos.errors import BadInput
from dawsos.verbs.lint import lint
from projects import TinyProject
from support.paper import Paper

# The tiny project has no stage that deploys.
NO_ROLLOUT = "no stage uses deploy or rollout: a ship ends after its gates, and nothing is deployed"


def test_lint_says_what_the_file_means(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    facts = lint(paper.project)
    assert (len(facts.stages), facts.gates) == (6, 7)
    assert (facts.ladder, facts.rollout_seconds) == ((50, 100), 4.0)
    assert (facts.failed_checks, facts.check_interval) == (2, 1.0)


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    (paper.project.root / "requirements.txt").unlink()
    with pytest.raises(BadInput, match=r"requirements\.txt"):
        lint(paper.project)


def older(project: TinyProject) -> None:
    """Write the project's pipeline as version 1 would have it, and commit it."""
    path = project.path / "pipeline.yaml"
    text = path.read_text().replace("version: 2", "version: 1").replace("service: {", "service: {replicas: 2, ")
    path.write_text(text.replace("rollout:\n", "rollout:\n  error_rate: 1%\n  p95: 1s\n"))
    project.commit("version 1")


def test_lint_says_what_to_change_and_fix_does_it(good: TinyProject) -> None:
    before = (good.path / "pipeline.yaml").read_text()
    older(good)
    refused = good.dawsos("lint")
    assert refused.code == 2
    assert "pipeline.yaml:2: version 1 is no longer supported; write version 2" in refused.err
    assert "pipeline.yaml:5: service.replicas moves to environments.staging.replicas and" in refused.err
    assert "dawsos lint --fix" in refused.err
    fixed = good.dawsos("lint", "--fix")
    assert fixed.code == 0, fixed.err
    assert "changed  rollout.p95 goes: slo.warm_p95 is the limit" in fixed.out
    assert "pipeline.yaml is good: 2 stages" in fixed.out
    now = (good.path / "pipeline.yaml").read_text()
    added = "environments:\n  staging: {replicas: 2}\n  production: {replicas: 2}\n"
    assert now == before.replace("stages:\n", f"{added}stages:\n", 1)
    again = good.dawsos("lint", "--fix", "--json")
    assert (again.code, again.json["stages"], again.json["changed"]) == (0, ["lint", "unit"], [])
    assert (good.path / "pipeline.yaml").read_text() == now


def test_no_verb_that_begins_something_reads_version_1(good: TinyProject) -> None:
    older(good)
    for verb in ("run", "plan", "ship"):
        said = good.dawsos(verb)
        assert said.code == 2, said
        assert "version 1 is no longer supported" in said.err
    assert not (good.path / ".dawsos" / "runs").exists()


def test_the_rights_and_the_line_ends_of_the_file_stay(good: TinyProject) -> None:
    path = good.path / "pipeline.yaml"
    path.write_bytes(SMALL.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    good.dawsos("lint", "--fix")
    assert path.read_bytes() == SMALL_NOW.replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_one_and_what_cannot_be_rewritten_stays_as_it_was(good: TinyProject) -> None:
    path = good.path / "pipeline.yaml"
    real = path.rename(good.path / "real.yaml")
    path.symlink_to("real.yaml")
    text = SMALL.replace("service:\n", "service: &all\n")
    real.write_text(text)
    refused = good.dawsos("lint", "--fix")
    assert refused.code == 2
    assert "the file has a form that cannot be rewritten" in refused.err
    assert real.read_text() == text
    real.write_text(SMALL)
    good.dawsos("lint", "--fix")
    assert path.is_symlink()
    assert real.read_text() == SMALL_NOW


def test_an_input_that_matches_no_file_is_told_with_its_line(good: TinyProject) -> None:
    path = good.path / "pipeline.yaml"
    path.write_text(path.read_text().replace("inputs: [test.sh]", 'inputs: [test.sh, "!docs/**", "tests/**"]'))
    said = good.dawsos("lint")
    told = "pipeline.yaml:13: stages[1].inputs[2]: 'tests/**' matches no file that git knows, so unit is never restored"
    assert (said.code, f"remark   {told}\n" in said.out) == (0, True), said
    assert good.dawsos("lint", "--json").json["remarks"] == [NO_ROLLOUT, told]
    (good.path / "tests").mkdir()
    (good.path / "tests" / "new.sh").touch()
    assert good.dawsos("lint", "--json").json["remarks"] == [NO_ROLLOUT]


def test_what_lies_elsewhere_or_is_not_here_is_told(good: TinyProject) -> None:
    (good.path.parent / "folder").mkdir()
    (good.path / "link.sh").symlink_to("../folder")
    (good.path / ".gitattributes").write_text("data.sh filter=lfs\n")
    (good.path / "data.sh").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 3\n")
    good.commit("elsewhere")
    remarks = good.dawsos("lint", "--json").json["remarks"]
    assert remarks == [
        NO_ROLLOUT,
        "data.sh: its content is not here, only the pointer of Git LFS; git lfs pull fetches it",
        "link.sh: link.sh leads to a folder outside of the repository; a stage with this input is never restored",
    ]


def test_without_a_repository_the_inputs_are_not_compared(good: TinyProject) -> None:
    (good.path / ".git").rename(good.path / "moved")
    remarks = good.dawsos("lint", "--json").json["remarks"]
    assert len(remarks) == 2
    assert "the inputs were not compared with files" in remarks[1]
