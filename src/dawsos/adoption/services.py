"""What the sources of a service say about its pages and its commands, whatever language they are in.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dawsos.adoption.contract import Answers, Tree

_READY = ("/health/ready", "/readyz", "/ready", "/healthz", "/health", "/livez", "/status", "/ping")
_HEALTH = ("/healthz", "/health", "/health/live", "/livez", "/status", "/ping", "/readyz", "/ready")
_OWN = {*_READY, *_HEALTH, "/metrics", "/version", "/favicon.ico"}
_PAGE = re.compile(r"""["'`](/[A-Za-z0-9_./-]*)["'`]""")


@dataclass(frozen=True)
class Pages:
    """Pages of the service: when it can serve, whether it is well, one that users ask for; where it names its commit."""

    ready: str
    health: str
    users: str
    version: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The keys of ``service`` that say so."""
        version = f'"{self.version}"' if " " in self.version else self.version
        return (f"health: {self.health}", "healthy: any", f"version: {version}", f"ready: {self.ready}")

    @property
    def found(self) -> tuple[tuple[str, str], ...]:
        """(what, found) lines for a person."""
        said = "not named by the service, so not checked" if self.version == "none" else self.version
        return (("health", f"{self.health}, a 200 is enough"), ("ready", self.ready), ("version", said))


def pages_of(tree: Tree, sources: Iterable[str], answers: Answers) -> Pages:
    """Return the pages that the sources name in quotes; without any it is the first page of all."""
    texts = [tree.text(path) for path in sources]
    named = list(dict.fromkeys(page for text in texts for page in _PAGE.findall(text)))
    health = answers.health or _first(_HEALTH, named)
    ready = _first(_READY, named) if any(page in named for page in _READY) else health
    users = next((page for page in named if page not in _OWN and "." not in page and page != "/"), ready)
    return Pages(ready, health, users, _version(texts, named))


def _first(known: Iterable[str], named: list[str]) -> str:
    return next((page for page in known if page in named), "/")


def _version(texts: list[str], named: list[str]) -> str:
    """Return where the commit is that the variable GIT_SHA has."""
    if not any("GIT_SHA" in text for text in texts):
        return "none"
    header = re.search(r"""["'`](X-[A-Za-z-]*(?:Version|Commit|Revision))["'`]""", "\n".join(texts), re.IGNORECASE)
    if header:
        return f"header {header[1]}"
    return "/version" if "/version" in named else "none"


def reads_port(tree: Tree, sources: Iterable[str]) -> bool:
    """Return whether a source reads the variable PORT."""
    return any(re.search(r"\bPORT\b", tree.text(path)) for path in sources)


def stage(name: str, title: str, toolchain: str, steps: Iterable[str], gates: Iterable[str], *more: str) -> str:
    """Return the YAML of a stage."""
    lines = [
        f"id: {name}",
        f"title: {title}",
        *([f"toolchain: {toolchain}"] if toolchain else []),
        'inputs: ["**"]',
        *more,
    ]
    text = "  - " + "\n    ".join(lines)
    listed = "".join(f"\n      - {one}" for one in steps)
    return f"{text}\n    steps:{listed}\n    gates: [{', '.join(gates)}]\n\n"


def secrets() -> str:
    """Return the YAML of the stage that looks for secrets in files and commits."""
    step = "{name: secrets, run: dawsos scan secrets --out $ARTIFACTS/secrets.json, keep_going: true}"
    return stage("secrets", "No secrets", "", [step], ["secrets", "exit_status"], "history: true")


def bill(lock: str, kind: str) -> str:
    """Return the YAML of the stage that writes the bill of materials from a lock."""
    step = f"dawsos scan packages {lock} --name service --version $GIT_SHA --out $ARTIFACTS/sbom.json"
    return stage(
        "sbom",
        "Bill of materials",
        "",
        [f"{{name: packages, run: {step}}}"],
        [f"{{kind: sbom, kinds: {{{kind}: 1}}}}", "exit_status"],
    )
