"""A project on disk: where everything lies, and its pipeline.

Imports inside functions are for the start: `dawsos history` needs the journal, and neither the model of the pipeline file
nor the keys.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.identity import SIGNING_KEY, signing_key_forms
from dawsos.adapters.locks import owner_of
from dawsos.adapters.prompter import TerminalPrompter
from dawsos.adapters.redactor import Masker
from dawsos.errors import BadInput, InfrastructureError, refusal_of
from dawsos.model.fold import fold
from dawsos.model.run import Run
from dawsos.runs.journal import Journal

if TYPE_CHECKING:
    from dawsos.adapters.process import ProcessRunner
    from dawsos.model.environment import EnvironmentSettings, PlatformName
    from dawsos.model.pipeline import GateOptions, Pipeline
    from dawsos.model.verdicts import GateKindName
    from dawsos.platforms.contract import Platform, PlatformHost
    from dawsos.ports import Clock, Keyring, Prompter, Signer
    from dawsos.provenance.keys import LocalKeyring

PIPELINE_FILE = "pipeline.yaml"
_TRIES = 2000
# What lies there decides which signatures count, which stages are restored and what is released.
_BELIEVED = ("cache", "environments", "images", "journal", "keys", "packages", "releases", "runs")


@dataclass(frozen=True)
class Project:
    """The folders of one project.  ``home`` is never committed; ``DAWSOS_HOME`` moves it."""

    root: Path
    home: Path

    @property
    def journal(self) -> Path:
        return self.home / "journal"

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def templates(self) -> Path:
        return self.home / "templates"

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def images(self) -> Path:
        """The images of all releases, as one OCI image layout."""
        return self.home / "images"

    @property
    def packages(self) -> Path:
        return self.home / "packages"

    @property
    def toolchains(self) -> Path:
        return self.home / "toolchains"

    @property
    def outcomes(self) -> Path:
        return self.home / "outcomes"

    @property
    def strangers(self) -> Path:
        """Public keys that came with results of other machines.  Nothing believes them because they are there."""
        return self.home / "strangers"

    @property
    def deploy_lock(self) -> Path:
        return self.home / "deploy.lock"

    def run_folder(self, run: str) -> Path:
        return self.home / "runs" / run

    def report(self, run: str) -> Path:
        return self.run_folder(run) / "report.html"

    def sarif(self, run: str) -> Path:
        return self.run_folder(run) / "findings.sarif"

    def summary(self, run: str) -> Path:
        return self.run_folder(run) / "summary.json"

    @property
    def metrics(self) -> Path:
        return self.home / "metrics" / "dawsos.prom"

    @property
    def counted(self) -> Path:
        return self.home / "metrics" / "counted.json"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    def evidence(self, run: str) -> Path:
        return self.run_folder(run) / "evidence"

    def taken(self, run: str) -> Path:
        """The file that says how many events of the run came from another machine."""
        return self.run_folder(run) / "taken.json"

    def run_lock(self, run: str) -> Path:
        return self.run_folder(run) / "owner.lock"

    def environment(self, name: str) -> Path:
        return self.home / "environments" / name

    def environments(self) -> list[Path]:
        """Return the folders of the environments that were ever started, by name."""
        folder = self.home / "environments"
        return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.exists() else []

    def checkout(self, sha: str) -> Path:
        return self.home / "checkouts" / sha[:16]


def find_project(start: Path) -> Project:
    """Return the project that ``start`` lies in; raises BadInput when no folder above it has a pipeline.yaml."""
    for folder in (start, *start.parents):
        if (folder / PIPELINE_FILE).is_file():
            return Project(folder, home_of(folder))
    raise BadInput(
        f"there is no {PIPELINE_FILE} in {start} or above it",
        fix="change into your project, or write one: docs/pipeline-yaml.md",
    )


def home_of(root: Path) -> Path:
    """Return the folder of what the tool keeps for the project in ``root``."""
    home = os.environ.get("DAWSOS_HOME")
    return Path(home).resolve() if home else root / ".dawsos"


def gate_options() -> Mapping[GateKindName, type[GateOptions]]:
    """Return gate kind -> model of its options; a kind is loaded when it is looked up."""
    from dawsos.gates import OPTIONS

    return OPTIONS


def load(folder: Path, *, accept_old: bool = False) -> Pipeline:
    """Return the pipeline of the project in ``folder``; raises BadInput with every problem of the file.

    With ``accept_old`` a file of version 1 is read as well: for verbs that act on an earlier run or deployment.
    """
    from dawsos.config.load import load_pipeline

    path = folder / PIPELINE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {error}", fix="write the file in UTF-8") from error
    return load_pipeline(text, PIPELINE_FILE, gate_options(), accept_old=accept_old)


def load_at(project: Project, sha: str) -> Pipeline:
    """Return the pipeline of the project as it is in a commit, also of an earlier version; raises BadInput."""
    from dawsos.adapters import commit_pack
    from dawsos.config.load import load_pipeline

    text = commit_pack.content(project.root, sha, PIPELINE_FILE)
    return load_pipeline(text, PIPELINE_FILE, gate_options(), accept_old=True)


@cache
def _must_not_come_with_a_commit(root: Path, home: Path) -> None:
    """Raise BadInput when the repository tracks a part of the home, or a part that is believed is a link.

    A commit could bring keys to believe, results to restore, or a release.
    """
    if not home.is_relative_to(root):
        return
    from dawsos.adapters import git  # only who signs, or checks a signature, asks git

    # The home itself may be tracked as a link.
    tracked = git.tracked_below(root, home)
    if tracked:
        raise BadInput(
            f"the repository tracks {tracked[0]}: a commit could bring keys, results or releases that are believed here",
            fix=f"git rm -r --cached {tracked[0]}, commit that, and see who added it",
        )
    linked = next((path for path in (home, *(home / name for name in _BELIEVED)) if path.is_symlink()), None)
    if linked is not None:
        raise BadInput(
            f"{linked} is a link: what it leads to would be believed as the state of this project",
            fix=f"rm {linked}; DAWSOS_HOME moves the whole state to another folder",
        )


@dataclass(frozen=True)
class Tools:
    """What every verb needs: the project, its journal, the clock, the masker of secrets."""

    project: Project
    journal: Journal
    clock: Clock
    masker: Masker
    prompter: Prompter
    make_platform: Callable[[PlatformName, PlatformHost], Platform]

    def platform(self, name: str, settings: EnvironmentSettings, root: Path | None = None) -> Platform:
        """Return the platform of the environment ``name``; ``root`` is the checkout that has its files, else the project's."""
        return self.make_platform(settings.platform, self.host(name, settings, root))

    def host(self, name: str, settings: EnvironmentSettings, root: Path | None = None) -> PlatformHost:
        """Return what a platform of the environment ``name`` gets from this tool."""
        from dawsos.platforms.contract import PlatformHost

        return PlatformHost(
            name,
            self.project.environment(name),
            self.clock,
            self.runner(),
            self.masker,
            settings,
            root or self.project.root,
        )

    def signer(self) -> Signer:
        """Return the project's signer, whose key the caller's variables may give; raises BadInput, InfrastructureError."""
        from dawsos.provenance.keys import given_signer, local_signer

        given = os.environ.get(SIGNING_KEY, "")
        if given.strip():
            return given_signer(given)
        _must_not_come_with_a_commit(self.project.root, self.project.home)
        return local_signer(self.project.keys)

    def keyring(self, certified: bytes = b"") -> Keyring:
        """Return the keys that are believed here, and the one that is ``certified``; raises BadInput, InfrastructureError."""
        return self._keyring(certified)

    def public_keys(self) -> dict[str, bytes]:
        """Return key id -> PEM of each key that is believed here; raises BadInput, InfrastructureError."""
        return self._keyring().public_keys()

    def _keyring(self, certified: bytes = b"") -> LocalKeyring:
        from dawsos.provenance.keys import TRUSTED_KEYS, LocalKeyring, given_signer, trusted_keys

        _must_not_come_with_a_commit(self.project.root, self.project.home)
        named = os.environ.get(TRUSTED_KEYS, "")
        given = trusted_keys(named, self.project.root, self.project.home) if named.strip() else []
        own = os.environ.get(SIGNING_KEY, "")
        return LocalKeyring(self.project.keys, certified, [*given, *([given_signer(own).key] if own.strip() else ())])

    def runner(self) -> ProcessRunner:
        """Return the runner of commands, which masks secrets in their output."""
        from dawsos.adapters.process import ProcessRunner

        return ProcessRunner(self.clock, self.masker)


