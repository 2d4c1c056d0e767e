"""What will run and what need not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fingerprint:
    """The digest that decides whether a stage must run again, and the manifest it was made from.

    ``manifest`` maps a readable name (``file backend/app/core/fx.py``, ``step 1``, ``env TZ``, ``tool python``) to
    the digest or value that went in, so that two fingerprints can be compared input by input.
    """

    digest: str
    manifest: dict[str, str]

    @property
    def tools(self) -> dict[str, str]:
        """Return name -> version of what the stage runs with."""
        return {name.removeprefix("tool "): value for name, value in self.manifest.items() if name.startswith("tool ")}

    def changes_since(self, earlier: dict[str, str]) -> tuple[str, ...]:
        """Return one line for each input that was added, removed or changed since ``earlier``."""
        lines = [f"added    {name}" for name in sorted(self.manifest.keys() - earlier.keys())]
        lines += [f"removed  {name}" for name in sorted(earlier.keys() - self.manifest.keys())]
        lines += [
            f"changed  {name}"
            for name in sorted(self.manifest.keys() & earlier.keys())
            if self.manifest[name] != earlier[name]
        ]
        return tuple(lines)


@dataclass(frozen=True)
class PlannedStage:
    """A stage's place in the plan: ``restore`` when its result is known, else ``run``, with the reason."""

    stage: str
    action: str
    reason: str
    fingerprint: Fingerprint | None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The chosen stages, in an order in which each comes after its needs."""

    stages: tuple[PlannedStage, ...]
