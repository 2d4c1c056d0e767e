"""What pip says when it fails: its error, not the warnings around it, and whose fault that is."""

from __future__ import annotations

import re
from pathlib import Path

from dawsos.model.texts import cut_line

# What is wrong with the lock or the project itself, whoever asks, and whenever.
_OF_THE_COMMIT = re.compile(
    r"DO NOT MATCH THE HASHES|--require-hashes mode|^ERROR: (No matching distribution|Could not find a version)|Invalid requirement"
    r"|is not a supported wheel|conflicting dependencies|Double requirement|subprocess-exited-with-error|metadata-generation-failed"
    r"|Failed building wheel|BackendUnavailable|Cannot import|does not appear to be a Python project",
    re.MULTILINE,
)
# The registry did not answer, or refused: then it is not known what it has.
_UNREACHABLE = re.compile(
    r"Retrying \(|connection (error|broken|refused)|timed out|ProxyError|SSLError|certificate verify failed"
    r"|\b(401|403|407|429|5\d\d) (Client|Server|Proxy) ?Error|too many \d+ error responses|Temporary failure in name resolution",
    re.IGNORECASE,
)
_DISK = re.compile(r"No space left on device|\[Errno 28\]|Disk quota exceeded|File too large")
# A line that tells nothing beside the error itself.
_EMPTY_WORDS = re.compile(r"^(note|hint): |^[\u00d7\u2570\u2502]|^\[end of output\]|^$")
_LINES = 6
_LONGEST = 1 << 20


def is_of_the_commit(output: str, detailed: str = "") -> bool:
    """Return whether the same commit fails the same way anywhere; ``detailed`` is pip's own log, which names refused requests."""
    said = f"{output}\n{detailed}"
    return bool(_OF_THE_COMMIT.search(output)) and not _UNREACHABLE.search(said) and not _DISK.search(said)


def is_of_the_machine(output: str) -> bool:
    """Return whether the disk had no room."""
    return bool(_DISK.search(output))


def error_of(output: str) -> list[str]:
    """Return the lines that say what went wrong, the most telling first; the end of ``output`` when pip names no error."""
    lines = [line.strip() for line in output.splitlines()]
    raised = _raised_by_a_build(lines)
    errors = [index for index, line in enumerate(lines) if re.match(r"(ERROR|error): ", line)]
    found = [line for index in errors for line in lines[index : _end_of(lines, index)]]
    chosen = [line for line in dict.fromkeys([*raised, *found]) if not _EMPTY_WORDS.match(line)]
    if not chosen:
        chosen = [line for line in lines if not line.startswith("WARNING: ")][-_LINES:] or lines[-_LINES:]
    return [cut_line(line) for line in chosen[:_LINES]]


def _end_of(lines: list[str], index: int) -> int:
    """Return where an error ends: what belongs to one of hashes follows on lines of its own."""
    if "DO NOT MATCH THE HASHES" not in lines[index]:
        return index + 1
    return min(len(lines), index + _LINES)


def _raised_by_a_build(lines: list[str]) -> list[str]:
    """Return the last words of the project's own build, which pip prints before its error."""
    for index, line in enumerate(lines):
        if line == "[end of output]":
            return [one for one in lines[max(0, index - 2) : index] if one]
    trace = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Unavailable)\b: ", line)]
    return trace[-1:]


def size_of(log: Path) -> int:
    """Return how long a log is by now."""
    return log.stat().st_size if log.exists() else 0


def said_in(log: Path, start: int = 0) -> str:
    """Return what a log has from ``start`` on, at most its last megabyte."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(start, size_of(log) - _LONGEST))
            return stream.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
