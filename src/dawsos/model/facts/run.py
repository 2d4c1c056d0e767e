"""Facts of a whole run: its beginning and end, the release that it built, where that was deployed, and what was verified there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from dawsos.model.facts.base import Fact, mapping, texts
from dawsos.model.status import RunResult

# The result of a check for which pipeline.yaml has no settings: it is no pass, and fails nothing.
NOT_CHECKED = "not_checked"


@dataclass(frozen=True)
class RunStarted(Fact):
    """A run began.

    ``definition`` is the SHA-256 of pipeline.yaml, ``dirty`` the number of files that are not committed, ``committed_at`` the
    committer's time in seconds since the epoch (None: an older version did not record it).  ``deploys`` and ``rollouts`` map the
    chosen stages that use them to their environments.
    """

    KIND: ClassVar[str] = "run_started"
    command: str = ""
    commit: str = ""
    ref: str = ""
    subject: str = ""
    author: str = ""
    dirty: int = 0
    profile: str = ""
    stages: tuple[str, ...] = texts()
    definition: str = ""
    options: Mapping[str, Any] = mapping()
    committed_at: float | None = None
    deploys: Mapping[str, str] = mapping()
    rollouts: Mapping[str, str] = mapping()


@dataclass(frozen=True)
class RunResumed(Fact):
    """A new owner, the process ``pid``, took the run over."""

    KIND: ClassVar[str] = "run_resumed"
    pid: int = 0


@dataclass(frozen=True)
class RunStopped(Fact):
    """The owner stopped before the run had an end; it can be resumed."""

    KIND: ClassVar[str] = "run_stopped"
    reason: str = ""


@dataclass(frozen=True)
class KeyCertified(Fact):
    """The certificate of the key ``key`` (its SHA-256), or the ``problem`` for which there is none."""

    KIND: ClassVar[str] = "key_certified"
    key: str = ""
    identity: str = ""
    issuer: str = ""
    bundle: str = ""
    problem: str = ""


@dataclass(frozen=True)
class FilesChanged(Fact):
    """Tracked files are not as in the commit.

    ``how``: ``put back`` before the stage began; ``seen`` by the stage, because one beside it works with them; ``built``
    into the release; ``added`` to the release without being in the commit.  ``files`` are the first fifty of ``count``.
    """

    KIND: ClassVar[str] = "files_changed"
    how: str = ""
    files: tuple[str, ...] = texts()
    count: int = 0


@dataclass(frozen=True)
class ReleaseBuilt(Fact):
    """A release was built; ``why`` says why this builder was chosen, ``images`` maps the name of each image to its digest."""

    KIND: ClassVar[str] = "release_built"
    release: str = ""
    commit: str = ""
    builder: str = ""
    why: str = ""
    path: str = ""
    bytes: int = 0
    images: Mapping[str, str] = mapping()


@dataclass(frozen=True)
class Deployed(Fact):
    """A release runs in an environment."""

    KIND: ClassVar[str] = "deployed"
    environment: str = ""
    release: str = ""
    deployment: str = ""
    url: str = ""
    replicas: int = 0


@dataclass(frozen=True)
class CheckResult:
    """One check of a deployment: what was measured against which limit.

    ``result`` is ``pass``, ``fail``, ``error`` (what should be measured could not be) or ``not_checked``.
    """

    name: str
    result: str
    measured: str = ""
    limit: str = ""

    @property
    def passed(self) -> bool:
        return self.result == "pass"

    @property
    def failed(self) -> bool:
        """Whether it was made and did not pass."""
        return self.result not in ("pass", NOT_CHECKED)


def _checks(bodies: Any) -> tuple[CheckResult, ...]:
    names = {each.name for each in fields(CheckResult)}
    return tuple(CheckResult(**{key: value for key, value in body.items() if key in names}) for body in bodies)


@dataclass(frozen=True)
class Verified(Fact):
    """The checks after deployment."""

    KIND: ClassVar[str] = "verified"
    checks: tuple[CheckResult, ...] = field(default=(), metadata={"reader": _checks})


@dataclass(frozen=True)
class RunFinished(Fact):
    """A run ended, or waits."""

    KIND: ClassVar[str] = "run_finished"
    result: RunResult = field(metadata={"reader": RunResult})
    exit_code: int | None = None
    reason: str = ""
