"""What a Canary must have before Flagger does anything with it: fields, target, provider, threshold and interval.  Pure.

From fluxcd/flagger at 15bd6ad: ``artifacts/flagger/crd.yaml`` (what the API server refuses), ``pkg/controller/controller.go``
(``verifyCanary``) and ``pkg/router`` (what a provider asks for).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dawsos.importers.flagger_values import (
    SCHEMA_TIME,
    ManifestFinding,
    Place,
    get,
    listed,
    mapping,
    number,
    seconds,
    span,
    text,
    whole,
)

# Those of the schema; Flagger would take any other for istio, but the API server refuses it.
PROVIDERS = (
    "apisix", "appmesh", "appmesh:v1beta2", "contour", "gatewayapi:v1", "gatewayapi:v1beta1", "gloo", "istio", "knative", "kubernetes",
    "kuma", "linkerd", "nginx", "osm", "skipper", "smi:v1alpha1", "smi:v1alpha2", "smi:v1alpha3", "traefik",
)  # fmt: skip
USUAL_PROVIDER = "istio"
_KNATIVE = "serving.knative.dev/v1"
_TARGETS = ("Deployment", "DaemonSet", "Service")
_REFERENCES = {
    "ingressRef": ("Ingress", ("nginx", "skipper")),
    "routeRef": ("ApisixRoute", ("apisix",)),
}
_SHORTEST, _USUAL = 10.0, 60.0


def shape_findings(document: Mapping[str, Any], base: Place, provider: str) -> Iterator[ManifestFinding]:
    """Return what is wrong with everything but the analysis."""
    spec, root = mapping(document.get("spec")), (*base, "spec")
    version = document.get("apiVersion")
    if version == "flagger.app/v1alpha3":
        said = "apiVersion flagger.app/v1alpha3 is gone: Flagger 1.0 and later know v1beta1"
        yield ManifestFinding("error", base, said, "write flagger.app/v1beta1")
    elif version != "flagger.app/v1beta1":
        yield ManifestFinding("error", base, f"apiVersion {version!r} is not Flagger's", "write flagger.app/v1beta1")
    if not get(document, "metadata", "name"):
        yield ManifestFinding("error", base, "no metadata.name: the API server refuses the Canary", "name it")
    yield from _target(spec, root, provider)
    yield from _provider(spec, root, provider)
    yield from _service(spec, root)
    yield from _scaler(spec, root)
    if spec.get("skipAnalysis"):
        yield ManifestFinding("error", (*root, "skipAnalysis"), "skipAnalysis promotes without any check", "remove it")
    if spec.get("suspend"):
        yield ManifestFinding(
            "warning", (*root, "suspend"), "suspend: Flagger does nothing with this Canary, the traffic stays as it is", "remove it"
        )  # fmt: skip


def is_knative(spec: Mapping[str, Any]) -> bool:
    """Return whether the target is a Knative Service."""
    return (get(spec, "targetRef", "apiVersion"), get(spec, "targetRef", "kind")) == (_KNATIVE, "Service")


def _target(spec: Mapping[str, Any], root: Place, provider: str) -> Iterator[ManifestFinding]:
    target, where = mapping(spec.get("targetRef")), (*root, "targetRef")
    if not target:
        yield ManifestFinding("error", root, "no targetRef: the API server refuses the Canary", "name the Deployment")
        return
    missing = [key for key in ("apiVersion", "kind", "name") if not target.get(key)]
    if missing:
        said = f"targetRef without {' and '.join(missing)}: the API server refuses the Canary"
        yield ManifestFinding("error", where, said, f"write its {' and '.join(missing)}")
    elif target.get("kind") not in _TARGETS:
        said = f"targetRef of kind {target.get('kind')}: the API server refuses the Canary"
        yield ManifestFinding("error", where, said, f"one of {', '.join(_TARGETS)}")
    elif is_knative(spec) != (text(spec.get("provider")) == "knative"):
        said = (
            f"a Knative Service needs provider: knative, and it says {provider}: Flagger refuses the Canary"
            if is_knative(spec)
            else f"provider knative needs a Knative Service as target, and it is a {target.get('kind')}: Flagger refuses the Canary"
        )
        yield ManifestFinding(
            "error", where, said, f"targetRef: {{apiVersion: {_KNATIVE}, kind: Service}} and provider: knative"
        )


def _provider(spec: Mapping[str, Any], root: Place, provider: str) -> Iterator[ManifestFinding]:
    where = (*root, "provider")
    if not spec.get("provider"):
        said = f"no provider: Flagger takes that of its -mesh-provider, {USUAL_PROVIDER} unless it was set, as is assumed here"
        yield ManifestFinding("note", root, said, "write the provider")
    elif provider not in PROVIDERS:
        yield ManifestFinding(
            "error", where, f"the API server refuses the provider {provider!r}", f"one of {', '.join(PROVIDERS)}"
        )
    for key, (kind, providers) in _REFERENCES.items():
        if provider in providers and not get(spec, key, "name"):
            article = "an" if key[0] == "i" else "a"
            said = f"provider {provider} needs {article} {key}"
            yield ManifestFinding("error", root, said, f"name the {kind}")
    if provider.startswith("gatewayapi:") and not listed(get(spec, "service", "gatewayRefs")):
        said = f"provider {provider} needs service.gatewayRefs: Flagger makes no HTTPRoute without"
        yield ManifestFinding("error", (*root, "service"), said, "name the Gateway")


def _service(spec: Mapping[str, Any], root: Place) -> Iterator[ManifestFinding]:
    """The Services are Flagger's, unless the target is one."""
    if get(spec, "service", "port"):
        return
    if "service" in spec:
        said = "service.port is missing: the API server refuses the Canary"
        yield ManifestFinding("error", (*root, "service"), said, "give the port of the service")
    elif get(spec, "targetRef", "kind") in ("Deployment", "DaemonSet"):
        said = "service.port is missing: Flagger makes Services of it, and Kubernetes takes none with port 0"
        yield ManifestFinding("error", root, said, "give the port of the service")


