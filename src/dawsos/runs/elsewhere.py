"""Runs that a cluster keeps: found by the environments of pipeline.yaml, and taken in before they are resumed here."""

from __future__ import annotations

import asyncio

from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.pipeline import Pipeline
from dawsos.platforms.journals import JOURNALS
from dawsos.runs.keeping import take
from dawsos.runs.project import PIPELINE_FILE, Tools, load


def take_kept(tools: Tools, wanted: str) -> list[str]:
    """Take in the newest run that a cluster keeps, or the one called ``wanted`` (a beginning or an end is enough), and what other
    machines added to it; return the runs that have new events here.

    Raises BadInput for a run that is not as a believed key signed it.  A cluster that cannot be asked matters only to a run that
    is not known here.
    """
    if not (tools.project.root / PIPELINE_FILE).is_file():
        return []
    return asyncio.run(_take_all(tools, wanted))


async def _take_all(tools: Tools, wanted: str) -> list[str]:
    taken: list[str] = []
    for settings in keeping_environments(load(tools.project.root, accept_old=True)):
        journal = JOURNALS[settings.platform](settings)
        try:
            found = [one for one in await journal.heads() if _is(one.run, wanted)]
            if found and await take(tools, journal, found[0]):
                taken.append(found[0].run)
        except (InfrastructureError, BadInput):
            if not _known(tools, wanted):
                raise
        finally:
            await journal.close()
    return taken


def keeping_environments(pipeline: Pipeline) -> list[EnvironmentSettings]:
    """Return the settings of each environment, in every profile, whose platform keeps journals; each place once."""
    profiles = [None, *pipeline.profiles]
    every = [pipeline.environment(name, profile) for name in pipeline.environments for profile in profiles]
    keeping = [one for one in every if one.platform in JOURNALS and one.context and one.namespace and one.release]
    return list({(one.context, one.namespace, one.release): one for one in keeping}.values())


def _is(run: str, wanted: str) -> bool:
    return wanted in ("", "last") or run.startswith(wanted) or run.endswith(wanted)


def _known(tools: Tools, wanted: str) -> bool:
    """Return whether there is a run of this name here, any at all without a name."""
    return any(_is(run, wanted) for run in tools.journal.runs())
