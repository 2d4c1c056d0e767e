"""``dawsos init``: looks at a project and writes its first pipeline and the lists of what its stages need.  Overwrites nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters import git
from dawsos.adoption import kinds
from dawsos.adoption.contract import Answers, Draft, Tree
from dawsos.adoption.python_facts import PythonProject
from dawsos.adoption.python_stages import PROJECT, TOOLS
from dawsos.adoption.resolving import resolve
from dawsos.adoption.starter import pipeline_text
from dawsos.config.load import load_pipeline
from dawsos.errors import BadInput
from dawsos.runs.project import PIPELINE_FILE, gate_options


@dataclass(frozen=True)
class Adopted:
    """What was found in the project, and the names of the files that were written."""

    draft: Draft
    written: tuple[str, ...]


def init(root: Path, answers: Answers) -> Adopted:
    """Write pipeline.yaml and, unless they are there, the lists of its toolchains.

    Raises BadInput when there is a pipeline already, no repository or no project, InfrastructureError when pip cannot resolve.
    """
    target = root / PIPELINE_FILE
    if target.exists():
        raise BadInput(f"there is a {PIPELINE_FILE} in {root} already", fix="edit it, or move it away first")
    draft = kinds.draft(read_tree(root), answers)
    text = pipeline_text(draft)
    # What is written is good by the program's own rules, or it is not written.
    load_pipeline(text, PIPELINE_FILE, gate_options())
    lists = {} if draft.python is None else _lists(root, draft.python)
    for name, content in lists.items():
        (root / name).write_text(content)
    target.write_text(text)
    return Adopted(draft, (PIPELINE_FILE, *lists))


def read_tree(root: Path) -> Tree:
    """Return the files of ``root`` that git tracks or would track; raises BadInput outside of a repository."""
    try:
        listed = git.call(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    except BadInput as error:
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


def _lists(root: Path, project: PythonProject) -> dict[str, str]:
    """Return the name of each list that is not there yet -> its content."""
    wanted = {TOOLS: ["ruff", "bandit", "pip-audit"], PROJECT: [*project.sources, *project.tools]}
    return {
        name: asyncio.run(resolve(root, requirements))
        for name, requirements in wanted.items()
        if not (root / name).exists()
    }