def _scaler(spec: Mapping[str, Any], root: Place) -> Iterator[ManifestFinding]:
    scaler, where = spec.get("autoscalerRef"), (*root, "autoscalerRef")
    if scaler is None:
        return
    if is_knative(spec):
        yield ManifestFinding(
            "error", where, "autoscalerRef with a Knative Service: Flagger refuses the Canary", "remove it"
        )
    missing = [key for key in ("apiVersion", "kind", "name") if not mapping(scaler).get(key)]
    if missing:
        said = f"autoscalerRef without {' and '.join(missing)}: the API server refuses the Canary"
        yield ManifestFinding("error", where, said, f"write its {' and '.join(missing)}")


def analysis_of(spec: Mapping[str, Any], root: Place) -> tuple[Mapping[str, Any], Place, list[ManifestFinding]]:
    """Return the analysis and where it is: also that of v1alpha3, under its old name."""
    if "analysis" in spec or "canaryAnalysis" not in spec:
        found = mapping(spec.get("analysis"))
        if found:
            return found, (*root, "analysis"), []
        said = "no analysis: the API server refuses the Canary"
        return (
            {},
            root,
            [ManifestFinding("error", root, said, "write analysis: with interval, threshold, stepWeights and metrics")],
        )
    where = (*root, "canaryAnalysis")
    said = "canaryAnalysis is the name of v1alpha3: the API server drops it, and refuses a Canary without analysis"
    return mapping(spec["canaryAnalysis"]), where, [ManifestFinding("error", where, said, "rename it to analysis")]


def interval_of(value: object, place: Place) -> tuple[float, list[ManifestFinding]]:
    """Return the interval in seconds, as Flagger takes it."""
    where = (*place, "interval")
    if value is None:
        said = "no interval: the API server refuses the Canary"
        return _USUAL, [ManifestFinding("error", place, said, "write interval: 1m")]
    found = seconds(value)
    if not SCHEMA_TIME.match(text(value)):
        hours = found is not None
        said = f"interval {value!r}: the API server refuses {'hours' if hours else 'it'}"
        fix = f"write {found / 60:g}m" if found is not None else "write 1m or 30s"
        return found or _USUAL, [ManifestFinding("error", where, said, fix)]
    if found is None:
        said = f"interval {value!r} cannot be read: 60 s is used"
        return _USUAL, [ManifestFinding("warning", where, said, "write 1m or 30s")]
    if found < _SHORTEST:
        said = f"interval {value} is raised to 10 s"
        return _SHORTEST, [ManifestFinding("warning", where, said, "write 10s or more")]
    return found, []


def threshold_of(analysis: Mapping[str, Any], place: Place, interval: float) -> tuple[int, list[ManifestFinding]]:
    """Return how many failed checks are a rollback."""
    where, value = (*place, "threshold"), analysis.get("threshold")
    if value is None:
        said = "no threshold: the API server refuses the Canary"
        return 1, [ManifestFinding("error", place, said, "write threshold: 5")]
    if number(value) is None:
        said = f"threshold {value!r} is no number: the API server refuses the Canary"
        return 1, [ManifestFinding("error", where, said, "write threshold: 5")]
    most = whole(value)
    if most <= 0:
        said = f"threshold {value!r} means 1: the first failed check rolls back"
        return 1, [ManifestFinding("warning", where, said, "write it out")]
    total = f"{most} failed checks in all, not in a row: a check that passes takes none away"
    late = f"and the rollback comes one tick later, after {span((most + 1) * interval)}"
    return most, [ManifestFinding("note", where, f"{total}, {late}", "")]
