"""The graph of stages as jobs of a CI service: which stages share a machine, and which job needs which.  Pure.

A stage acts on an environment, works on the release, or judges the files of the commit.  The first makes a job for each
environment, the second ``build-artifacts``, the third ``quality-gates``; what a stage needs may move it into a later job,
and never into an earlier one, so the jobs form no circle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from dawsos import __version__
from dawsos.errors import BadInput
from dawsos.model.exports import CiOptions
from dawsos.model.pipeline import Pipeline, Stage

QUALITY, BUILD = "quality-gates", "build-artifacts"
# Minutes for what no budget covers: checkout, Python, the tool, toolchains, artifacts.
_AROUND = 15


@dataclass(frozen=True)
class CiJob:
    """One job.  ``approves`` are stages of earlier jobs whose approval the start of this job gives; ``waits``: a stage of this
    job asks for an approval, so that it may end with the exit code 75.
    """

    name: str
    stages: tuple[Stage, ...]
    needs: tuple[str, ...] = ()
    environment: str | None = None
    approves: tuple[Stage, ...] = ()
    waits: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(stage.id for stage in self.stages)

    @property
    def timeout_minutes(self) -> int:
        """What the tool itself allows at most: each budget as often as the stage may be tried, one stage after the other.

        The tool ends a stage that exceeds its budget.  The CI service's own end is for a tool that hangs: it must not come first,
        least of all in a rollout.
        """
        seconds = sum(stage.budget * stage.retry.attempts for stage in self.stages)
        return math.ceil(seconds / 60) + _AROUND


@dataclass
class _Group:
    stages: list[Stage] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)


def ci_jobs(pipeline: Pipeline) -> tuple[CiJob, ...]:
    """Return the jobs in an order in which each comes after those that it needs; raises BadInput for an approval that no job
    can ask for.
    """
    order = _order(pipeline)
    placed = _places(order, _deployed_first(order))
    groups: dict[str, _Group] = {}
    for place in sorted(set(placed.values())):
        groups[place[1]] = _Group()
    for stage in pipeline.stages:
        group = groups[placed[stage.id][1]]
        group.stages.append(stage)
        group.needs |= {placed[need][1] for need in stage.needs} - {placed[stage.id][1]}
    _in_line(groups)
    made = [_job(name, group, list(groups)) for name, group in groups.items()]
    return tuple(_with_approvals(pipeline, job, made) for job in made)


def _order(pipeline: Pipeline) -> list[Stage]:
    sorter = TopologicalSorter({stage.id: stage.needs for stage in pipeline.stages})
    return [pipeline.stage(stage) for stage in sorter.static_order()]


def _deployed_first(order: Sequence[Stage]) -> dict[str, int]:
    """Return environment -> its number in the order in which the stages come to them."""
    names = dict.fromkeys(stage.environment for stage in order if stage.environment is not None)
    return {name: number for number, name in enumerate(names)}


def _places(order: Sequence[Stage], environments: dict[str, int]) -> dict[str, tuple[int, str]]:
    """Return stage -> (number of its job, name of its job)."""
    placed: dict[str, tuple[int, str]] = {}
    for stage in order:
        own = (0, QUALITY)
        if stage.environment is not None:
            own = (2 + environments[stage.environment], f"deploy-{stage.environment}")
        elif stage.uses == "release":
            own = (1, BUILD)
        placed[stage.id] = max([own, *(placed[need] for need in stage.needs)])
    return placed


def _in_line(groups: dict[str, _Group]) -> None:
    """Put what is before the first deployment into a line, and each deployment behind it.

    Those jobs share one concurrency group, in which the job of a newer commit ends the older one's: two of the same run that
    went on at once would end each other.
    """
    before = [name for name in groups if not name.startswith("deploy-")]
    for name, group in groups.items():
        if name in before:
            group.needs |= set(before[: before.index(name)][-1:])
        elif not group.needs:
            group.needs |= set(before[-1:])


def _job(name: str, group: _Group, order: list[str]) -> CiJob:
    environment = name.removeprefix("deploy-") if name not in (QUALITY, BUILD) else None
    needs = tuple(sorted(group.needs, key=order.index))
    waits = any(stage.approval is not None for stage in group.stages)
    return CiJob(name, tuple(group.stages), needs, environment, waits=waits)


def _with_approvals(pipeline: Pipeline, job: CiJob, jobs: Sequence[CiJob]) -> CiJob:
    """Return ``job`` with the approvals that its start gives; raises BadInput for one of its own that no other job can give."""
    for stage in job.stages:
        if stage.approval is not None:
            _must_be_asked(pipeline, stage, job, jobs)
    asked = [
        stage
        for other in jobs
        if other.name in job.needs
        for stage in other.stages
        if stage.approval is not None and _direct(pipeline, stage, job)
    ]
    return CiJob(job.name, job.stages, job.needs, job.environment, tuple(asked), job.waits)


def _direct(pipeline: Pipeline, stage: Stage, job: CiJob) -> bool:
    return any(stage.id in one.needs for one in job.stages)


def _must_be_asked(pipeline: Pipeline, stage: Stage, job: CiJob, jobs: Sequence[CiJob]) -> None:
    """Raise BadInput unless jobs with an environment of their own follow the approval, and nothing else does."""
    where = f"pipeline.yaml: the approval of the stage {stage.id}"
    followers = [other for other in jobs if _direct(pipeline, stage, other)]
    if not followers or any(other is job or other.environment is None for other in followers):
        raise BadInput(
            f"{where} cannot be asked for in CI: a reviewer of an environment approves before the next job starts, and what needs "
            f"{stage.id} is {'in ' + followers[0].name if followers else 'nothing'}",
            fix=f"let only a stage of another environment need {stage.id}, or give the approval to a stage before a deployment",
        )
    if stage.approval is not None and stage.approval.needed > 1:
        raise BadInput(
            f"{where} needs {stage.approval.needed} people, and an environment of a CI service asks for one",
            fix="approve with dawsos approve on a machine of your own, or write needed: 1",
        )


def users_environment(pipeline: Pipeline) -> str | None:
    """Return the environment in which the users are, None for a pipeline that deploys nothing."""
    try:
        return pipeline.rollout_stage().environment
    except BadInput:
        return None


def stays_on_the_runner(pipeline: Pipeline, options: CiOptions, environment: str) -> bool:
    """Return whether processes of the runner itself serve users: what `platform: local` runs, runs where dawsos does."""
    local = pipeline.environment(environment, options.profile).platform == "local"
    return local and (pipeline.is_production(environment) or environment == users_environment(pipeline))


def home(pipeline: Pipeline, options: CiOptions, environment: str | None) -> str | None:
    """Return the folder of the runner that keeps the environment, None where the environment may end with the job."""
    if environment is None:
        return None
    settings = options.environments.get(environment)
    if settings is not None and settings.home is not None:
        return settings.home
    stays = stays_on_the_runner(pipeline, options, environment)
    return f"/var/lib/dawsos/{pipeline.name}-{environment}" if stays else None


def turn(pipeline: Pipeline, options: CiOptions, environment: str) -> str:
    """Return the name under which jobs of the environment wait for each other, and for others that keep their runs with it."""
    kept = home(pipeline, options, environment)
    sharing = [name for name in pipeline.environments if kept is not None and home(pipeline, options, name) == kept]
    return f"deploy-{(sharing or [environment])[0]}"


def variables(pipeline: Pipeline, options: CiOptions, job: CiJob) -> tuple[str, ...]:
    """Return the names of the variables that the job's environments take from it, with the tokens of what observes them, and of
    secrets that its stages take."""
    names: dict[str, None] = {}
    for stage in job.stages:
        if stage.environment is not None:
            settings = pipeline.environment(stage.environment, options.profile)
            names |= dict.fromkeys((*settings.pass_env, *settings.observability.tokens))
        names |= dict.fromkeys(name for name in stage.pass_env if name in options.secrets)
    return tuple(names)


def to_install(options: CiOptions) -> tuple[str, ...]:
    """Return what pip gets to install the tool, nothing where the repository has a command of its own."""
    if options.command != "dawsos":
        return ()
    if options.requirements:
        return ("--require-hashes", "--no-deps", "-r", options.requirements)
    return (options.package or f"dawsos-pipeline=={__version__}",)


def locks(pipeline: Pipeline, options: CiOptions) -> tuple[str, ...]:
    """Return the files that decide what toolchains and tool hold."""
    own = ("requirements/tool.txt",) if options.command != "dawsos" else ()
    given = (options.requirements,) if options.requirements else ()
    toolchains = (one.requirements for one in pipeline.toolchains.values() if one.requirements is not None)
    return tuple(dict.fromkeys((*toolchains, *given, *own))) or ("pipeline.yaml",)


def waiting(line: str, note: str) -> str:
    """Return a script that runs ``line`` and passes when only an approval is missing, which the next environment asks for.

    The command ``note`` tells that job so.  Nobody types in a job, even where the CI service gives it a terminal.
    """
    return (
        f"code=0\n{line} < /dev/null || code=$?\n"
        "# Exit code 75: every gate passed, and only the approval is missing. A reviewer of the next environment gives it.\n"
        f'if [ "$code" -ne 75 ]; then exit "$code"; fi\n{note}\n'
    )


def approving(options: CiOptions, run: str, name: str, reason: str) -> str:
    """Return the script that approves the waiting ``run`` of an earlier job over what was shown there, and lets it go on.

    A run that is decided already, because this job is tried again, is left as it is: what is not approved is not restored.
    """
    approve = f'{options.command} approve "{run}" --as "{name}" --reason "{reason}"'
    return f'if {approve}; then {options.command} resume "{run}"; fi'
