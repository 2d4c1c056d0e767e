"""The text of linters: what is a finding, what says how it went, and what nobody understands."""

from __future__ import annotations

import pytest

from dawsos.gates.documents import Malformed
from dawsos.gates.readers.lines import read_lines

RUFF_FULL = """\
F401 [*] `os` imported but unused
 --> app/a.py:1:8
  |
1 | import os
  |        ^^
  |
help: Remove unused import: `os`

Found 1 error.
[*] 1 fixable with the `--fix` option.
"""
SHELLCHECK = """\

In build.sh line 3:
rm $1
   ^-- SC2086 (info): Double quote it.

For more information:
  https://www.shellcheck.net/wiki/SC2086
"""
PYRIGHT = """\
/srv/demo/app.py
  /srv/demo/app.py:3:12 - error: Type "int" is not assignable (reportReturnType)
    "int" is not assignable to "str"
  /srv/demo/app.py:9:5 - warning: "totl" is not defined
1 error, 1 warning, 0 notes
"""
TEXTS = {
    "ruff full": (RUFF_FULL, ["app/a.py:1:8"], 0),
    # The line of source code and its mark are not told from what else may stand there.
    "shellcheck": (SHELLCHECK, ["build.sh:3"], 1),
    "pyright": (PYRIGHT, ["/srv/demo/app.py:3:12", "/srv/demo/app.py:9:5"], 0),
    "black": ("would reformat app/a.py\n\nOh no! 💥 💔 💥\n1 file would be reformatted.\n", ["app/a.py"], 0),
    "isort": ("ERROR: /p/a.py Imports are incorrectly sorted and/or formatted.\n", ["/p/a.py"], 0),
    "github": ("::error title=Ruff (F401),file=/p/a.py,line=1,col=8,endLine=1::a.py:1:8: F401 unused\n", ["/p/a.py:1:8"], 0),
    "tsc": ("src/a.ts(1,7): error TS2322: no\n", ["src/a.ts:1:7"], 0),
    "pylint": ("************* Module a\na.py:1:0: C0114: none\n\n-----\nYour code has been rated at 0/10\n", ["a.py:1"], 0),
    "clean": ("Success: no issues found in 12 source files\n", [], 0),
    "unformatted": ("Would reformat: a.py\n1 file would be reformatted, 2 files already formatted\n", ["a.py"], 0),
    "empty": ("", [], 0),
    "half": ("All checks passed!\nsome more talk\nand more\n", [], 2),
}  # fmt: skip


@pytest.mark.parametrize("tool", TEXTS)
def test_each_linters_own_text_is_understood(tool: str) -> None:
    text, places, unknown = TEXTS[tool]
    output = read_lines("f", text.encode())
    assert [found.place for found in output.found] == places
    assert output.unknown == unknown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bash: ruff: command not found\n", "none of its lines is understood"),
        ("app/x.py\n", "none of its lines is understood"),
        ("2 errors, 0 warnings, 0 notes\n", "counts 2 findings and shows none"),
        ("Found 3 errors.\n", "counts 3 findings and shows none"),
        ("3 files would be reformatted\n", "counts 3 findings"),
    ],
)
def test_a_text_that_is_not_understood_is_an_error(text: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read_lines("f", text.encode())
