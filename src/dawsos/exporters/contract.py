"""The contract of an exporter: its options, and a pure function from the pipeline to the files of another tool.

Each module ends in ``EXPORTER = Exporter(Options, render)``.  mypy solves ``OptionsT`` from both, so a function that takes the
options of another exporter, or returns something else, is a type error in that line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from dawsos.model.exports import ExportOptions
from dawsos.model.pipeline import Pipeline

# Path below the project's root, with ``/`` -> content of the file.
Files: TypeAlias = Mapping[str, str]

OptionsT = TypeVar("OptionsT", bound=ExportOptions)


@dataclass(frozen=True)
class Exporter(Generic[OptionsT]):
    """One exporter.  ``render`` does no I/O and reads no clock, and gives the same text for the same pipeline.

    Each text holds the line of ``text.header``: ``dawsos export`` overwrites no file without it.  ``render`` raises BadInput
    when the pipeline lacks what the other tool needs.
    """

    options: type[OptionsT]
    render: Callable[[Pipeline, OptionsT], Files]
