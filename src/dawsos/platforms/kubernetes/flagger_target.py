"""The Deployment that a Canary of Flagger targets: it gets a release's image by digest, and can be given back what it had.

Flagger keys a run to the hash of the pod template.  Each release gets a ``DEPLOYMENT_ID`` of its own, so that its template is new
even when its image is not.  What was there before is kept as a JSON Patch in an annotation of the Deployment, written in the same
request, so that any later process can undo it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from dawsos.adapters.kubernetes import Cluster, Object
from dawsos.errors import BadInput
from dawsos.platforms.kubernetes.flagger import CanaryState
from dawsos.platforms.kubernetes.names import COMMIT, DEPLOYMENT, RELEASE, Paths
from dawsos.platforms.kubernetes.patching import patched

# Annotations of the Deployment: the JSON Patch back, and what Flagger said before the change.
UNDO, BEFORE = "dawsos.dev/undo", "dawsos.dev/before"
_TEMPLATE = "/spec/template"
_PatchOf = Callable[[Object], list[Object]]


@dataclass(frozen=True)
class NewTemplate:
    """What a release changes of a pod template: ``images`` maps a container, or the name of an image, to ``repo@sha256:...``.

    ``workers`` are processes of the release that must be containers of the same pod, because no other Deployment is changed.
    """

    deployment: str
    release: str
    commit: str
    images: Mapping[str, str]
    workers: tuple[str, ...] = ()

    @property
    def variables(self) -> dict[str, str]:
        return {"GIT_SHA": self.commit, "DEPLOYMENT_ID": self.deployment}

    @property
    def annotations(self) -> dict[str, str]:
        return {RELEASE: self.release, COMMIT: self.commit, DEPLOYMENT: self.deployment}


@dataclass(frozen=True)
class TargetState:
    """The Deployment as it is: whose template it has, and what Flagger said before that template came."""

    deployment: str = ""
    release: str = ""
    before: CanaryState = field(default_factory=CanaryState)


class FlaggerTarget:
    """The Deployment ``name`` of ``namespace``."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster, self.namespace, self.name = cluster, namespace, name
        self._paths = Paths(namespace)
        self._path = self._paths.of("deployments", name)

    async def state(self) -> TargetState | None:
        """Return the Deployment's state, None when there is none."""
        found = await self._cluster.find(self._path)
        return None if found is None else target_of(found)

    async def template(self, new: NewTemplate | None = None) -> Object:
        """Return the pod template for a command of the release, without ``new`` of the one that is there; the Deployment stays as
        it is.  Raises BadInput."""
        return command_template(self._there(await self._cluster.find(self._path)), new)

    def _there(self, found: Object | None) -> Object:
        if found is None:
            raise BadInput(
                f"there is no Deployment {self.name} in the namespace {self.namespace}, which the Canary targets",
                fix="install the chart once (helm upgrade --install), or set exports.flagger.deployment",
            )
        return found

    async def change(self, new: NewTemplate, before: CanaryState) -> None:
        """Give the pod template the release, in one request; nothing happens when it has it already.  Raises BadInput."""
        await self._patched(
            lambda found: [] if target_of(found).deployment == new.deployment else change_patch(found, new, before)
        )

    async def undo(self, deployment: str) -> None:
        """Give the pod template back what it had before ``deployment``; nothing happens when it has another one by now."""
        await self._patched(lambda found: undo_patch(found, deployment))

    async def _patched(self, patch_of: _PatchOf) -> None:
        def patch(found: Object | None) -> list[Object]:
            there = self._there(found)
            changes = patch_of(there)
            version = {"op": "test", "path": "/metadata/resourceVersion", "value": there["metadata"]["resourceVersion"]}
            return [version, *changes] if changes else []

        await patched(self._cluster, self._path, patch)

    async def apply(self, documents: Sequence[Object]) -> None:
        """Make the objects of the export what the export says: server-side, and only these kinds."""
        for document in documents:
            kind = f"{str(document['kind']).lower()}s".replace("canarys", "canaries")
            await self._cluster.patch(self._paths.of(kind, document["metadata"]["name"]), document, "apply")


def target_of(deployment: Object) -> TargetState:
    """Return what the object says."""
    annotations = deployment["spec"]["template"].get("metadata", {}).get("annotations") or {}
    try:
        kept = json.loads((deployment["metadata"].get("annotations") or {}).get(BEFORE, "{}"))
        before = CanaryState(**kept)
    except (ValueError, TypeError):
        before = CanaryState()
    return TargetState(annotations.get(DEPLOYMENT, ""), annotations.get(RELEASE, ""), before)


