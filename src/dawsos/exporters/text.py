"""Plain values as the text of a file that another tool reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

# A file without it was written by somebody else, and is never overwritten.
MARK = "Made by `dawsos export"

# Texts that a reader of YAML 1.1 (Kubernetes, GitLab, PyYAML) takes for a truth value or a number; ruamel writes YAML 1.2, in
# which they are plain texts.  https://yaml.org/type/bool.html, https://yaml.org/type/int.html
_YAML_1_1 = re.compile(r"(?i:y|n|yes|no|on|off)|[-+]?[0-9][0-9_:.,]*|[-+]?0[xo][0-9a-f_]+|[-+]?[0-9.]+e[0-9]+|=|<<")
# Longer than any line that is written, so that no text is folded.
_WIDTH = 10_000


def header(name: str) -> str:
    """Return the sentence that says where a file of the exporter ``name`` comes from; every exported text has it."""
    return f"{MARK} {name.replace('_', '-')}` from pipeline.yaml. Change that file, not this one."


def yaml_text(name: str, *documents: Mapping[str, Any], comment: Sequence[str] = ()) -> str:
    """Return the YAML file of the exporter ``name``: its header, the lines of ``comment``, and the documents.

    The order of keys is kept.  A text of several lines is written as a block.
    """
    # A comment may tell a text of pipeline.yaml, which must not go on behind the comment.
    lines = [f"# {' '.join(line.splitlines())}".rstrip() + "\n" for line in (header(name), *comment)]
    writer = YAML()
    writer.width = _WIDTH
    writer.indent(mapping=2, sequence=4, offset=2)
    # The same value twice is written twice: the other tools' readers need no anchors.
    writer.representer.ignore_aliases = lambda _: True
    parts = []
    for document in documents:
        stream = StringIO()
        writer.dump(_written(document), stream)
        parts.append(stream.getvalue())
    return "".join(lines) + "---\n".join(parts)


def _written(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    if isinstance(value, str) and (_YAML_1_1.fullmatch(value) or not value.replace("\n", "").isprintable()):
        # Only there can a sign be written as its number: elsewhere some end the line, or must not be at all.
        return DoubleQuotedScalarString(value)
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    return value
