"""The kinds of projects that ``dawsos init`` knows.  A new one is a module with ``draft``, and a line here."""

from __future__ import annotations

from dawsos.adoption import go, java, node, python
from dawsos.adoption.contract import Answers, Draft, Kind, Tree
from dawsos.errors import BadInput

# A new kind is one module with `draft`, and one line here, in the order of precedence for a project that is of several.
KINDS: dict[str, Kind] = {
    "python": python.draft,
    "node": node.draft,
    "go": go.draft,
    "java": java.draft,
}


def draft(tree: Tree, answers: Answers) -> Draft:
    """Return the draft of the first pipeline; raises BadInput when no kind knows the project, or what it must know is not clear."""
    if answers.kind and answers.kind not in KINDS:
        raise BadInput(f"--kind {answers.kind} is not known", fix=f"one of {', '.join(KINDS)}")
    chosen = {name: kind for name, kind in KINDS.items() if answers.kind in ("", name)}
    drafts = [made for kind in chosen.values() if (made := kind(tree, answers)) is not None]
    if not drafts:
        raise BadInput(
            f"nothing in {tree.name} says what kind of project it is: {', '.join(chosen)}",
            fix="change into the folder of a project, and add its files to git",
        )
    first, *others = drafts
    also = tuple(
        f"it is a {one.kind} project too, and the pipeline is for {first.kind}: dawsos init --kind {one.kind}"
        for one in others
    )
    return first.changed(missing=(*first.missing, *also))