def change_patch(deployment: Object, new: NewTemplate, before: CanaryState) -> list[Object]:
    """Return the JSON Patch that brings the release into the pod template; raises BadInput when no container takes its image."""
    template = deployment["spec"]["template"]
    changes: list[tuple[str, Object | list[Object] | str, object]] = []
    for index, image in _containers(template, new, deployment["metadata"]["name"]):
        container = template["spec"]["containers"][index]
        where = f"{_TEMPLATE}/spec/containers/{index}"
        changes.append((f"{where}/image", image, container["image"]))
        changes.append((f"{where}/env", _with(container.get("env") or [], new.variables), container.get("env")))
    metadata = template.get("metadata") or {}
    kept = metadata.get("annotations")
    changes.append((f"{_TEMPLATE}/metadata/annotations", {**(kept or {}), **new.annotations}, kept))
    undo = [
        {"op": "remove", "path": path} if old is None else {"op": "add", "path": path, "value": old}
        for path, _, old in changes
    ]
    own = {
        **(deployment["metadata"].get("annotations") or {}),
        UNDO: json.dumps(undo),
        BEFORE: json.dumps(asdict(before)),
    }
    patch: list[Object] = [{"op": "add", "path": path, "value": value} for path, value, _ in changes]
    return [*patch, {"op": "add", "path": "/metadata/annotations", "value": own}]


def undo_patch(deployment: Object, ours: str) -> list[Object]:
    """Return the JSON Patch back, an empty one when the template is not that of the deployment ``ours``."""
    annotations = deployment["metadata"].get("annotations") or {}
    if target_of(deployment).deployment != ours or UNDO not in annotations:
        return []
    undo: list[Object] = json.loads(annotations[UNDO])
    return undo


def command_template(deployment: Object, new: NewTemplate | None = None) -> Object:
    """Return the template of a pod in which a command of the release runs: the Deployment's, with the image of ``new`` in it.

    It has none of the labels by which the Deployment and Flagger's Services find their pods: no user must reach it.
    """
    template = deployment["spec"]["template"]
    containers = template["spec"]["containers"]
    if new is not None:
        index, image = _containers(template, new, deployment["metadata"]["name"])[0]
        container = {
            **containers[index],
            "image": image,
            "env": _with(containers[index].get("env") or [], new.variables),
        }
    else:
        container = next((each for each in containers if _is_ours(each)), containers[0])
    selected = (deployment["spec"].get("selector") or {}).get("matchLabels") or {}
    labels = template.get("metadata", {}).get("labels") or {}
    return {
        "metadata": {"labels": {key: value for key, value in labels.items() if key not in selected}},
        "spec": {**template["spec"], "containers": [container]},
    }


def _is_ours(container: Object) -> bool:
    """Return whether the container runs the release: it got its variables."""
    return any(each.get("name") == "DEPLOYMENT_ID" for each in container.get("env") or [])


def _containers(template: Object, new: NewTemplate, name: str) -> list[tuple[int, str]]:
    """Return which container gets which image: that of its name, or the only one to the only one.

    A worker gets the image of its own name, else the first that another container gets.
    """
    names, images = [str(container["name"]) for container in template["spec"]["containers"]], new.images
    missing = [worker for worker in new.workers if worker not in names]
    if missing:
        raise BadInput(
            f"the Deployment {name} has no container {', '.join(missing)}: driver flagger brings a release to this one Deployment, "
            "and these workers would go on with the release before",
            fix="let the worker be a container of that pod, or remove it from service.workers; or set driver: dawsos",
        )
    servers = [index for index, each in enumerate(names) if each not in new.workers]
    found = [(index, images[names[index]]) for index in servers if names[index] in images]
    if not found and len(servers) == 1 and len(images) == 1:
        found = [(servers[0], next(iter(images.values())))]
    if not found:
        raise BadInput(
            f"no container of the Deployment {name} has the name of an image of the release: it has {', '.join(names)}, "
            f"the release {', '.join(images) or 'no image'}",
            fix="call the container as the image is called in pipeline.yaml",
        )
    image = found[0][1]
    return [*found, *((names.index(worker), images.get(worker, image)) for worker in new.workers)]


def _with(env: Sequence[Object], variables: Mapping[str, str]) -> list[Object]:
    kept = [each for each in env if each.get("name") not in variables]
    return [*kept, *({"name": name, "value": value} for name, value in variables.items())]
