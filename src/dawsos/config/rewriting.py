"""Edits the text of a version 1 ``pipeline.yaml`` in place, so that comments and layout stay.  Pure.

Each edit finds its place in the parsed document, and the text is parsed again after it, so that no edit moves the place of
another.  The caller (``upgrade.upgrade_text``) compares the result with what it should mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from dawsos.config.documents import Path, parse

_PLAIN = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,}\]#\n"']*[^,}\]#\s"'])""")
# A bracket within quotes or a comment is none.
_BRACKETS = re.compile(r"""[\[\]{}]|"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|\s#.*""")


class Unusual(Exception):
    """The text has a form that is not edited."""


def rewrite(text: str, wanted: dict[str, Any]) -> str:
    """Return ``text`` (version 1) edited to say what ``wanted`` (version 2, plain values) says; raises Unusual."""
    ends = "\r\n" if "\r\n" in text else "\n"
    page = _Page(text.replace("\r\n", "\n")).with_value((), "version", str(wanted["version"]))
    page = _with_objectives(page, wanted)
    return _with_environments(page, wanted).text.replace("\n", ends)


def _with_objectives(page: _Page, wanted: dict[str, Any]) -> _Page:
    """Return the page with each limit as the objective that it is."""
    for place, gate in _gates(wanted):
        if "slo" in gate and "slo" not in page.at(place):
            page = page.with_pair(place, "max", f"slo: {gate['slo']}")
            if "unit" in page.at(place):
                page = page.without(place, "unit")
    for key, objective in (("error_rate", "error_rate"), ("p95", "warm_p95")):
        if key in _mapping(page.document.get("rollout")) and key not in _mapping(wanted.get("rollout")):
            limit = page.value(("rollout",), key)
            page = page.without(("rollout",), key)
            if page.document["slo"].get(objective) != wanted["slo"][objective]:
                page = page.with_value(("slo",), objective, limit)
    return page


