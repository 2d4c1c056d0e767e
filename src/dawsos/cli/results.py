"""Carries out the verbs of ``dawsos results``: what a job kept, as one file for the next job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dawsos.cli.console import make_console, say
from dawsos.cli.output import here, print_json

if TYPE_CHECKING:
    from dawsos.runs.results import Loaded


def save(*, target: Path, as_json: bool) -> None:
    """``dawsos results save``."""
    from dawsos.verbs.results import save as verb

    saved = verb(here(), target)
    if as_json:
        print_json({**asdict(saved), "file": str(target), "bytes": target.stat().st_size})
        return
    console = make_console()
    say(console, f"saved    {_stages(one.stage for one in saved.results)} of commit {saved.commit[:8]}")
    for release in saved.releases:
        say(console, f"release  {release[:12]}")
    for run in saved.runs:
        say(console, f"run      {run}")
    for line in saved.left_out:
        say(console, f"left out {line}")
    say(console, f"file     {target}, {target.stat().st_size:,} bytes")


def load(*, sources: tuple[Path, ...], as_json: bool) -> None:
    """``dawsos results load``."""
    from dawsos.verbs.results import load as verb

    loaded = verb(here(), sources)
    if as_json:
        print_json([asdict(one) for one in loaded])
        return
    for source, one in zip(sources, loaded, strict=True):
        _tell(source, one)


def _tell(source: Path, one: Loaded) -> None:
    console = make_console()
    say(console, f"loaded   {_stages(kept.stage for kept in one.results)} of commit {one.commit[:8]} from {source}")
    if one.here:
        say(console, f"         {one.here} of them were here already")
    for release in one.releases:
        say(console, f"release  {release[:12]}")
    for run in one.runs:
        say(console, f"run      {run}")
    for foreign in one.doubted:
        say(console, f"doubted  run {foreign.run}: {foreign.doubt}")
    # A stage that runs again for this is slow and not wrong, so it is told and no error.
    for doubt, amount in Counter(kept.doubt for kept in one.results if kept.doubt).items():
        stages = ", ".join(kept.stage for kept in one.results if kept.doubt == doubt)
        say(console, f"doubted  {amount} of them will not be restored: {doubt} ({stages})")


def _stages(stages: Iterable[str]) -> str:
    names = list(dict.fromkeys(stages))
    return f"{len(names)} {'result' if len(names) == 1 else 'results'}" + (f" ({', '.join(names)})" if names else "")
