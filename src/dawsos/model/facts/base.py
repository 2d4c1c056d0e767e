"""What every fact of a run has: its kind, and the way to and from the body that the journal keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Self

# ``metadata["reader"]`` makes the value of a field of what the journal holds, where that is more than taking it as it is.


def texts() -> Any:
    """A field of texts, none by default."""
    return field(default=(), metadata={"reader": tuple})


def mapping() -> Any:
    """A field of names and values, none by default."""
    return field(default_factory=dict)


@dataclass(frozen=True)
class Fact:
    """The body of an event."""

    KIND: ClassVar[str] = ""

    @property
    def kind(self) -> str:
        """The kind under which the journal keeps this fact."""
        return self.KIND

    def body(self) -> dict[str, Any]:
        """Return the fact as plain values for the journal; what is None is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Return the fact that ``body`` holds; raises TypeError when a key without a default is missing."""
        known: dict[str, Any] = {}
        for each in fields(cls):
            if each.name in body:
                reader = each.metadata.get("reader")
                known[each.name] = reader(body[each.name]) if reader else body[each.name]
        return cls(**known)


@dataclass(frozen=True)
class Unknown(Fact):
    """An event of a kind that this version does not know."""

    name: str
    content: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return self.name

    def body(self) -> dict[str, Any]:
        return dict(self.content)
