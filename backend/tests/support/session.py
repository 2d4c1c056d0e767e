"""Runs the session of a document: every `console` block in order, in one shell, its output compared line by line."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
# Printed after every command, so that the outputs can be told apart.
MARK = "--8<-- next command --8<--"


@dataclass(frozen=True)
class Step:
    """A command as the reader types it, and what the document says it prints."""

    command: str
    prints: str


def steps(document: str) -> list[Step]:
    """All commands of a document."""
    found: list[list[str]] = []
    for block in BLOCK.findall(document):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append([line[2:]])
            else:
                found[-1].append(line)
    return [Step(command, "\n".join(output)) for command, *output in found]


def outputs(session: list[Step], env: dict[str, str]) -> list[str]:
    """What each command prints, errors included; they share variables and functions as on a terminal."""
    script = "".join(f"{step.command}\necho '{MARK}'\n" for step in session)
    done = subprocess.run(
        ["bash"],  # noqa: S607 - found as the reader's shell finds it
        input=f"exec 2>&1\n{script}",
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return [output.removesuffix("\n") for output in done.stdout.split(f"{MARK}\n")[:-1]]
