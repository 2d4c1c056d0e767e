"""The lock of a project as a list of pins: how its own tool exports it, and how that text is read.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from dawsos.adoption.python_facts import Lock
from dawsos.errors import BadInput
from dawsos.model.names import canonical_package


@dataclass(frozen=True)
class Pin:
    """One package of a lock; ``requirement`` is ``name==version`` with its marker, ``hashes`` are SHA-256 digests."""

    name: str
    requirement: str
    hashes: frozenset[str]


@dataclass(frozen=True)
class Exporter:
    """How a lock becomes a text of pins: the arguments of its tool, with the groups and extras of the tests or without.

    ``stale`` is what the tool says, in its output, of a lock that no longer fits the project; ``mend`` renews the lock.
    ``check`` are the words by which a tool that exports a stale lock without a word is asked.
    """

    arguments: Callable[[Lock, bool], tuple[str, ...]]
    stale: str
    mend: str
    check: str = ""


def _uv(lock: Lock, tests: bool) -> tuple[str, ...]:
    base = (
        "uv",
        "export",
        "--locked",
        "--no-emit-local",
        "--no-header",
        "--no-annotate",
        "--format",
        "requirements.txt",
    )
    if not tests:
        return (*base, "--no-default-groups")
    return (*base, *_each("--group", lock.groups), *_each("--extra", lock.extras))


def _poetry(lock: Lock, tests: bool) -> tuple[str, ...]:
    base = ("poetry", "--no-interaction", "export", "--format", "requirements.txt")
    if not tests:
        return base
    with_groups = ("--with", ",".join(lock.groups)) if lock.groups else ()
    return (*base, *with_groups, *_each("--extras", lock.extras))


def _pdm(lock: Lock, tests: bool) -> tuple[str, ...]:
    base = ("pdm", "export", "--format", "requirements")
    return (*base, *_each("--group", (*lock.groups, *lock.extras))) if tests else (*base, "--prod")


def _pipenv(lock: Lock, tests: bool) -> tuple[str, ...]:
    return ("pipenv", "requirements", "--hash", *(["--dev"] if tests else []))


def _each(option: str, values: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (option, value))


# A lock that is no list of requirements, and the tool that made it.  Each tool has a lock of its own in ``tools/``.
EXPORTERS: dict[str, Exporter] = {
    "uv": Exporter(_uv, "needs to be updated", "uv lock"),
    "poetry": Exporter(_poetry, "changed significantly", "poetry lock"),
    "pdm": Exporter(_pdm, "doesn't satisfy the project requirements", "pdm lock"),
    "pipenv": Exporter(_pipenv, "is out-of-date", "pipenv lock", check="verify"),
}

_OPTION = re.compile(
    r"(-i|--index-url|--extra-index-url|--find-links|--trusted-host|-f|--require-hashes|--only-binary|--prefer-binary)\b"
)


def read_pins(text: str, path: str) -> list[Pin]:
    """Return the pins of a text as pip reads it; raises BadInput for what is locked without a version and a digest."""
    return [_pin(line, path) for line in _lines(text) if not _OPTION.match(line) and line not in ("-e .", ".")]


def _lines(text: str) -> Iterator[str]:
    joined = re.sub(r"\\\r?\n\s*", "", text)
    for line in joined.splitlines():
        if stripped := re.sub(r"(^|\s)#.*", "", line).strip():
            yield stripped


def _pin(line: str, path: str) -> Pin:
    hashes = frozenset(re.findall(r"--hash[= ]sha256:([0-9a-f]+)", line))
    written = re.sub(r"\s*--hash[= ]\S+", "", line).strip()
    try:
        requirement = Requirement(written)
    except InvalidRequirement:
        requirement = None
    exact = (
        [] if requirement is None else [one.version for one in requirement.specifier if one.operator in ("==", "===")]
    )
    if requirement is None or requirement.url or len(exact) != 1 or not hashes:
        raise BadInput(
            f"{path} locks {written[:80]!r} without a version and a SHA-256 digest, so pip could not verify it",
            fix="lock it from a package registry; or write dawsos-project.txt yourself (pinned, with hashes)",
        )
    return Pin(canonical_package(requirement.name), written, hashes)


def with_hashes(pins: Iterable[Pin]) -> dict[str, frozenset[str]]:
    """Return package -> the digests that the lock allows, of all its pins: a lock may have one for each version of Python."""
    allowed: dict[str, frozenset[str]] = {}
    for pin in pins:
        allowed[pin.name] = allowed.get(pin.name, frozenset()) | pin.hashes
    return allowed
