"""The objects by which a Job conducts a rollout: the Job itself, and the ConfigMaps with the files of the commit.

Nothing here sends a request.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

from dawsos.adapters.kubernetes import Object, Objects
from dawsos.errors import EXIT_BAD_INPUT, EXIT_GATE_FAILED, EXIT_INFRASTRUCTURE, EXIT_ROLLED_BACK
from dawsos.model.cluster import InCluster
from dawsos.platforms.contract import Handed
from dawsos.platforms.kubernetes.names import COMPONENT, CONDUCTOR, INSTANCE, MANAGED_BY
from dawsos.platforms.kubernetes.target import Target

RUN, SOURCE, OF_JOB = "dawsos.dev/run", "dawsos.dev/source", "dawsos.dev/job"
# Where everything lies in the pod; the image's root is read-only.
WORK = "/work"
PROJECT, KUBECONFIG = f"{WORK}/project", f"{WORK}/kubeconfig"
RECEIVE, CONDUCT = "receive", "conduct"
MODULE = ("python3", "-P", "-m", "dawsos.verbs.conductor")
# A ConfigMap must be smaller than 1 MiB; with more than so much a cluster's store would be misused.
PART, LARGEST = 700_000, 24_000_000
# The Job is removed so long after its end; a pod that a node lost is replaced so often.
_KEPT, _REPLACED = 86400, 3
# An end that another pod would only repeat.
_FINAL = [EXIT_GATE_FAILED, EXIT_BAD_INPUT, EXIT_INFRASTRUCTURE, EXIT_ROLLED_BACK]
_CONTAINER_SECURITY: Object = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
}  # fmt: skip
_RESOURCES: Object = {"requests": {"cpu": "100m", "memory": "192Mi"}, "limits": {"memory": "768Mi"}}


def labels_of(release: str, run: str = "") -> dict[str, str]:
    """Return the labels of everything that belongs to the Job of a run, without one of every run's."""
    found = {INSTANCE: release, COMPONENT: CONDUCTOR, MANAGED_BY: "dawsos"}
    return {**found, RUN: run} if run else found


def pod_template(target: Target, settings: InCluster, passed: tuple[str, ...], keys: str = "") -> Object:
    """Return the pod template of a conductor: ``passed`` are variables of the environment's Secret, ``keys`` what it believes."""
    env: list[dict[str, Any]] = [
        {"name": "DAWSOS_HOME", "value": f"{WORK}/home"},
        {"name": "KUBECONFIG", "value": KUBECONFIG},
        {"name": "HOME", "value": WORK},
        {"name": "TMPDIR", "value": WORK},
        *({"name": name, "valueFrom": {"secretKeyRef": {"name": target.secret, "key": name}}} for name in passed),
    ]
    if keys:
        env.append({"name": "DAWSOS_TRUSTED_KEYS", "value": keys})
    container = {
        "name": CONDUCT,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "env": env,
        "envFrom": [{"secretRef": {"name": settings.secret}}],
        "securityContext": _CONTAINER_SECURITY,
        "resources": _RESOURCES,
        "volumeMounts": [{"name": "work", "mountPath": WORK}],
        # The reason of an end is for `kubectl describe` as well.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    spec: Object = {
        "serviceAccountName": settings.service_account,
        "automountServiceAccountToken": True,
        "restartPolicy": "Never",
        # As long as a controller needs to give the canary's traffic back.
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "work", "emptyDir": {}}],
    }  # fmt: skip
    return {"metadata": {"labels": labels_of(target.release)}, "spec": spec}


def conducting_job(target: Target, settings: InCluster, passed: tuple[str, ...], handed: Handed) -> Object:
    """Return the Job of a run, which begins when it is no longer suspended: what it reads belongs to it, and comes after it."""
    template = pod_template(target, settings, passed, handed.keys)
    labels = labels_of(target.release, handed.run)
    # A name of Kubernetes has 63 characters at most.
    name = f"{target.release[:31]}-{handed.run}-{secrets.token_hex(2)}"
    (container,) = template["spec"]["containers"]
    where = ("--context", target.context, "--namespace", target.namespace, "--release", target.release)
    receive = {
        **container,
        "name": RECEIVE,
        # It reads ConfigMaps and no more: neither the key nor a variable of the environment.
        "env": [],
        "envFrom": [],
        "command": [*MODULE, "receive", *where, "--job", name, "--commit", handed.commit],
    }
    container |= {
        "command": ["python3", "-P", "-m", "dawsos.cli", "resume", "--here", handed.run],
        "workingDir": f"{PROJECT}/{handed.folder}".rstrip("/"),
    }
    template["metadata"]["labels"] = labels
    template["spec"]["initContainers"] = [receive]
    rules = [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": _FINAL}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "suspend": True,
            "backoffLimit": _REPLACED,
            "podFailurePolicy": {"rules": rules},
            "ttlSecondsAfterFinished": _KEPT,
            "template": template,
        },
    }


def source_parts(job: Object, handed: Handed) -> Objects:
    """Return the ConfigMaps with the files of the commit, which go with the Job."""
    meta = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
    cuts = range(0, max(1, len(handed.pack)), PART)
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"{meta['name']}-{number}",
                "labels": {**meta["labels"], OF_JOB: meta["name"], SOURCE: f"{number}-{len(cuts)}"},
                "ownerReferences": [owner],
            },
            "binaryData": {"pack": base64.b64encode(handed.pack[begin : begin + PART]).decode()},
        }
        for number, begin in enumerate(cuts)
    ]


def pack_of(parts: Objects) -> bytes | None:
    """Return the files of the commit that ConfigMaps of one Job hold, None while some are not there."""
    numbered: dict[int, bytes] = {}
    wanted = 0
    for part in parts:
        number, _, count = str((part["metadata"].get("labels") or {}).get(SOURCE, "")).partition("-")
        if number.isdecimal() and count.isdecimal():
            wanted = int(count)
            numbered[int(number)] = base64.b64decode((part.get("binaryData") or {}).get("pack", ""))
    if not wanted or set(numbered) != set(range(wanted)):
        return None
    return b"".join(numbered[number] for number in range(wanted))


def kubeconfig(context: str, namespace: str, server: str, folder: str) -> Object:
    """Return a kubeconfig whose only context, called as that of the environment, is the ServiceAccount of the pod."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": {"server": server, "certificate-authority": f"{folder}/ca.crt"}}],
        "users": [{"name": "pod", "user": {"tokenFile": f"{folder}/token"}}],
        "contexts": [{"name": context, "context": {"cluster": "cluster", "user": "pod", "namespace": namespace}}],
        "current-context": context,
    }
