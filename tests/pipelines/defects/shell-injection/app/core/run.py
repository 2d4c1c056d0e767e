"""Run."""

import subprocess


def run(words: str) -> int:
    """Run a command."""
    return subprocess.call(words, shell=True)
