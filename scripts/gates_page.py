#!/usr/bin/env python3
"""Writes docs/gates.md anew from the registry of gates; run it with the tool's development environment after changing one.

What a red gate says is not written by hand: it is the answer of the gate itself to the failing evidence of its tests.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from dawsos.gates import GATES, evaluate_gate, files_of  # noqa: E402
from dawsos.model.verdicts import GateKindName, GateVerdict  # noqa: E402
from gates.samples import CASES, encoded, gate  # noqa: E402

PAGE = ROOT / "docs" / "gates.md"
_HEAD = """\
# Gates

<!-- Made by scripts/gates_page.py from the registry of gates and the failing evidence of their tests; do not edit. -->

A gate is an exit criterion. It reads evidence and answers with a verdict: what was measured, the limit, and the findings. `fail`,
`no_data` (the evidence is missing) and `error` (the evidence cannot be read) all block. What is not understood is never a pass, and
what was understood only in part is said in the verdict, as a remark. So is an exit code that `judged_exits` leaves to the gates when
none of them found anything. Files are globs below the stage's
`$ARTIFACTS`; the tool itself writes `context.json` (time and profile) and `history.json` (earlier runs on the same inputs).

| Gate | Reads | Limit | Red, for example |
| --- | --- | --- | --- |
"""


def page() -> str:
    """Return the text of the page."""
    rows = "".join(_row(kind) for kind in sorted(GATES))
    return _HEAD + rows + "\n" + "\n".join(_section(kind) for kind in sorted(GATES))


def _verdict(kind: GateKindName) -> GateVerdict:
    case = CASES[kind]
    return evaluate_gate(gate(kind, **case.options), encoded(case.bad))


def _reads(kind: GateKindName) -> str:
    return ", ".join(f"`{name}`" for name in files_of(gate(kind, **CASES[kind].options)))


def _row(kind: GateKindName) -> str:
    red = _verdict(kind)
    cells = (f"[`{kind}`](#{kind})", _reads(kind), _cell(red.limit), _cell(red.measured))
    return f"| {' | '.join(cells)} |\n"


def _section(kind: GateKindName) -> str:
    red, model = _verdict(kind), GATES[kind].options
    lines = [f"## {kind}", "", _text(sys.modules[model.__module__].__doc__), "", _text(model.__doc__), ""]
    lines += _options(model)
    example = {"kind": kind, **CASES[kind].options}
    lines += [
        f"Example: `{json.dumps(example)}`", "", f"Red: measured {_quoted(red.measured)}, limit {_quoted(red.limit)}:", "",
        *[f"    {line}" for line in dict.fromkeys([red.message, *red.findings])], "",
    ]  # fmt: skip
    return "\n".join(lines)


def _options(model: type[BaseModel]) -> list[str]:
    if not model.model_fields:
        return []
    lines = ["| Option | Default | |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        default = "needed" if field.is_required() else f"`{_default(field.get_default(call_default_factory=True))}`"
        lines.append(f"| `{name}` | {default} | {_cell(field.description or '')} |")
    return [*lines, ""]


def _default(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _text(words: str | None) -> str:
    return inspect.cleandoc(words or "").replace("``", "`")


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("``", "`")


def _quoted(words: str) -> str:
    return f"`{words}`"


if __name__ == "__main__":
    PAGE.write_text(page())
