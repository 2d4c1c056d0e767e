"""What a pipeline that can be run will not check, in words that are told before anything runs.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dawsos.model.pipeline import Pipeline, Stage

_VARIABLE = re.compile(r"\$\{?[A-Za-z_]")
_SEVERAL = re.compile(r"[;&|\n]")


def remarks(pipeline: Pipeline, chosen: Sequence[Stage]) -> tuple[str, ...]:
    """Return what a ship of the ``chosen`` stages leaves open, a line each."""
    whole = len(chosen) == len(pipeline.stages)
    used = {stage.uses for stage in chosen}
    lines = [*_users(pipeline, chosen)] if whole else []
    if used & {"deploy", "rollout"}:
        lines += [*_unseen(pipeline, canary="rollout" in used)]
    if used & {"release", "deploy", "rollout"}:
        lines += [*_commands(pipeline)]
    return tuple(lines)


def _users(pipeline: Pipeline, chosen: Sequence[Stage]) -> Iterator[str]:
    """Tell that no canary will be judged: who ships may believe that there is one."""
    if any(stage.uses == "rollout" for stage in chosen):
        return
    deployed = [stage for stage in chosen if stage.uses == "deploy"]
    with_users = [stage for stage in deployed if pipeline.is_production(stage.environment_name)]
    if with_users:
        names = ", ".join(stage.environment_name for stage in with_users)
        yield f"no stage uses rollout: a ship replaces the release of {names} at once, without a canary and its judge"
    elif deployed:
        name = deployed[-1].environment_name
        yield f"no stage uses rollout: a ship ends with {name}, and nothing gets to users"
    else:
        yield "no stage uses deploy or rollout: a ship ends after its gates, and nothing is deployed"


def _unseen(pipeline: Pipeline, *, canary: bool) -> Iterator[str]:
    service = pipeline.service
    if service.version == "none":
        yield "service.version is none: nothing checks that what answers is the release that was shipped"
    if service.healthy == "any":
        yield f"service.healthy is any: {service.health} is healthy whenever it answers 200, whatever it says"
    if service.metrics is None:
        page = service.metrics_page
        yield f"service.metrics is not written: {page} is looked at, and where it is not there metrics are not checked"
    if canary and pipeline.rollout.failure_counters and service.metrics is None:
        yield f"rollout.failure_counters are read from {service.metrics_page}; write service.metrics, so that it must be there"


def _commands(pipeline: Pipeline) -> Iterator[str]:
    """Find commands that mean something else than they say."""
    service = pipeline.service
    commands = {"service.command": service.command}
    commands |= {f"service.workers.{one.name}.command": one.command for one in service.workers}
    commands |= {f"service.jobs.{one.name}.run": one.run for one in service.jobs}
    for place, command in commands.items():
        if not service.shell and _VARIABLE.search(command) and not _calls_shell(command):
            found = _VARIABLE.search(command)
            name = command[found.start() :].split()[0] if found else ""
            yield f"{place} has {name}, which only a shell replaces: write service.shell: true"
        long_lived = not place.startswith("service.jobs")
        if service.shell and long_lived and _SEVERAL.search(command) and not re.search(r"(^|[;&|\s])exec\s", command):
            yield f"{place} is several commands: write exec before the last, so that it gets TERM and can finish its requests"


def _calls_shell(command: str) -> bool:
    words = command.split()
    return any(word.rpartition("/")[2] in ("sh", "bash", "dash", "zsh", "ksh") for word in words[:3])
