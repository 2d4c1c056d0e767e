"""Runs that a cluster keeps: found by the environments of pipeline.yaml, and taken in before they are resumed here."""

from __future__ import annotations

import asyncio

from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.pipeline import Pipeline
from dawsos.platforms.journals import JOURNALS
from dawsos.runs.keeping import take
from dawsos.runs.project import PIPELINE_FILE, Tools, load
from dawsos.runs.sealing import seal


def take_kept(tools: Tools, wanted: str) -> list[str]:
    """Take in the runs that clusters keep, or the one called ``wanted`` (a beginning or an end is enough), and what other machines
    added to them; return those that have new events here.  One that has ended elsewhere gets its report here.

    A run that is not as a believed key signed it, and a cluster that cannot be asked, raise BadInput and InfrastructureError when
    what is wanted is not known here.
    """
    if not (tools.project.root / PIPELINE_FILE).is_file():
        return []
    return asyncio.run(_take_all(tools, wanted))


async def _take_all(tools: Tools, wanted: str) -> list[str]:
    taken: list[str] = []
    refused: list[InfrastructureError | BadInput] = []
    for settings in keeping_environments(load(tools.project.root, accept_old=True)):
        journal = JOURNALS[settings.platform](settings)
        try:
            # The newest last, as they began: two may have begun within one second.
            for head in reversed([one for one in await journal.heads() if _is(one.run, wanted)]):
                try:
                    new = await take(tools, journal, head)
                    # What a killed process took in may lack its report.
                    taken += [head.run] if seal(tools, head.run) or new else []
                except BadInput as error:
                    refused.append(error)
        except (InfrastructureError, BadInput) as error:
            # Also a machine without this kubeconfig: an environment of another profile is none of its business.
            refused.append(error)
        finally:
            await journal.close()
    if refused and not _known(tools, wanted):
        raise refused[-1]
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