def _make_platform(kind: PlatformName, host: PlatformHost) -> Platform:
    from dawsos.platforms.registry import PLATFORMS  # the platforms are a part of the start that most verbs do not need

    return PLATFORMS[kind](host)


def open_tools(project: Project) -> Tools:
    """Open the project's journal; raises InfrastructureError when its home cannot be written."""
    clock = SystemClock()
    ignore = project.home / ".gitignore"
    try:
        project.home.parent.mkdir(parents=True, exist_ok=True)
        # Logs, reports and releases are nobody else's business.  An older home keeps its mode: a database may run below it.
        project.home.mkdir(mode=0o700, exist_ok=True)
        if not ignore.exists():
            # The state must not make the project's own tree look changed, whatever its .gitignore says.
            ignore.write_text("*\n")
        masker = Masker(signing_key_forms(os.environ))
        return Tools(project, Journal(project.journal, clock), clock, masker, TerminalPrompter(), _make_platform)
    except OSError as error:
        raise InfrastructureError(
            f"cannot write to {project.home}: {refusal_of(error) or error}",
            fix="check the disk and the rights, or set DAWSOS_HOME",
        ) from error


def remove_abandoned(project: Project) -> None:
    """Remove the temporary folders of killed processes; looks at each place once, and not into the folders."""
    from dawsos.adapters.scratch import sweep
    from dawsos.adapters.services.common import EPHEMERAL_PREFIX, remove_outside

    places = (
        (project.releases, "build-*"), (project.packages, "build-*"), (project.home / "checkouts", "*"),
        (project.home, "images-*"), (project.home / "keyless", "request-*"),
        (project.home / "environments", "*/capture-*"),
        (project.cache, "*/new-*"), (project.home, "results-*"), (Path(tempfile.gettempdir()), f"{EPHEMERAL_PREFIX}*"),
    )  # fmt: skip
    sweep(places, remove_outside)


