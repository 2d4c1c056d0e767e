"""The plan of a run: the action for each stage, and its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# What a file's hash begins with when its content cannot be known; the reason follows.
UNSURE = "not known: "
# What it ends with when only the pointer of Git LFS lies there, and when a submodule was not fetched.
POINTER, ABSENT = ":pointer", ":absent"


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


class Action(StrEnum):
    """The planned action for a stage: ``restore`` takes the result of an earlier run on the same inputs."""

    RUN = "run"
    RESTORE = "restore"
    SKIP = "skip"


@dataclass(frozen=True)
class PlannedStage:
    """A stage's place in the plan, with the reason.

    ``fingerprint`` is None when it cannot be known before the run: a release that is still to be built decides it.
    """

    stage: str
    action: Action
    reason: str
    fingerprint: Fingerprint | None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The chosen stages in the order of the file; ``remarks`` are what a ship of them leaves open, a line each."""

    stages: tuple[PlannedStage, ...]
    remarks: tuple[str, ...] = ()

    def stage(self, stage_id: str) -> PlannedStage:
        """Return the planned stage; raises KeyError."""
        for planned in self.stages:
            if planned.stage == stage_id:
                return planned
        raise KeyError(stage_id)
