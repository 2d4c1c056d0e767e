"""The bill of materials of what a lock names: package-lock.json, go.mod, go.sum, or Maven's list of dependencies, as SPDX 2.3 JSON.

A lock says what a build fetched; nothing is asked of a registry.  What is only for tests and tools of the project is left out,
where the lock says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from dawsos.errors import BadInput

_DIRECTIVES = frozenset(
    ("module", "go", "toolchain", "godebug", "require", "exclude", "replace", "retract", "tool", "ignore")
)
_MAVEN = re.compile(
    r"(?P<group>[\w.-]+):(?P<artifact>[\w.-]+):[\w.-]+(?::[\w.-]+)?:(?P<version>[\w.+-]+)"
    r":(?P<scope>compile|runtime|provided|system|test)(?: \(optional\))?(?: -- module .*)?"
)
_MAVEN_TALK = re.compile(
    r"The following files have been resolved:|none|---.*---|BUILD SUCCESS|Total time:.*|Finished at:.*"
)


@dataclass(frozen=True, order=True)
class Locked:
    """A package that a lock names: ``kind`` is the type of its purl, empty for a folder of the project itself."""

    kind: str
    name: str
    version: str
    licence: str = ""

    @property
    def purl(self) -> str:
        """Its package URL, an empty text for a package of the project itself."""
        name = self.name.replace(":", "/") if self.kind == "maven" else self.name
        return f"pkg:{self.kind}/{quote(name, safe='/')}@{quote(self.version, safe='')}" if self.kind else ""


def read_lock(name: str, content: bytes) -> list[Locked]:
    """Return the packages of the lock called ``name``, each once, sorted; raises BadInput for what is no lock or not understood."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(name, "it is not UTF-8 text") from error
    for is_it, read in _FORMS:
        if is_it(name, text):
            return sorted(set(read(name, text)))
    raise BadInput(
        f"{name} is no lock that is known",
        fix="give a package-lock.json (of npm 7 or newer), a go.mod, a go.sum, or what mvn dependency:list -DoutputFile=FILE wrote",
    )


def _refusal(name: str, why: str) -> BadInput:
    return BadInput(f"{name}: {why}", fix="give a lock as its tool writes it")


def _npm(name: str, text: str) -> Iterator[Locked]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refusal(name, f"it is not JSON: {error}") from error
    packages = document.get("packages") if isinstance(document, dict) else None
    if not isinstance(packages, dict) or "lockfileVersion" not in document:
        raise _refusal(name, "it lists no packages: npm 7 or newer writes them")
    for path, entry in packages.items():
        if not isinstance(entry, dict):
            raise _refusal(name, f"{path!r} is no package")
        if not path or entry.get("link") is True or entry.get("dev") is True:
            continue
        inside = path.rpartition("node_modules/")
        own, version = str(entry.get("name") or inside[2].rpartition("/")[2]), entry.get("version")
        if inside[1]:
            own = str(entry.get("name") or inside[2])
        elif not isinstance(version, str):
            # A folder of the project without a version, such as a workspace.
            continue
        if not isinstance(version, str) or not version:
            raise _refusal(name, f"{path} has no version")
        licence = entry.get("license")
        yield Locked("npm" if inside[1] else "", own, version, licence if isinstance(licence, str) else "")


def _go_mod(name: str, text: str) -> Iterator[Locked]:
    required: dict[str, str] = {}
    replaced: dict[tuple[str, str], tuple[str, str]] = {}
    for directive, words in _directives(name, text):
        if directive == "require":
            if len(words) != 2:
                raise _refusal(name, f"{' '.join(words)!r} requires no module in a version")
            required[words[0].strip('"')] = words[1]
        elif directive == "replace":
            _replace(name, words, replaced)
    for module, version in required.items():
        other, newer = replaced.get((module, version)) or replaced.get((module, "")) or (module, version)
        # A folder in the place of a module is code of the project.
        yield Locked("golang" if newer else "", other, newer or version)


def _directives(name: str, text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (directive, its words) of a go.mod, those of a block one by one."""
    block, seen = "", set()
    for line in text.splitlines():
        words = re.sub(r"//.*", "", line).split()
        if block and words == [")"]:
            block = ""
        elif words:
            directive, rest = (block, words) if block else (words[0], words[1:])
            if directive not in _DIRECTIVES:
                raise _refusal(name, f"{line.strip()!r} is not understood")
            seen.add(directive)
            if not block and rest == ["("]:
                block = directive
            else:
                yield directive, rest
    if block or "module" not in seen:
        raise _refusal(name, "it is cut off" if block else "it names no module")


def _replace(name: str, words: list[str], replaced: dict[tuple[str, str], tuple[str, str]]) -> None:
    if "=>" not in words:
        raise _refusal(name, f"{' '.join(words)!r} replaces nothing")
    at = words.index("=>")
    old, new = words[:at], words[at + 1 :]
    if len(old) not in (1, 2) or len(new) not in (1, 2):
        raise _refusal(name, f"{' '.join(words)!r} is not understood")
    replaced[(old[0], old[1] if len(old) == 2 else "")] = (new[0], new[1] if len(new) == 2 else "")


def _go_sum(name: str, text: str) -> Iterator[Locked]:
    for line in text.splitlines():
        words = line.split()
        if len(words) != 3 or not re.fullmatch(r"h1:[A-Za-z0-9+/]{43}=", words[2]):
            raise _refusal(name, f"{line!r} is no module with its hash")
        # The hash of a go.mod alone is of a module that was looked at and not built in.
        if not words[1].endswith("/go.mod"):
            yield Locked("golang", words[0], words[1])


def _maven(name: str, text: str) -> Iterator[Locked]:
    for raw in text.splitlines():
        line = re.sub(r"^\[INFO\] ?", "", raw).strip()
        found = _MAVEN.fullmatch(line)
        if found is None:
            if line and not _MAVEN_TALK.fullmatch(line):
                raise _refusal(name, f"{line!r} is not understood")
        elif found["scope"] != "test":
            yield Locked("maven", f"{found['group']}:{found['artifact']}", found["version"])


def _is_maven(_name: str, text: str) -> bool:
    return "The following files have been resolved:" in text


_Form = tuple[Callable[[str, str], bool], Callable[[str, str], Iterable[Locked]]]
# What tells a form from the others, and how it is read.
_FORMS: tuple[_Form, ...] = (
    (lambda _name, text: text.lstrip().startswith("{"), _npm),
    (_is_maven, _maven),
    (lambda name, _text: name.endswith(".mod"), _go_mod),
    (lambda name, _text: name.endswith(".sum"), _go_sum),
)
