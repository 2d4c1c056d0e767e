"""The labels by which the objects of an environment are found on a cluster, and the paths of their kinds.

Objects are found by labels, so that a chart may call them as it likes.  docs/kubernetes.md says what a chart must label.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

# Which deployment (of the tool's contract) an object or a pod belongs to.  MAIN is the one of a plain `helm upgrade`; a Service
# that selects NOBODY sends requests to no pod.
DEPLOYMENT = "dawsos.dev/deployment"
MAIN, NOBODY = "main", "none"
# Of a Service: `stable` or `canary`.
ROLE = "dawsos.dev/role"
# Annotations: the digest of the release and its commit; the deployment that stays warm; who conducts the rollout.
RELEASE = "dawsos.dev/release"
COMMIT = "dawsos.dev/commit"
STANDBY = "dawsos.dev/standby"
CONTROLLER = "dawsos.dev/controller"

# Of what `dawsos down` has scaled to zero: how many there were.
REPLICAS = "dawsos.dev/replicas"
# Of the worker of a release that does not serve: how many there were.
WORKERS = "dawsos.dev/workers"
# Of a Deployment: when a drill killed pods of it, in seconds since the epoch, as a list in JSON.
CRASHED = "dawsos.dev/crashed"
# Of a Job: the command that it runs for a release.
COMMAND = "dawsos.dev/command"

MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
BACKEND, WORKER, JOB, STAND_INS, GUARDIAN = "backend", "worker", "job", "stand-ins", "guardian"
# Of the Job that conducts a rollout.
CONDUCTOR = "conductor"


@dataclass(frozen=True)
class Paths:
    """The paths of the kinds of objects in one namespace; ``of(kind, name)`` is that of one object."""

    namespace: str

    def of(self, kind: str, name: str = "", part: str = "") -> str:
        """Return the path of a kind (``pods``), of an object, or of a part of it (``log``)."""
        found = f"{_ROOTS[kind]}/namespaces/{quote(self.namespace, safe='')}/{kind}"
        return "/".join([found, *(quote(each, safe="") for each in (name, part) if each)])


_CORE = "/api/v1"
_ROOTS: dict[str, str] = {
    **dict.fromkeys(
        (
            "configmaps",
            "endpoints",
            "events",
            "pods",
            "persistentvolumeclaims",
            "secrets",
            "services",
            "serviceaccounts",
        ),
        _CORE,
    ),
    **dict.fromkeys(("deployments", "replicasets", "statefulsets"), "/apis/apps/v1"),
    **dict.fromkeys(("jobs", "cronjobs"), "/apis/batch/v1"),
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "httproutes": "/apis/gateway.networking.k8s.io/v1",
    "gateways": "/apis/gateway.networking.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "canaries": "/apis/flagger.app/v1beta1",
    "metrictemplates": "/apis/flagger.app/v1beta1",
    "alertproviders": "/apis/flagger.app/v1beta1",
}
