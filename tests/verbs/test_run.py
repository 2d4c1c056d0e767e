"""``run``: stages on the working tree as it is."""

from __future__ import annotations

import json
import os

import pytest

from dawsos.errors import BadInput
from dawsos.runs.project import find_project, load_run, open_tools
from dawsos.verbs.execution import Options
from dawsos.verbs.run import run
from projects import Said, TinyProject
from verbs.on_paper import APPROVED, Shipping, finished, silent, states


def rewritten(good: TinyProject, step: str) -> Said:
    """Let the stage lint do ``step`` instead, and run it."""
    path = good.path / "pipeline.yaml"
    text = path.read_text()
    assert "sh -n test.sh" in text
    path.write_text(text.replace("sh -n test.sh", json.dumps(step)))
    return good.dawsos("run", "lint")


def test_the_stages_that_are_named_run_with_what_they_need(shipping: Shipping) -> None:
    ended = run(shipping.project, Options("production", "Ada", "seen", stages=("chaos",)), silent)
    assert finished(shipping, ended) == (0, "passed", "every stage passed")
    assert states(shipping, ended.run) == {"lint": "passed", "chaos": "passed"}


def test_nothing_is_deployed_by_a_run(shipping: Shipping) -> None:
    with pytest.raises(BadInput, match="`run` does not deploy, and release-it would"):
        run(shipping.project, Options("production", stages=("release-it",)), silent)
    assert shipping.tools.journal.runs() == []


def test_a_run_that_builds_needs_no_environment(shipping: Shipping) -> None:
    ended = run(shipping.project, APPROVED, silent)
    assert finished(shipping, ended)[:2] == (0, "passed")
    assert (shipping.live.up, ended.url) == (False, "")


def test_a_run_works_on_the_tree_as_it_is_and_changes_nothing_in_it(good: TinyProject) -> None:
    said = rewritten(good, "echo '# more' >> test.sh")
    assert said.code == 0, said
    assert good.dawsos("run", "unit").code == 0
    assert "# more" in (good.path / "test.sh").read_text()
    assert load_run(open_tools(find_project(good.path)), "last").changed_files == ()


def test_a_toolchain_without_its_lock_is_bad_input_and_no_run(good: TinyProject) -> None:
    path = good.path / "pipeline.yaml"
    text = path.read_text().replace("stages:\n", "toolchains: {dev: {requirements: nowhere.txt}}\nstages:\n")
    path.write_text(text.replace("  - id: unit\n", "  - id: unit\n    toolchain: dev\n"))
    said = good.dawsos("run")
    assert (said.code, "nowhere.txt" in said.err) == (2, True)
    assert good.dawsos("history", "--json").json == []


def test_evidence_whose_name_is_no_utf_8_is_evidence_all_the_same(good: TinyProject) -> None:
    said = rewritten(good, r"echo x > $ARTIFACTS/$(printf 'caf\351').txt")
    assert said.code == 0, said
    (stage,) = good.dawsos("show", "--json").json["stages"].values()
    assert "caf\\udce9.txt" in stage["evidence"]


@pytest.mark.parametrize("step", ["ln -s nowhere $ARTIFACTS/last.log", "mkdir $ARTIFACTS/deep.log"])
def test_what_only_looks_like_a_log_does_not_hinder_the_report(step: str, good: TinyProject) -> None:
    said = rewritten(good, step)
    assert said.code == 0, said


def test_a_commit_and_a_file_in_another_encoding_can_be_run(good: TinyProject) -> None:
    (good.path / os.fsdecode(b"caf\xe9.sh")).write_text("true\n")
    message = good.path.parent / "message"
    message.write_bytes(b"caf\xe9\n")
    good.git("commit", "--quiet", "--allow-empty", "--file", str(message))
    said = good.dawsos("run", "lint")
    assert said.code == 0, said


def test_a_stage_with_an_input_that_matches_no_file_is_never_restored(good: TinyProject) -> None:
    path = good.path / "pipeline.yaml"
    path.write_text(path.read_text().replace("inputs: [test.sh]", 'inputs: [test.sh, "tests/**"]'))
    for _ in range(2):
        assert good.dawsos("run").code == 0
    assert states_of(good) == {"lint": "restored", "unit": "passed"}
    assert "never restored: its input 'tests/**' matches no file" in good.dawsos("plan", "unit").out
    (good.path / "tests").mkdir()
    (good.path / "tests" / "one").touch()
    for _ in range(2):
        assert good.dawsos("run").code == 0
    assert states_of(good) == {"lint": "restored", "unit": "restored"}


def test_a_submodule_that_moved_makes_its_stages_run_again(good: TinyProject) -> None:
    """The run and the ship of it see what is in it now."""
    library = good.path.parent / "library"
    library.mkdir()
    (library / "f").write_text("good\n")
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "f"], ["commit", "--quiet", "-m", "one"]):
        good.git("-C", str(library), *words)
    good.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "sub")
    path = good.path / "pipeline.yaml"
    text = path.read_text().replace('inputs: ["*.sh"]', 'inputs: ["sub/**"]')
    path.write_text(text.replace("sh -n test.sh", '"grep -q good sub/f"'))
    good.commit("a submodule")
    assert [good.dawsos("run", "lint").code for _ in range(2)] == [0, 0]
    assert states_of(good) == {"lint": "restored"}
    (good.path / "sub" / "f").write_text("bad\n")
    assert good.dawsos("run", "lint").code == 1
    good.git("-C", "sub", "commit", "--quiet", "-am", "bad")
    good.commit("moved")
    assert good.dawsos("run", "lint").code == 1
    assert good.dawsos("ship", "lint").code == 1


def states_of(good: TinyProject) -> dict[str, str]:
    stages = load_run(open_tools(find_project(good.path)), "last").stages
    return {name: str(stage.state) for name, stage in stages.items()}
