"""An image is small, does not run as root, has no shell, has labels and a health check, and is reproducible."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import (
    EvidencePath,
    Malformed,
    get,
    get_number,
    mapping,
    parse_object,
    required_file,
    rows,
    texts,
)
from dawsos.gates.size import parse_size
from dawsos.model.json import JsonObject
from dawsos.model.pipeline import GateOptions

_SHOWN = 5
_LABELS = ("org.opencontainers.image.created", "org.opencontainers.image.revision")
# An image id or the digest of a manifest; nothing else can be compared between two builds.
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Options(GateOptions):
    """``file`` is the builder's description of one image: bytes, layers, packages, user, shells, labels, healthcheck, digests."""

    file: EvidencePath = "image.json"
    max: str = "500MB"
    labels: tuple[str, ...] = _LABELS
    non_root: bool = True
    no_shell: bool = True
    healthcheck: bool = True
    not_built: Literal["fail", "warn"] = Field(
        default="fail", description="warn: pass with a warning where there is no builder."
    )
    reproducible: bool = Field(default=True, description="Two builds have the same digest.")

    @field_validator("max")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse_size(value)
        return value


def files(options: Options) -> tuple[str, ...]:
    return (options.file,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    """The size is that of the uncompressed layers, which is what the disk of a node holds."""
    file = options.file
    facts = parse_object(file, required_file(evidence, file))
    if facts.get("not_built"):
        return _not_built(file, facts, options)
    size = get_number(file, facts, "bytes")
    problems = [
        *_size(file, facts, size, options), *_user(file, facts, options), *_shells(file, facts, options),
        *_labels(file, facts, options), *_health(file, facts, options), *_digests(file, facts, options),
    ]  # fmt: skip
    wanted = [f"< {options.max}"]
    wanted += ["not root"] if options.non_root else []
    wanted += ["no shell"] if options.no_shell else []
    wanted += [f"{len(options.labels)} labels"] if options.labels else []
    wanted += ["a health check"] if options.healthcheck else []
    wanted += ["reproducible"] if options.reproducible else []
    return Measurement(
        "fail" if problems else "pass",
        f"{size / 1e6:.1f} MB, {len(problems)} problems" if problems else f"{size / 1e6:.1f} MB, no problem",
        ", ".join(wanted),
        message=problems[0] if problems else f"{facts.get('name', 'the image')} meets every requirement",
        evidence=(file,),
        findings=(*problems, *(_largest(file, facts) if any("too large" in problem for problem in problems) else ())),
    )


def _not_built(file: str, facts: JsonObject, options: Options) -> Measurement:
    reason = f"{facts.get('name', 'the image')}: {facts['not_built']}"
    return Measurement(
        "pass" if options.not_built == "warn" else "fail", "no image", f"an image below {options.max}",
        message=f"warning: NOT CHECKED: {reason}" if options.not_built == "warn" else reason, evidence=(file,), unchecked=True,
    )  # fmt: skip


def _size(file: str, facts: JsonObject, size: float, options: Options) -> list[str]:
    if size <= 0:
        return ["0 bytes: the build left no image"]
    limit = parse_size(options.max)
    return [f"too large: {size / 1e6:.1f} MB uncompressed, the limit is {options.max}"] if size >= limit else []


def _largest(file: str, facts: JsonObject) -> list[str]:
    """Return the five largest layers and packages: where to look first."""
    lines = []
    for key, word in (("layers", "layer"), ("packages", "package")):
        listed = rows(f"{file}: {key}", facts.get(key) or [])
        weighed = sorted(
            ((get_number(f"{file}: {key}", row, "bytes"), row) for row in listed), key=lambda pair: -pair[0]
        )
        for weight, row in weighed[:_SHOWN]:
            what = row.get("command") or row.get("name") or row.get("digest") or "?"
            lines.append(f"{word} {weight / 1e6:.1f} MB: {str(what)[:120]}")
    return lines


def _user(file: str, facts: JsonObject, options: Options) -> list[str]:
    if not options.non_root:
        return []
    user = get(file, facts, "user")
    if not isinstance(user, str):
        raise Malformed(f"{file}: user is {user!r}, not a text")
    # Without a user an image runs as root.
    name = user.partition(":")[0].strip()
    return [f"runs as root (user {user!r})"] if name in ("", "root") or name.strip("0") == "" else []


def _shells(file: str, facts: JsonObject, options: Options) -> list[str]:
    return (
        [f"has a shell: {shell}" for shell in texts(f"{file}: shells", get(file, facts, "shells"))]
        if options.no_shell
        else []
    )


def _labels(file: str, facts: JsonObject, options: Options) -> list[str]:
    labels = mapping(f"{file}: labels", get(file, facts, "labels")) if options.labels else {}
    texts(f"{file}: labels", [labels[label] for label in options.labels if labels.get(label) is not None])
    return [f"has no label {label}" for label in options.labels if not labels.get(label)]


def _health(file: str, facts: JsonObject, options: Options) -> list[str]:
    if not options.healthcheck:
        return []
    # Builders write null for an image without one, and NONE for one that switches off what its base image had.
    check = texts(f"{file}: healthcheck", facts["healthcheck"]) if facts.get("healthcheck") else []
    return [] if check and check[0] != "NONE" else ["has no HEALTHCHECK"]


def _digests(file: str, facts: JsonObject, options: Options) -> list[str]:
    if not options.reproducible:
        return []
    digests = texts(f"{file}: digests", get(file, facts, "digests"))
    for digest in digests:
        if not _DIGEST.fullmatch(digest):
            raise Malformed(f"{file}: {digest!r} is not a digest like sha256:...")
    if len(digests) < 2:
        return [f"built {len(digests)} times: two builds must be compared"]
    return [] if len(set(digests)) == 1 else [f"not reproducible: {' and '.join(digest[:19] for digest in digests)}"]


GATE = GateKind(Options, files, evaluate)
