"""Keeps compiled templates on disk, because compiling the report takes longer than rendering it."""

from __future__ import annotations

import contextlib
import pickle
from functools import cache
from pathlib import Path

from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket


class KeptTemplates(FileSystemBytecodeCache):
    """A folder of compiled templates, used only for the same text, Python and jinja2.

    A file that cannot be read or written costs one compilation.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ImportError, pickle.PickleError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            super().dump_bytecode(bucket)


@cache
def kept_templates(folder: Path) -> KeptTemplates:
    """Return the one cache of ``folder``: a ship renders several times, and loads each template once."""
    return KeptTemplates(folder)
