"""The rights that this tool, and the user's helm, need in a cluster: asked all at once before anything is changed.

The same lists are the source of ``deploy/kubernetes/rbac.yaml`` and of ``rbac-guardian.yaml`` beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from dawsos.adapters.kubernetes import ApiError, Cluster, Object, Unreachable
from dawsos.errors import BadInput

_READ = ("get", "list", "watch")
_OWN = (*_READ, "create", "update", "patch", "delete")
# So often one right is asked for: of a hundred questions to a busy API server one may get no answer.
_TRIES = 3
# In which namespace a right is needed: that of the environment, or that of the gateway's pods.
APPLICATION, GATEWAY = "environment", "gateway"


@dataclass(frozen=True)
class Right:
    """``verbs`` on ``resources`` of an API group, and what needs them."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    where: str = APPLICATION


RIGHTS: tuple[Right, ...] = (
    Right("", ("services", "configmaps", "serviceaccounts", "persistentvolumeclaims"), _OWN, "objects of the chart"),
    Right("", ("secrets",), _OWN, "the revisions that helm keeps, and the Secret of the environment"),
    Right("apps", ("deployments", "statefulsets"), _OWN, "objects of the chart, scaled and removed by a rollout"),
    Right("batch", ("jobs", "cronjobs"), _OWN, "objects of the chart, and the commands of a release"),
    Right("policy", ("poddisruptionbudgets",), _OWN, "objects of the chart"),
    Right("autoscaling", ("horizontalpodautoscalers",), _OWN, "objects of the chart"),
    Right("networking.k8s.io", ("networkpolicies",), _OWN, "objects of the chart"),
    Right("gateway.networking.k8s.io", ("httproutes",), _OWN, "the weights of a rollout"),
    Right("coordination.k8s.io", ("leases",), _OWN, "only one controller at a time"),
    Right(
        "",
        ("pods",),
        (*_READ, "create", "delete"),
        "what is ready and why not; a canary that is stopped; faults of a drill",
    ),
    Right("", ("pods/log",), ("get",), "what a release's commands print"),
    Right("", ("events",), ("list",), "why a pod does not start"),
    Right("apps", ("replicasets",), ("get", "list"), "which pods belong to which revision"),
    Right("discovery.k8s.io", ("endpointslices",), _READ, "whether the Services have followed their selectors"),
    Right(
        "",
        ("pods/portforward",),
        ("create",),
        "steps that talk to the environment's database; answers compared before traffic",
    ),
    Right("", ("pods/exec",), ("create",), "steps on this machine that look into a replica"),
    Right("", ("pods",), _READ, "the gateway's pods", GATEWAY),
    Right("gateway.networking.k8s.io", ("gateways",), ("get",), "the address of the gateway", GATEWAY),
    Right("", ("pods/proxy",), ("get",), "the statistics of each of the gateway's pods", GATEWAY),
)

# What the chart's guardian needs beside them, where the values enable it: Kubernetes lets nobody give a right that he has not.
GUARDED: tuple[Right, ...] = (
    Right(
        "rbac.authorization.k8s.io",
        ("roles", "rolebindings"),
        _OWN,
        "the guardian's own rights, an object of the chart",
    ),
    Right("", ("events",), ("create",), "a right that the guardian gets"),
)


# With ``driver: flagger``; the rights for Jobs only where the service has commands, see docs/flagger.md.
_CHANGED = ("get", "patch")
FLAGGER_RIGHTS: tuple[Right, ...] = (
    Right("apps", ("deployments",), _CHANGED, "the Deployment that the Canary targets"),
    Right("gateway.networking.k8s.io", ("httproutes",), _CHANGED, "the weights, and a rollback that a person asks for"),
    Right(
        "flagger.app",
        ("canaries", "metrictemplates", "alertproviders"),
        ("get", "create", "patch"),
        "the objects of the export",
    ),
    Right("flagger.app", ("canaries/status",), ("patch",), "a rollback that a person asks for"),
    Right("", ("events",), ("list",), "what Flagger says"),
)


@dataclass(frozen=True)
class Missing:
    """One right that the user has not."""

    namespace: str
    verb: str
    resource: str
    why: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} in {self.namespace} ({self.why})"


