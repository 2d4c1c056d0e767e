"""What is found among the objects that a chart renders.  Nothing here sends a request."""

from __future__ import annotations

from dawsos.adapters.kubernetes import Object, Objects
from dawsos.errors import ReleaseFailed
from dawsos.platforms.kubernetes.names import BACKEND, COMPONENT, DEPLOYMENT
from dawsos.platforms.kubernetes.state import label


def pod_of(objects: Objects, deployment: str) -> Object:
    """Return the pod template of the deployment among rendered objects; raises ReleaseFailed when the chart has none."""
    for one in objects:
        if one.get("kind") == "Deployment" and (label(one, COMPONENT), label(one, DEPLOYMENT)) == (BACKEND, deployment):
            template: Object = one["spec"]["template"]
            return template
    raise ReleaseFailed(
        f"the chart makes no Deployment with the labels {COMPONENT}={BACKEND} and {DEPLOYMENT}={deployment}",
        fix="docs/kubernetes.md says what a chart must label",
    )
