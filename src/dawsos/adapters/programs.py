"""Programs of the machine that a toolchain names: where they are, and which version each is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from dawsos.adapters.digests import sha256
from dawsos.errors import InfrastructureError

# Where base_environment looks; what is found there needs no folder of its own on PATH.
USUAL = ("/usr/local/bin", "/usr/bin", "/bin")
_WITHIN = 30.0
# How a program is asked for its version, when it is not ``--version``.
_ASKED = {"go": ("version",)}
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def find(name: str, environ: Mapping[str, str]) -> Path | None:
    """Return where the program called ``name`` is on the PATH of ``environ``, else in the usual folders; None when it is nowhere.

    Relative folders on PATH do not count: what they hold depends on where the tool was started.
    """
    folders = [folder for folder in environ.get("PATH", "").split(os.pathsep) if Path(folder).is_absolute()]
    found = shutil.which(name, path=os.pathsep.join(dict.fromkeys((*folders, *USUAL))))
    return None if found is None else Path(found)


def missing(names: Iterable[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return those of ``names`` that are nowhere."""
    return tuple(name for name in names if find(name, environ) is None)


def folders(names: Iterable[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the folders of the programs that must come first on PATH, so that these programs are found, and no others of their name.

    Raises InfrastructureError with the name of a program that is nowhere.
    """
    return tuple(dict.fromkeys(_folders(names, environ)))


def _folders(names: Iterable[str], environ: Mapping[str, str]) -> Iterator[str]:
    for name in names:
        path = find(name, environ)
        if path is None:
            raise InfrastructureError(
                f"there is no program {name} on PATH, which the project's toolchain names",
                fix=f"install {name}, or start dawsos where it is on PATH",
            )
        if shutil.which(name, path=os.pathsep.join(USUAL)) != str(path):
            yield str(path.parent)


def version(name: str, environ: Mapping[str, str]) -> str:
    """Return the first line that the program says about its version; of one that says none, the digest of its file.

    An empty text for a program that is nowhere.
    """
    path = find(name, environ)
    if path is None:
        return ""
    facts = path.resolve().stat()
    return _version(name, str(path), environ.get("HOME", "/"), (facts.st_mtime_ns, facts.st_size))


@lru_cache(maxsize=64)
def _version(name: str, path: str, home: str, _facts: tuple[int, int]) -> str:
    search = os.pathsep.join((str(Path(path).parent), *USUAL))
    try:
        done = subprocess.run(
            [path, *_ASKED.get(name, ("--version",))], env={"PATH": search, "HOME": home, "LANG": "C.UTF-8"},
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_WITHIN,
            check=False,
        )  # fmt: skip
        said = _ESCAPE.sub("", done.stdout.decode(errors="replace")).strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    return said.splitlines()[0].strip() if said else f"sha256 {sha256(Path(path).read_bytes())[:16]}"
