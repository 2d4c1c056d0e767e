"""Checks that no schema can express: names that must exist, ids that must differ, needs without a circle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import get_args

from dawsos.adapters.identity import SIGNING_KEY
from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentSettings, ServiceName
from dawsos.model.names import did_you_mean
from dawsos.model.observability import Observability
from dawsos.model.pipeline import Pipeline, Profile
from dawsos.model.policy import RolloutSettings

Place = tuple[str | int, ...]


def semantic_problems(pipeline: Pipeline) -> list[tuple[Place, str]]:
    """Return (place, message) for every name that does not resolve."""
    return [
        *_stages(pipeline),
        *_environments(pipeline),
        *_stand_ins(pipeline),
        *_variables(pipeline),
        *_observability(pipeline),
        *_service(pipeline),
        *_packages(pipeline),
        *_profiles(pipeline),
        *_allowed(pipeline),
        *_private(pipeline),
        *_exports(pipeline),
    ]


def _private(pipeline: Pipeline) -> Iterator[tuple[Place, str]]:
    """Find where the key that signs the evidence would be given to what the evidence is about."""
    message = f"{SIGNING_KEY} is for the tool alone: what it signs must not be able to sign"
    for number, stage in enumerate(pipeline.stages):
        if SIGNING_KEY in stage.pass_env:
            yield ("stages", number, "pass_env", stage.pass_env.index(SIGNING_KEY)), message
    for name, settings in pipeline.environments.items():
        if SIGNING_KEY in settings.pass_env:
            yield ("environments", name, "pass_env", settings.pass_env.index(SIGNING_KEY)), message
        yield from _sent(("environments", name), settings.observability)
    for profile, changes in pipeline.profiles.items():
        for name, changed in changes.environments.items():
            if SIGNING_KEY in (changed.pass_env or ()):
                yield ("profiles", profile, "environments", name, "pass_env"), message
            yield from _sent(("profiles", profile, "environments", name), changed.observability)


def _sent(place: Place, settings: Observability | None) -> Iterator[tuple[Place, str]]:
    """Find where the key that signs the evidence would be sent to a server as a token."""
    for key, server in (settings or Observability()).servers().items():
        if server.token == SIGNING_KEY:
            yield (*place, "observability", key, "token"), f"{SIGNING_KEY} is for the tool alone, and sent to nobody"


def _stages(pipeline: Pipeline) -> list[tuple[Place, str]]:
    problems: list[tuple[Place, str]] = []
    ids = [stage.id for stage in pipeline.stages]
    for number, stage in enumerate(pipeline.stages):
        if stage.id in ids[:number]:
            problems.append((("stages", number, "id"), f"the id {stage.id!r} is used twice"))
        for index, need in enumerate(stage.needs):
            if need not in ids:
                problems.append(
                    (("stages", number, "needs", index), f"unknown stage {need!r}{did_you_mean(need, ids)}")
                )
        if stage.toolchain is not None and stage.toolchain not in pipeline.toolchains:
            message = f"unknown toolchain {stage.toolchain!r}{did_you_mean(stage.toolchain, pipeline.toolchains)}"
            problems.append((("stages", number, "toolchain"), message))
    return problems or _cycle(pipeline)


def _packages(pipeline: Pipeline) -> Iterator[tuple[Place, str]]:
    """Find where Python packages are needed, and a toolchain has programs only."""
    with_packages = [name for name, one in pipeline.toolchains.items() if one.requirements is not None]
    without = bool(pipeline.toolchains) and not with_packages
    for number, stage in enumerate(pipeline.stages):
        if stage.uses == "release" and pipeline.service.requirements is not None and without:
            message = "service.requirements are installed by a toolchain, and none has requirements itself"
            yield ("stages", number, "uses"), message
        chosen = pipeline.toolchains.get(stage.toolchain or "")
        if stage.uses == "release" and chosen is not None and chosen.python is not None:
            message = (
                f"a release runs with the tool's own Python, and the toolchain {stage.toolchain!r} has another one"
            )
            yield ("stages", number, "toolchain"), message
    for name, one in pipeline.stand_ins.items():
        if one.toolchain in pipeline.toolchains and one.toolchain not in with_packages:
            yield ("stand_ins", name, "toolchain"), f"the toolchain {one.toolchain!r} has no requirements, so no Python"


def _environments(pipeline: Pipeline) -> list[tuple[Place, str]]:
    problems: list[tuple[Place, str]] = []
    known = pipeline.environments
    for number, stage in enumerate(pipeline.stages):
        if stage.environment is not None and stage.environment not in known:
            problems.append((("stages", number, "environment"), _unknown_environment(stage.environment, known)))
    for name, profile in pipeline.profiles.items():
        for changed in profile.environments:
            if changed not in known:
                problems.append((("profiles", name, "environments", changed), _unknown_environment(changed, known)))
    problems += _platforms(pipeline)
    problems += _images(pipeline)
    rolling_out = [number for number, stage in enumerate(pipeline.stages) if stage.uses == "rollout"]
    for number in rolling_out[1:]:
        first = pipeline.stages[rolling_out[0]].id
        message = f"{first!r} uses rollout too: a run takes its release to the users once, and rollback undoes that"
        problems.append((("stages", number, "uses"), message))
    return problems


def _images(pipeline: Pipeline) -> Iterator[tuple[Place, str]]:
    """Find environments that run images which nobody builds, or want signatures that nobody gives."""
    service = pipeline.service
    for name, settings, place in _settings(pipeline):
        if settings.images is None:
            continue
        if not service.images or service.builder == "bundle":
            lacking = (
                "service.images names none" if not service.images else "service.builder is bundle, which builds none"
            )
            yield (*place, "images"), f"{name} runs container images, and {lacking}"
        if settings.images.signed and not pipeline.is_production(name):
            why = "only what goes to users has passed all gates"
            yield (*place, "images", "signed"), f"nothing is signed for {name}: {why}"


def _settings(pipeline: Pipeline) -> Iterator[tuple[str, EnvironmentSettings, Place]]:
    """Yield (name, settings, place) of each environment, and of each that a profile gives other images."""
    for name, settings in pipeline.environments.items():
        yield name, settings, ("environments", name)
    for profile, changed in pipeline.profiles.items():
        for name, changes in changed.environments.items():
            known = pipeline.environments.get(name)
            if known is not None and changes.images is not None:
                yield name, known.changed_by(changes), ("profiles", profile, "environments", name)


def _platforms(pipeline: Pipeline) -> Iterator[tuple[Place, str]]:
    """Find environments that lack what their platform needs, or have what it does not know."""
    for name, settings in pipeline.environments.items():
        for key in settings.foreign:
            yield ("environments", name, key), f"platform {settings.platform} knows no {key!r}: that is for kubernetes"
        if settings.missing:
            yield ("environments", name), f"platform kubernetes needs {', '.join(settings.missing)} as well"
    for profile, changed in pipeline.profiles.items():
        for name, changes in changed.environments.items():
            known = pipeline.environments.get(name)
            if known is None:
                continue
            missing = known.changed_by(changes).missing
            if missing and missing != known.missing:
                place: Place = ("profiles", profile, "environments", name)
                yield place, f"platform kubernetes needs {', '.join(missing)} as well"


def _stand_ins(pipeline: Pipeline) -> list[tuple[Place, str]]:
    problems: list[tuple[Place, str]] = []
    taken = {port: f"the worker {worker.name!r}" for worker in pipeline.service.workers for port in worker.ports}
    for name, one in pipeline.stand_ins.items():
        place: Place = ("stand_ins", name)
        if name in (*get_args(ServiceName), "proxy"):
            problems.append(
                (place, f"{name!r} is a process that every environment may have: name the stand-in otherwise")
            )
        if one.toolchain not in pipeline.toolchains:
            near = did_you_mean(one.toolchain, pipeline.toolchains)
            problems.append(((*place, "toolchain"), f"unknown toolchain {one.toolchain!r}{near}"))
        for index, port in enumerate(one.ports):
            if port in taken:
                problems.append(((*place, "ports", index), f"{port!r} is a port of {taken[port]} already"))
            taken[port] = f"the stand-in {name!r}"
    for place, names in _chosen_stand_ins(pipeline):
        for index, name in enumerate(names):
            if name not in pipeline.stand_ins:
                near = did_you_mean(name, pipeline.stand_ins)
                problems.append(((*place, "stand_ins", index), f"unknown stand-in {name!r}{near}"))
    return problems


def _chosen_stand_ins(pipeline: Pipeline) -> Iterator[tuple[Place, tuple[str, ...]]]:
    for name, settings in pipeline.environments.items():
        yield ("environments", name), settings.stand_ins
    for profile, changes in pipeline.profiles.items():
        for name, changed in changes.environments.items():
            yield ("profiles", profile, "environments", name), changed.stand_ins or ()


_PORT = re.compile(r"\{([A-Z][A-Z0-9_]*_PORT)\}")


def _variables(pipeline: Pipeline) -> list[tuple[Place, str]]:
    """Check with each profile that the ports which a variable names exist: a variable that named another one would not be set."""
    of_workers = {port for worker in pipeline.service.workers for port in worker.ports}
    problems: dict[Place, str] = {}
    for profile in (None, *pipeline.profiles):
        for name in pipeline.environments:
            settings = pipeline.environment(name, profile)
            known = of_workers | _ports_of_stand_ins(pipeline, settings)
            for key, value in settings.env.items():
                for port in sorted({*_PORT.findall(value)} - known):
                    problems.setdefault(
                        _place_of(pipeline, name, profile, "env", key), _no_port(port, name, profile, known)
                    )
            for twice in sorted({*settings.pass_env} & {*settings.env}):
                problems.setdefault(
                    _place_of(pipeline, name, profile, "env", twice),
                    f"{twice!r} is in pass_env as well: a variable has one value",
                )
    return list(problems.items())


def _ports_of_stand_ins(pipeline: Pipeline, settings: EnvironmentSettings) -> set[str]:
    """Return the ports of the stand-ins that run in an environment; one that does not exist is told elsewhere."""
    there = [pipeline.stand_ins[name] for name in settings.stand_ins if name in pipeline.stand_ins]
    return {port for one in there for port in one.ports}


def _no_port(port: str, name: str, profile: str | None, known: Iterable[str]) -> str:
    with_profile = f" with the profile {profile!r}" if profile else ""
    return f"no worker, and no stand-in of {name}{with_profile}, has the port {port!r}{did_you_mean(port, known)}"


def _observability(pipeline: Pipeline) -> list[tuple[Place, str]]:
    """Check with each profile that the servers of an environment are those that a verification asks, and can be asked."""
    of_workers = {port for worker in pipeline.service.workers for port in worker.ports}
    users = _users(pipeline)
    problems: dict[Place, str] = {}
    for profile in (None, *pipeline.profiles):
        for name in pipeline.environments:
            settings = pipeline.environment(name, profile)
            known = of_workers | _ports_of_stand_ins(pipeline, settings)
            place = _place_of(pipeline, name, profile, "observability")
            if settings.observability != Observability() and name != users:
                told = f"it is {users}" if users else "there is none: no stage uses rollout or deploy"
                problems.setdefault(place, f"only the users' environment is verified, and {told}")
            for key, server in settings.observability.servers().items():
                for port in sorted({*_PORT.findall(server.url)} - known):
                    problems.setdefault((*place, key, "url"), _no_port(port, name, profile, known))
                if server.token in settings.env:
                    problems.setdefault(
                        (*place, key, "token"), f"{server.token!r} is in env as well: keep a token out of files"
                    )
    return list(problems.items())


def _users(pipeline: Pipeline) -> str:
    """Return the environment that ``verify`` looks at, an empty text without one."""
    try:
        return pipeline.rollout_stage().environment
    except BadInput:
        return ""


def _place_of(pipeline: Pipeline, name: str, profile: str | None, key: str, variable: str = "") -> Place:
    """Return where ``key`` of an environment (and its ``variable``) is written: in the profile, or in the environment."""
    changes = pipeline.profiles[profile].environments.get(name) if profile else None
    changed = getattr(changes, key) if changes is not None else None
    rest: Place = (key, variable) if variable else (key,)
    if changed is not None and (not variable or variable in changed):
        return ("profiles", str(profile), "environments", name, *rest)
    return ("environments", name, *rest)


def _unknown_environment(name: str, known: Iterable[str]) -> str:
    there_are = f"there are: {', '.join(known)}" if known else f"write environments.{name}"
    return f"unknown environment {name!r}{did_you_mean(name, known) or '; ' + there_are}"


def _cycle(pipeline: Pipeline) -> list[tuple[Place, str]]:
    try:
        TopologicalSorter({stage.id: stage.needs for stage in pipeline.stages}).prepare()
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        number = next(index for index, stage in enumerate(pipeline.stages) if stage.id == error.args[1][0])
        return [(("stages", number, "needs"), f"the needs go in a circle: {path}")]
    return []


def _service(pipeline: Pipeline) -> list[tuple[Place, str]]:
    service = pipeline.service
    jobs = [job.name for job in service.jobs]
    problems: list[tuple[Place, str]] = []
    for part, key, names in (
        ("workers", "name", [[worker.name] for worker in service.workers]),
        ("workers", "ports", [list(worker.ports) for worker in service.workers]),
        ("jobs", "name", [[job.name] for job in service.jobs]),
        ("verify", "name", [[job.name] for job in service.verify]),
        ("images", "name", [[image.name] for image in service.images]),
    ):
        seen: set[str] = set()
        for index, own in enumerate(names):
            twice = [name for number, name in enumerate(own) if name in seen or name in own[:number]]
            seen |= set(own)
            problems += [(("service", part, index, key), f"{name!r} is used twice") for name in twice]
    for index, name in enumerate(service.before_traffic):
        if name not in jobs:
            problems.append((("service", "before_traffic", index), f"unknown job {name!r}{did_you_mean(name, jobs)}"))
    for name, drill in service.drills.items():
        if drill.job not in jobs:
            problems.append(
                (("service", "drills", name, "job"), f"unknown job {drill.job!r}{did_you_mean(drill.job, jobs)}")
            )
    return problems


def _profiles(pipeline: Pipeline) -> list[tuple[Place, str]]:
    steps = len(pipeline.rollout.ladder)
    problems: list[tuple[Place, str]] = []
    for name, profile in pipeline.profiles.items():
        place: Place = ("profiles", name)
        if name == "production":
            problems.append(
                (place, "production is the rollout as it is written: change it there, or name it otherwise")
            )
            continue
        if profile.durations and len(profile.durations) != steps:
            problems.append(
                ((*place, "durations"), f"{len(profile.durations)} durations for a ladder of {steps} steps")
            )
            continue
        policy = pipeline.policy(name)
        if policy.check_interval < policy.tick:
            problems.append(
                (place, f"check_interval {policy.check_interval:g} s is shorter than tick {policy.tick:g} s")
            )
        if policy.lease <= policy.tick:
            # The policy refuses that too, but a profile's changes are not validated by it again.
            problems.append(
                (place, f"tick {policy.tick:g} s is not shorter than lease {policy.lease:g} s, which it renews")
            )
    return problems


def _exports(pipeline: Pipeline) -> list[tuple[Place, str]]:
    """Check the names that the options of CI services use."""
    problems: list[tuple[Place, str]] = []
    for key, options in (
        ("github_actions", pipeline.exports.github_actions),
        ("gitlab_ci", pipeline.exports.gitlab_ci),
    ):
        if options is None:
            continue
        profiles = ["production", *pipeline.profiles]
        if options.profile not in profiles:
            message = f"unknown profile {options.profile!r}{did_you_mean(options.profile, profiles)}"
            problems.append((("exports", key, "profile"), message))
        for name in options.environments:
            if name not in pipeline.environments:
                message = _unknown_environment(name, pipeline.environments)
                problems.append((("exports", key, "environments", name), message))
        passed = {name for stage in pipeline.stages for name in stage.pass_env}
        for index, name in enumerate(options.secrets):
            if name not in passed:
                message = f"no stage has {name!r} in pass_env{did_you_mean(name, passed)}"
                problems.append((("exports", key, "secrets", index), message))
    return problems


def _allowed(pipeline: Pipeline) -> Iterator[tuple[Place, str]]:
    """Find allowed differences on paths that no rollout asks for: a typo would allow nothing, and say so too late."""
    written: dict[Place, RolloutSettings | Profile] = {("rollout",): pipeline.rollout}
    written |= {("profiles", name): profile for name, profile in pipeline.profiles.items()}
    known = [one.path for each in written.values() for one in (each.load.requests if each.load else ())]
    known += [one.path for each in written.values() for one in (each.compare.requests if each.compare else ())]
    for place, each in written.items():
        for index, one in enumerate(each.compare.allow if each.compare else ()):
            if one.path not in known:
                message = f"no request is declared for {one.path!r}{did_you_mean(one.path, known)}"
                yield (*place, "compare", "allow", index, "path"), message
