"""Fingerprints: what a stage's result depends on, as one digest and the manifest it was made from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from dawsos.model.pipeline import Stage
from dawsos.model.plan import UNSURE, Fingerprint


def _sha(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def fingerprint(
    stage: Stage,
    files: Mapping[str, str],
    tools: Mapping[str, str],
    environ: Mapping[str, str],
    upstream: Mapping[str, str],
) -> Fingerprint:
    """Return the stage's fingerprint.

    ``files`` maps the path of every file of the project to its content hash; only those that match the stage's inputs
    enter.  Of ``environ`` only the names the stage declares enter, hashed, so that a manifest never holds a secret.
    Titles, budgets and cores do not change a result and stay out.
    """
    manifest = {f"file {path}": digest for path, digest in files.items() if matches(path, stage.inputs)}
    for index, step in enumerate(stage.steps, start=1):
        manifest[f"step {index} {step.name}".rstrip()] = _sha(
            [step.run, step.repeat, step.keep_going, *step.judged_exits]
        )
    for gate in stage.gates:
        manifest[f"gate {gate.name}"] = _sha([gate.kind, gate.written_options])
    manifest |= {f"env {name}": _sha(value) for name, value in stage.env.items()}
    manifest |= {f"passed env {name}": _sha(environ.get(name)) for name in stage.pass_env}
    manifest |= {f"tool {name}": value for name, value in tools.items()}
    manifest |= {f"upstream {name}": value for name, value in upstream.items()}
    manifest["services"] = " ".join(stage.services)
    manifest["uses"] = f"{stage.uses} {stage.environment or ''}".strip()
    manifest["approval"] = _sha(stage.approval.model_dump() if stage.approval else None)
    return Fingerprint(_sha(manifest), manifest)


def unmatched(files: Mapping[str, str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``patterns`` that no file matches; one that excludes may match none."""
    return tuple(
        pattern
        for pattern in patterns
        if not pattern.startswith("!") and not any(_compiled(pattern).fullmatch(path) for path in files)
    )


def uncertain(stage: Stage, files: Mapping[str, str]) -> str:
    """Return why the stage's inputs do not tell whether its result is the same, an empty text when they do."""
    for pattern in unmatched(files, stage.inputs):
        return f"its input {pattern!r} matches no file"
    unsure = (value for path, value in files.items() if value.startswith(UNSURE) and matches(path, stage.inputs))
    return next((f"an input is {value}" for value in unsure), "")


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Return whether ``path`` matches one of ``patterns``; the last that matches counts, ``!`` in front excludes."""
    included = False
    for pattern in patterns:
        exclude = pattern.startswith("!")
        if _compiled(pattern.removeprefix("!")).fullmatch(path):
            included = not exclude
    return included


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a glob: ``*`` and ``?`` stay within a folder, ``**`` does not."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**/", position):
            parts.append("(?:[^/]+/)*")
            position += 3
        elif pattern.startswith("**", position):
            parts.append(".*")
            position += 2
        elif pattern[position] == "*":
            parts.append("[^/]*")
            position += 1
        elif pattern[position] == "?":
            parts.append("[^/]")
            position += 1
        else:
            parts.append(re.escape(pattern[position]))
            position += 1
    # A file's name may hold a line break, and ``**`` is to match it as well.
    return re.compile("".join(parts), re.DOTALL)
