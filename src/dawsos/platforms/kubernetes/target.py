"""Where an environment on Kubernetes is: its context, namespace, release and chart; and what the user's programs get to run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters.kubernetes import IN_CLUSTER
from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentSettings

# How each program is got, for whoever has it not.
_PROGRAMS = {
    "helm": "install Helm 3 or 4 (https://helm.sh/docs/intro/install) and put it on PATH",
    "kubectl": "install kubectl (https://kubernetes.io/docs/tasks/tools) and put it on PATH",
}
# Variables that would send a program elsewhere than its options say, and those of this tool, which may be secrets.
_KEPT_BACK = ("HELM_", "DAWSOS_")


@dataclass(frozen=True)
class Target:
    """One environment: the names that pipeline.yaml gives, and the files of the chart in the checkout."""

    context: str
    namespace: str
    release: str
    chart: Path
    values: tuple[Path, ...] = ()
    secret: str = ""
    own_secret: bool = False

    @classmethod
    def of(cls, name: str, settings: EnvironmentSettings, root: Path) -> Target:
        """Return the target of the environment ``name``; raises BadInput for a key that is missing."""
        if settings.missing or settings.platform != "kubernetes":
            lacks = ", ".join(settings.missing) or "platform: kubernetes"
            raise BadInput(
                f"pipeline.yaml: environments.{name} lacks {lacks}", fix="see docs/kubernetes.md for an example"
            )
        release = str(settings.release)
        return cls(
            str(settings.context),
            str(settings.namespace),
            release,
            root / str(settings.chart),
            tuple(root / each for each in settings.values),
            settings.secret or f"{release}-env",
            settings.secret is not None,
        )

    @property
    def kubectl(self) -> tuple[str, ...]:
        """The beginning of a kubectl command for this namespace; raises BadInput when there is no kubectl."""
        where = () if self.context == IN_CLUSTER else ("--context", self.context)
        return (program("kubectl"), *where, "--namespace", self.namespace)


def program(name: str) -> str:
    """Return the path of one of the user's programs; raises BadInput when it is not there."""
    found = shutil.which(name)
    if found is None:
        raise BadInput(f"there is no {name} on PATH", fix=_PROGRAMS[name])
    return found


def given(environ: Mapping[str, str], secret: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the variables that helm and kubectl get: those of the caller, because plugins that log in need what they need;
    without the ``secret`` ones of the environment and those that would send them elsewhere."""
    return {name: value for name, value in environ.items() if not name.startswith(_KEPT_BACK) and name not in secret}