def needed(namespace: str, gateway: str | None, rights: Iterable[Right] = RIGHTS) -> list[tuple[Right, str, str, str]]:
    """Return (right, namespace, verb, resource) of each question; without a ``gateway`` its rights are not asked for."""
    return [
        (right, namespace if right.where == APPLICATION else str(gateway), verb, resource)
        for right in rights
        if right.where == APPLICATION or gateway is not None
        for resource in right.resources
        for verb in right.verbs
    ]


async def missing(
    cluster: Cluster, namespace: str, gateway: str | None, rights: Iterable[Right] = RIGHTS
) -> list[Missing]:
    """Return the rights that the user has not.

    One question a namespace tells what its rules give; only what they do not give is asked for one by one, because an API server may
    allow more than its rules say.
    """
    asked = needed(namespace, gateway, rights)
    spaces = sorted({where for _, where, _, _ in asked})
    given = dict(zip(spaces, await asyncio.gather(*(_rules(cluster, space) for space in spaces)), strict=True))
    asked = [one for one in asked if not gives(given[one[1]], one[0].group, one[2], one[3])]
    # The API server answers each in a millisecond, but not a hundred connections at once.
    few = asyncio.Semaphore(8)

    async def allowed(right: Right, where: str, verb: str, resource: str) -> bool:
        async with few:
            for _ in range(_TRIES - 1):
                with suppress(Unreachable):
                    return await cluster.allowed(where, verb, resource, group=right.group)
            return await cluster.allowed(where, verb, resource, group=right.group)

    answers = await asyncio.gather(*(allowed(*one) for one in asked))
    return [
        Missing(where, verb, resource, right.why)
        for (right, where, verb, resource), yes in zip(asked, answers, strict=True)
        if not yes
    ]


async def _rules(cluster: Cluster, namespace: str) -> list[Object]:
    try:
        return await cluster.rules(namespace)
    except (ApiError, Unreachable):
        return []


def gives(rules: Iterable[Object], group: str, verb: str, resource: str) -> bool:
    """Return whether one of the rules gives ``verb`` on every object of ``resource`` (``pods``, ``pods/log``)."""

    def has(rule: Object, key: str, *words: str) -> bool:
        return any(word in (rule.get(key) or ()) for word in words)

    return any(
        has(rule, "apiGroups", group, "*")
        and has(rule, "resources", resource, "*")
        and has(rule, "verbs", verb, "*")
        and not rule.get("resourceNames")
        for rule in rules
    )


def refusal(lacking: Iterable[Missing], context: str) -> BadInput:
    """Return the error that lists the missing rights, those of one resource in one line."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for one in lacking:
        grouped.setdefault((one.namespace, one.resource, one.why), []).append(one.verb)
    lines = [
        f"  {resource} in {space}: {', '.join(verbs)} ({why})" for (space, resource, why), verbs in grouped.items()
    ]
    return BadInput(
        f"the user of the context {context} lacks rights:\n" + "\n".join(lines),
        fix="give them by deploy/kubernetes/rbac.yaml (and rbac-guardian.yaml), or ask who runs the cluster",
    )


def manifests(namespace: str, gateway: str, user: str) -> list[Object]:
    """Return the Roles and RoleBindings that give the ServiceAccount ``user`` of ``namespace`` these rights and no others."""
    made: list[Object] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": user, "namespace": namespace}}
    ]
    for where, place in ((APPLICATION, namespace), (GATEWAY, gateway)):
        name = user if where == APPLICATION else f"{user}-{GATEWAY}"
        made += _role((namespace, user), place, name, (right for right in RIGHTS if right.where == where))
    return made


def guardian_manifests(namespace: str, user: str) -> list[Object]:
    """Return the Role and the RoleBinding that let the ServiceAccount install a chart with a guardian as well."""
    return _role((namespace, user), namespace, f"{user}-guardian", GUARDED)


def _role(account: tuple[str, str], namespace: str, name: str, rights: Iterable[Right]) -> list[Object]:
    rules = [
        {"apiGroups": [right.group], "resources": list(right.resources), "verbs": list(right.verbs)} for right in rights
    ]
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": name, "namespace": namespace},
            "rules": rules,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account[1], "namespace": account[0]}],
        },
    ]