def new_run(project: Project, sha: str) -> str:
    """Make a folder for a new run and return its id: date, time, commit, and two random digits against a collision.

    Raises InfrastructureError when no id is free.
    """
    for _ in range(_TRIES):
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{sha[:7]}-{secrets.token_hex(1)}"
        try:
            project.run_folder(name).mkdir(parents=True)
        except FileExistsError:
            continue
        return name
    raise InfrastructureError(
        f"no free id for a run in {project.home / 'runs'}", fix="is the clock set right? Try again"
    )


def load_run(tools: Tools, run: str) -> Run:
    """Return the run called ``run`` (a unique beginning or end is enough, ``last`` is the newest).

    Raises BadInput, and InfrastructureError when its events were altered beyond reading.
    """
    ids = tools.journal.runs()
    if run == "last" and ids:
        found = [ids[-1]]
    else:
        found = [name for name in ids if name == run] or [
            name for name in ids if name.startswith(run) or name.endswith(run)
        ]
    if len(found) != 1:
        known = ", ".join(ids[-3:]) or "none yet"
        problem = "is ambiguous" if found else "is unknown"
        raise BadInput(f"run {run!r} {problem}; the newest runs: {known}", fix="see dawsos history")
    events = tools.journal.events(found[0])
    try:
        return fold(events)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        altered = tools.journal.verify(found[0])
        if not altered:
            raise
        raise InfrastructureError(
            f"run {found[0]} cannot be read: {altered[0]}",
            fix="somebody changed journal.sqlite: bring it back from a copy",
        ) from error


def as_it_stands(tools: Tools, run: Run) -> Run:
    """Return ``run``, stopped when it has no end and the process that worked on it is gone without a word."""
    if run.state or owner_of(tools.project.run_lock(run.id)) is not None:
        return run
    return replace(run, stopped="the end of its process")