def _gates(document: dict[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    stages = document.get("stages")
    return [
        (("stages", number, "gates", index), gate)
        for number, stage in enumerate(stages if isinstance(stages, list) else ())
        if isinstance(stage, dict) and isinstance(stage.get("gates"), list)
        for index, gate in enumerate(stage["gates"])
        if isinstance(gate, dict)
    ]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class _Cut:
    """A key that was taken out of the service: the comment lines above it, its own lines, whether it is a mapping with keys."""

    key: str
    comments: tuple[str, ...]
    lines: tuple[str, ...]
    filled: bool


def _with_environments(page: _Page, wanted: dict[str, Any]) -> _Page:
    """Return the page with what the service said of all environments in each of them, behind the service."""
    if "environments" in page.document or "environments" not in wanted:
        return page
    before: CommentedMap = page.document["service"]
    flow, step = bool(before.fa.flow_style()), 2 if before.fa.flow_style() else int(before.lc.col)
    keys = [key for key in before if key not in wanted["service"]]
    cuts = []
    for key in keys:
        filled = isinstance(before[key], CommentedMap) and bool(before[key])
        if flow:
            cuts.append(_Cut(key, (), (f"{key}: {page.value(('service',), key)}",), filled))
        else:
            comments, lines = page.lines_of(("service",), key)
            cuts.append(_Cut(key, comments, lines, filled))
        page = page.without(("service",), key)
    names = list(wanted["environments"])
    inside = _in_flow(names, cuts) if flow or not cuts else _in_block(names, cuts, step)
    return page.with_section_behind("service", ["environments:\n", *inside])


def _in_flow(names: list[str], cuts: list[_Cut]) -> list[str]:
    pairs = ", ".join(cut.lines[0] for cut in cuts)
    return [f"  {name}: {{{pairs}}}\n" for name in names]


def _in_block(names: list[str], cuts: list[_Cut], step: int) -> list[str]:
    """Return the lines of the environments; the first has the text with its comments, the others refer to its ``env``."""
    made = []
    for number, name in enumerate(names):
        made.append(f"{' ' * step}{name}:\n")
        for cut in cuts:
            shared = cut.key == "env" and cut.filled and len(names) > 1
            if shared and number:
                made.append(f"{' ' * 2 * step}env: *env\n")
                continue
            first, *rest = cut.lines
            if shared:
                first = re.sub(r"""^(\s*["']?env["']?\s*:)""", r"\1 &env", first)
            kept = (*(cut.comments if not number else ()), first, *rest)
            made += [" " * step + line if line.strip() else line for line in kept]
    return made


class _Page:
    """One state of the text, with its document and the places in it."""

    def __init__(self, text: str) -> None:
        self.text = text if text.endswith("\n") else text + "\n"
        self.document = parse(self.text, "pipeline.yaml")
        self._lines = self.text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def at(self, place: Path) -> CommentedMap:
        """Return the mapping at ``place``; raises Unusual when there is none, or one that stands elsewhere in the text."""
        found: Any = self.document
        for part in place:
            found = found[part]
        if not isinstance(found, CommentedMap) or found.anchor.value or found.merge:
            raise Unusual
        return found

    def value(self, place: Path, key: str) -> str:
        """Return the text of the value of ``key``, which stands on its line."""
        start, end = self._span(place, key)
        return self.text[start:end]

    def with_value(self, place: Path, key: str, new: str) -> _Page:
        """Return the page with another value of ``key``, which stands on its line."""
        start, end = self._span(place, key)
        return self._edited(start, end, new)

    def with_pair(self, place: Path, key: str, new: str) -> _Page:
        """Return the page with ``new`` in place of ``key: value`` on one line."""
        line, column = self.at(place).lc.key(key)
        return self._edited(self._starts[line] + column, self._span(place, key)[1], new)

    def without(self, place: Path, key: str) -> _Page:
        """Return the page without ``key``, its value and the comments right above it."""
        mapping = self.at(place)
        if not mapping.fa.flow_style():
            first, last = self._extent(place, key)
            comments = len(self.lines_of(place, key)[0])
            return self._edited(self._starts[first - comments], self._starts[last], "")
        line, column = mapping.lc.key(key)
        start, end = self._starts[line] + column, self._span(place, key)[1]
        behind = re.compile(r"\s*,\s*").match(self.text, end)
        if behind:
            return self._edited(start, behind.end(), "")
        ahead = re.search(r"\s*,\s*$", self.text[:start])
        return self._edited(ahead.start() if ahead else start, end, "")

    def lines_of(self, place: Path, key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the comment lines right above ``key`` of a block mapping, and its own lines."""
        first, last = self._extent(place, key)
        column, above = self.at(place).lc.key(key)[1], first
        while above and re.match(rf" {{{column}}}#", self._lines[above - 1]):
            above -= 1
        return tuple(self._lines[above:first]), tuple(self._lines[first:last])

    def with_section_behind(self, key: str, lines: list[str]) -> _Page:
        """Return the page with ``lines`` behind the top-level ``key``, set off by a blank line where the others are."""
        last = self._extent((), key)[1]
        spaced = last < len(self._lines) and not self._lines[last].strip()
        return self._edited(self._starts[last], self._starts[last], "".join(["\n" if spaced else "", *lines]))

    def _extent(self, place: Path, key: str) -> tuple[int, int]:
        """Return the first line of ``key`` in a block mapping and the one behind its value; comments there are the next key's."""
        mapping = self.at(place)
        first, column = mapping.lc.key(key)
        behind = [line for line, _ in (mapping.lc.key(other) for other in mapping) if line > first]
        last = min(behind) if behind else self._end_of(place)
        while last > first + 1 and re.match(rf"\s*$| {{0,{column}}}#", self._lines[last - 1]):
            last -= 1
        return first, last

    def _end_of(self, place: Path) -> int:
        """Return the line behind the mapping at ``place`` and the comments that follow it."""
        if not place:
            return len(self._lines)
        parent: Any = self.document
        for part in place[:-1]:
            parent = parent[part]
        if isinstance(parent, CommentedSeq):
            after = [parent.lc.item(number)[0] for number in range(int(place[-1]) + 1, len(parent))]
        else:
            first = parent.lc.key(place[-1])[0]
            after = [line for line, _ in (parent.lc.key(other) for other in parent) if line > first]
        return min(after) if after else self._end_of(place[:-1])

    def _span(self, place: Path, key: str) -> tuple[int, int]:
        """Return where the value of ``key`` begins and ends in the text: a scalar on its line, or one in brackets."""
        line, column = self.at(place).lc.value(key)
        start = self._starts[line] + column
        if self.text[start] in "[{":
            return start, self._closing(start)
        found = _PLAIN.match(self.text, start)
        if found is None or found.start(1) != start:
            raise Unusual
        return found.span(1)

    def _closing(self, start: int) -> int:
        """Return where the bracket that opens at ``start`` is closed."""
        depth = 0
        for found in _BRACKETS.finditer(self.text, start):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found.group(), 0)
            if depth == 0:
                return found.end()
        raise Unusual

    def _edited(self, start: int, end: int, new: str) -> _Page:
        return _Page(self.text[:start] + new + self.text[end:])
