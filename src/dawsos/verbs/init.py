"""``dawsos init``: looks at a project and writes its first pipeline and the lists of what its stages need.  Overwrites nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from dawsos.adapters import git
from dawsos.adoption import kinds
from dawsos.adoption.baseline import DAYS, QUARANTINE, WAIVERS, quarantine_text, read, waivers_text
from dawsos.adoption.contract import Answers, Draft, Tree
from dawsos.adoption.python_lists import Prepared, Say, Workshop, needs_of
from dawsos.adoption.python_stages import PROJECT
from dawsos.adoption.starter import pipeline_text
from dawsos.config.load import load_pipeline
from dawsos.errors import EXIT_DONE, EXIT_GATE_FAILED, BadInput, InfrastructureError
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.model.run import StageRecord
from dawsos.model.status import StageState
from dawsos.ports import Reporter
from dawsos.runs.project import PIPELINE_FILE, Project, find_project, gate_options, home_of, load_run, open_tools
from dawsos.verbs.execution import Options
from dawsos.verbs.run import run


@dataclass(frozen=True)
class Adopted:
    """What was found in the project, the names of the files that were written, and with ``--baseline`` what became an exception
    (``waived`` findings until ``until``) and which stages are still red, each with the reason."""

    draft: Draft
    written: tuple[str, ...]
    waived: int = 0
    until: date | None = None
    red: tuple[str, ...] = ()


def init(root: Path, answers: Answers, say: Say) -> Adopted:
    """Write pipeline.yaml and the lists of its toolchains; ``say`` is told what takes its time.

    Raises BadInput when there is a pipeline already, no repository or no project, or when what would be written could not run, and
    InfrastructureError when packages cannot be had.  Then nothing is written.
    """
    target = root / PIPELINE_FILE
    if target.exists():
        raise BadInput(f"there is a {PIPELINE_FILE} in {root} already", fix="edit it, or move it away first")
    tree = read_tree(root)
    draft = kinds.draft(tree, replace(answers, baseline=False))
    prepared = Prepared(draft, {})
    if draft.python is not None:
        prepared = asyncio.run(_workshop(root, say).prepare(draft, draft.python))
    new = {name: text for name, text in prepared.lists.items() if not (root / name).exists()}
    files = {PIPELINE_FILE: _checked_text(prepared.draft), **new}
    with _unless_it_fails(root, files):
        if not answers.baseline:
            return Adopted(prepared.draft, tuple(files))
        return _with_baseline(root, (tree, answers, prepared.draft), tuple(files), say)


def _checked_text(draft: Draft) -> str:
    """Return the text of the pipeline: what is written is good by the program's own rules, or it is not written."""
    text = pipeline_text(draft)
    load_pipeline(text, PIPELINE_FILE, gate_options())
    return text


@contextmanager
def _unless_it_fails(root: Path, files: dict[str, str]) -> Iterator[None]:
    """Write ``files``, and bring back what was there before when the block raises."""
    names = [*files, WAIVERS, QUARANTINE]
    before = {name: (root / name).read_text() for name in names if (root / name).exists()}
    try:
        for name, content in files.items():
            (root / name).write_text(content)
        yield
    except BaseException:
        for name in names:
            (root / name).unlink(missing_ok=True)
        for name, content in before.items():
            (root / name).write_text(content)
        raise


def _with_baseline(root: Path, found: tuple[Tree, Answers, Draft], files: tuple[str, ...], say: Say) -> Adopted:
    """Run each stage once, make exceptions of what it finds, and run them again with these."""
    tree, answers, draft = found
    say("running the stages once")
    baseline = read(verdict for stage in _looked_at(root, draft.ids) for verdict in stage.gates)
    until = datetime.now(UTC).date() + timedelta(days=DAYS)
    by = git.author(root)
    with_lists = kinds.draft(tree, replace(answers, coverage=baseline.coverage or 0))
    changed = draft.changed(stages=with_lists.stages)
    texts = {
        PIPELINE_FILE: _checked_text(changed), WAIVERS: waivers_text(baseline, by, until),
        QUARANTINE: quarantine_text(baseline, by, until),
    }  # fmt: skip
    for name, content in texts.items():
        (root / name).write_text(content)
    say("running them again, with what they found as exceptions")
    red = [
        f"{stage.id}: {stage.reason}" for stage in _looked_at(root, draft.ids) if stage.state is not StageState.PASSED
    ]
    return Adopted(changed, (*files, WAIVERS, QUARANTINE), baseline.count, until, tuple(red))


def _silent(pipeline: Pipeline, stages: Sequence[Stage]) -> tuple[Reporter, ...]:
    return ()


def _looked_at(root: Path, stages: tuple[str, ...]) -> list[StageRecord]:
    """Run each of ``stages`` by itself, so that a red one keeps none from being looked at, and return how it ended."""
    project = find_project(root)
    records = []
    for stage in stages:
        ended = run(project, Options(stages=(stage,), no_cache=True), _silent)
        if ended.exit_code not in (EXIT_DONE, EXIT_GATE_FAILED):
            raise InfrastructureError(
                f"the stage {stage} could not be run", fix=f"read {ended.report}; nothing was written"
            )
        records.append(load_run(open_tools(project), ended.run).stages[stage])
    return records


def make_lists(root: Path, answers: Answers, say: Say) -> tuple[str, ...]:
    """Make the lists of the toolchains anew, those that are there, from what the project locks or asks for now; return their names.

    Raises BadInput, when there is none of them, too, and InfrastructureError.
    """
    tree = read_tree(root)
    needs = answers.needs or needs_of(tree.text(PROJECT))
    draft = kinds.draft(tree, replace(answers, app="none", needs=needs))
    made = {} if draft.python is None else asyncio.run(_workshop(root, say).lists(draft.python))
    there = {name: text for name, text in made.items() if (root / name).exists()}
    if not there:
        raise BadInput(
            f"there is no list of `dawsos init` in {root}", fix="dawsos init without --lists writes the first ones"
        )
    for name, text in there.items():
        (root / name).write_text(text)
    return tuple(there)


def _workshop(root: Path, say: Say) -> Workshop:
    project = Project(root, home_of(root))
    open_tools(project)
    return Workshop(root, project.toolchains, say)


def read_tree(root: Path) -> Tree:
    """Return the files of ``root`` that git tracks or would track; raises BadInput outside of a repository."""
    try:
        listed = git.call(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    except BadInput as error:
        if "not a git repository" not in error.message:
            # It is one, and git does not read it: its words have the reason.
            raise
        raise BadInput(
            f"{root} is no git repository, and a pipeline takes commits", fix="git init, then commit the project"
        ) from error
    paths = sorted({path for path in listed.split("\0") if path and (root / path).is_file()})

    def text(path: str) -> str:
        if path not in paths:
            return ""
        try:
            return (root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{path} cannot be read: {error}", fix="write it in UTF-8") from error

    return Tree(root.resolve().name, tuple(paths), text)
