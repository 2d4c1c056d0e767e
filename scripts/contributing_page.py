#!/usr/bin/env python3
"""Writes the table of docs/contributing.md from the code: where to look, and what the code there says of itself.

Run after moving what a row names.  ``tests/test_contributing_page.py`` fails while the page and the code differ.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "contributing.md"
BEGIN, END = "<!-- begin: made by scripts/contributing_page.py -->", "<!-- end -->"
# (question, file, symbol): the symbol's docstring, or the comment above it, is the answer.
ROWS: tuple[tuple[str, str, str], ...] = (
    ("Where do I add a gate kind?", "src/dawsos/model/verdicts.py", "GateKindName"),
    ("Where do I add a platform?", "src/dawsos/platforms/registry.py", "PLATFORMS"),
    ("What must a platform do?", "src/dawsos/platforms/contract.py", "Platform"),
    ("Where do I add a kind of project to `init`?", "src/dawsos/adoption/kinds.py", "KINDS"),
    ("Where do I add an executor?", "src/dawsos/executors/registry.py", "EXECUTORS"),
    ("Where do I add an export?", "src/dawsos/exporters/registry.py", "EXPORTERS"),
    ("Where do I add what a stage can do (`uses`)?", "src/dawsos/actions/__init__.py", "ACTIONS"),
    ("Where do I add a backing service?", "src/dawsos/adapters/services/__init__.py", "SERVICES"),
    ("Where do I add a judge?", "src/dawsos/analysis/judges.py", "make_judge"),
    ("Where do I add a verb?", "src/dawsos/cli/grammar.py", ""),
    ("Where is a rollback decided?", "src/dawsos/rollout/decision.py", "decide"),
    ("Which causes of a rollback are there?", "src/dawsos/model/status.py", "Cause"),
    ("Where is it decided whether a stage runs or is restored?", "src/dawsos/planning/plan.py", "plan_stage"),
    ("Where is a stage's cache key made?", "src/dawsos/runs/inputs.py", "stage_fingerprint"),
    ("Where are secrets masked?", "src/dawsos/adapters/redactor.py", "Masker"),
    ("Where do exit codes come from?", "src/dawsos/runs/lifecycle.py", "EXIT_CODES"),
    ("Where do errors become results?", "src/dawsos/errors.py", "failure_of"),
    ("Where are staging's replicas set?", "pipeline.yaml", "environments"),
    ("Where does `approve` write?", "src/dawsos/runs/approvals.py", "decide"),
    ("Which facts are in the journal?", "src/dawsos/model/events.py", "FACTS"),
    ("Where do I add a metric?", "src/dawsos/model/metrics.py", "FAMILIES"),
    ("Where is an atomic write, and where is a file lock?", "src/dawsos/adapters/files.py", ""),
)


def table() -> str:
    """Return the table; raises SystemExit naming a row whose file or symbol is gone."""
    lines = ["| Question | Place | What it says |", "| --- | --- | --- |"]
    for question, path, symbol in ROWS:
        file = ROOT / path
        if not file.exists():
            sys.exit(f"scripts/contributing_page.py: {question!r}: there is no {path}; name where it is now")
        text = file.read_text(encoding="utf-8")
        says = (_yaml if path.endswith(".yaml") else _python)(text, symbol, path)
        # Without the line, which every change above it would make wrong.
        place = f"[`{path}`](../{path})" + (f" `{symbol}`" if symbol else "")
        lines.append(f"| {question} | {place} | {says} |")
    return "\n".join(lines)


def _python(text: str, symbol: str, path: str) -> str:
    tree = ast.parse(text)
    if not symbol:
        return _sentence(ast.get_docstring(tree) or "")
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == symbol:
            return _sentence(ast.get_docstring(node) or "")
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == symbol for target in targets):
            return _sentence(_comment_above(text, node.lineno) or ast.get_docstring(tree) or "")
    sys.exit(f"scripts/contributing_page.py: there is no {symbol} in {path}; name where it is now")


def _comment_above(text: str, line: int) -> str:
    lines, found = text.splitlines(), []
    for above in reversed(lines[: line - 1]):
        if not above.startswith("# "):
            break
        found.append(above.removeprefix("# "))
    return " ".join(reversed(found))


def _yaml(text: str, key: str, path: str) -> str:
    if any(line.startswith(f"{key}:") for line in text.splitlines()):
        return f"the key `{key}`"
    sys.exit(f"scripts/contributing_page.py: there is no {key} in {path}; name where it is now")


def _sentence(text: str) -> str:
    """Return the first sentence on one line, with what a table would break escaped."""
    flat = " ".join(text.partition("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")
    head, stop, _ = flat.partition(". ")
    return head + "." if stop else flat


def page() -> str:
    """Return docs/contributing.md with the table as the code has it now."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
