"""Variables that an environment takes from the person or job that ships: the keys of real providers (``pass_env``), and the
tokens with which its observability is asked (``observability``), which no release gets.

They are kept with the environment, readable by its owner only, so that a rollback or a resume in another shell can start a
process with the same values.  ``down --purge`` deletes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dawsos.adapters.files import read_json, write_json
from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.runs.project import Project

_FILE = "passed.json"
_FIX = "set it where you start dawsos, or choose a profile in which the environment does without it"


def take(
    project: Project,
    pipeline: Pipeline,
    stages: Iterable[Stage],
    profile: str,
    environ: Mapping[str, str],
    *,
    fresh: bool,
) -> None:
    """Keep the variables that the environments of ``stages`` take from ``environ``.

    Raises BadInput with a line for each that is not set.  Without ``fresh`` (a resumed run) a kept value is enough.
    """
    names = dict.fromkeys(stage.environment for stage in stages if stage.environment is not None)
    missing, wanted = [], {}
    for name in names:
        settings, kept = pipeline.environment(name, profile), _kept(project, name)
        wanted[name] = dict(kept)
        for place, keys in (("pass_env", settings.pass_env), ("observability", settings.observability.tokens)):
            given = {key: environ[key] for key in keys if environ.get(key)}
            lost = [key for key in keys if key not in given and (fresh or key not in kept)]
            missing += [f"pipeline.yaml: environments.{name}.{place}: {key} is not set" for key in lost]
            wanted[name].update(given)
    if missing:
        raise BadInput("\n".join(missing), fix=_FIX)
    for name, values in wanted.items():
        if values != _kept(project, name):
            write_json(project.environment(name) / _FILE, values, durable=True, mode=0o600)


def passed(project: Project, name: str, settings: EnvironmentSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the environment takes from the person or job that ships: the kept values, else those of
    ``environ``.

    Raises BadInput for one that has no value.
    """
    known = {**{key: value for key, value in environ.items() if value}, **_kept(project, name)}
    missing = [key for key in settings.pass_env if key not in known]
    if missing:
        raise BadInput("\n".join(f"environments.{name}.pass_env: {key} is not set" for key in missing), fix=_FIX)
    return {key: known[key] for key in settings.pass_env}


def tokens(project: Project, name: str, settings: EnvironmentSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the bearer tokens for the servers of ``settings.observability``: those of ``environ``, else the kept ones.

    Unlike a process, which must be started again with what it had, a question is asked with the newest token.  Raises BadInput
    for one that has no value.
    """
    known = {**_kept(project, name), **{key: value for key, value in environ.items() if value}}
    missing = [key for key in settings.observability.tokens if key not in known]
    if missing:
        raise BadInput("\n".join(f"environments.{name}.observability: {key} is not set" for key in missing), fix=_FIX)
    return {key: known[key] for key in settings.observability.tokens}


def _kept(project: Project, name: str) -> dict[str, str]:
    found = read_json(project.environment(name) / _FILE) or {}
    return {key: value for key, value in found.items() if isinstance(value, str)}
