"""A finding of any tool in a file: linters, type checkers, scanners, audits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """``path`` is relative to the project's root where it can be; ``line`` and ``column`` count from 1, 0 is unknown."""

    tool: str
    rule: str
    message: str
    path: str
    line: int = 0
    column: int = 0
    level: Level = "error"

    @property
    def place(self) -> str:
        """``path:line:column`` as far as it is known, the form that editors and terminals open."""
        line = f":{self.line}" if self.line else ""
        return f"{self.path}{line}" + (f":{self.column}" if line and self.column else "")

    @property
    def identity(self) -> str:
        """What stays the same when lines move: the file and the rule, or what is said where there is no rule."""
        return f"{self.path}: {self.rule or self.message}"

    def __str__(self) -> str:
        return f"{self.place}: {self.rule} {self.message}".replace("  ", " ")

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Finding:
        """Return the finding that an event's body holds; keys that a newer version of the tool wrote are left out."""
        return cls(**{key: value for key, value in body.items() if key in cls.__dataclass_fields__})
