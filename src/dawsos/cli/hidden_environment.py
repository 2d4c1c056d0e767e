"""Takes the caller's secrets out of ``/proc/PID/environ``, where each process of the same user could read them.

What a process was started with stays readable there, whatever it does later.  So the tool starts itself again, with the plain
variables only, and gives itself the others through a file without a name, which is closed as soon as it is read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from dawsos.adapters.identity import without_identity
from dawsos.adapters.secret_variables import secrets_in

_FILE = "DAWSOS_HIDDEN_ENVIRONMENT"
# What the interpreter and the loader of programs need before the others are there, and what names no secret.
_PLAIN = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "TERM", "TZ", "LANG", "LANGUAGE", "TMPDIR", "VIRTUAL_ENV")
_PLAIN_BEGINNINGS = ("LC_", "LD_", "PYTHON")
_PR_SET_DUMPABLE = 4


def hide(words: list[str]) -> None:
    """Return with the caller's variables in ``os.environ``; starts the program anew with ``words`` when they hold secrets.

    Where there is no ``/proc`` nothing has to be hidden.
    """
    handed = os.environ.pop(_FILE, "")
    if handed:
        _take(int(handed))
    elif hasattr(os, "memfd_create") and has_secrets(os.environ):
        _start_again(words)


def has_secrets(variables: Mapping[str, str]) -> bool:
    """Return whether one of ``variables`` is a secret by its name, holds a password, or lets a process sign as the CI job."""
    return len(without_identity(variables)) < len(variables) or bool(secrets_in(variables))


def _take(descriptor: int) -> None:
    import json

    with os.fdopen(descriptor, "rb") as file:
        os.environ.update(json.load(file))
    _close_to_others()


def _close_to_others() -> None:
    """Keep other processes of this user from the memory of this one.  The programs that it starts are not affected."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _start_again(words: list[str]) -> None:
    import json  # only who has a secret pays for it

    hidden = {name: value for name, value in os.environ.items() if not is_plain(name)}
    shown = {name: value for name, value in os.environ.items() if is_plain(name)}
    descriptor = os.memfd_create("environment", 0)
    os.write(descriptor, json.dumps(hidden).encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    # With -m alone the folder that the program is called in would come first on its path: a json.py there would run.
    argv = [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", "dawsos.cli", *words]
    os.execve(sys.executable, argv, {**shown, _FILE: str(descriptor)})  # noqa: S606


def is_plain(name: str) -> bool:
    """Return whether the variable ``name`` holds nothing that must be hidden."""
    return name in _PLAIN or name.startswith(_PLAIN_BEGINNINGS)
