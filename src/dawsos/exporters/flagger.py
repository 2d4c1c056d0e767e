"""``dawsos export flagger``: the production policy as Flagger's Canary with its MetricTemplates, one file a provider.  Pure.

Facts from fluxcd/flagger at 15bd6ad: ``pkg/apis/flagger/v1beta1/canary.go``, ``pkg/router/*.go``.  ``importers.flagger`` reads
the same format.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dawsos.errors import BadInput
from dawsos.exporters.contract import Exporter, Files
from dawsos.exporters.flagger_metrics import Check, checks, interval, success_rate
from dawsos.exporters.text import yaml_text
from dawsos.model.exports import FlaggerAlert, FlaggerOptions, FlaggerProvider, KubernetesName
from dawsos.model.pipeline import Pipeline

Values = dict[str, Any]

_VERSION = "flagger.app/v1beta1"
_NAME: TypeAdapter[str] = TypeAdapter(KubernetesName)

# Flagger's own metric of the gateway sees what the replicas cannot count: refused connections.  That of gatewayapi:v1 reads
# labels that no scraper sets by default (kubernetes_pod_name), and Flagger's README calls it unsupported.
_GATEWAY_METRICS: dict[FlaggerProvider, str] = {
    "traefik": "traefik_service_request_duration_seconds of Traefik (--metrics.prometheus.addserviceslabels=true)",
    "istio": "istio_requests_total of the replicas' sidecars",
    "nginx": "nginx_ingress_controller_requests of ingress-nginx",
}
# The judge answers within milliseconds; a refusal is no failure of Flagger's, and no alert.
_HOOK = {"timeout": "5s", "muteAlert": True}
_MAKES: dict[FlaggerProvider, str] = {
    "traefik": "a TraefikService, which the IngressRoute names",
    "gatewayapi:v1": "an HTTPRoute of the Gateway",
    "istio": "a VirtualService of the Gateway, and DestinationRules",
    "nginx": "a canary Ingress beside the Ingress",
}


def render(pipeline: Pipeline, options: FlaggerOptions) -> Files:
    """Return one manifest a provider; raises BadInput when the pipeline or the options lack what a provider needs."""
    if options.profile not in (None, "production") and options.profile not in pipeline.profiles:
        raise BadInput(
            f"pipeline.yaml: exports.flagger.profile: there is no profile {options.profile!r}",
            fix=f"name one of: {', '.join(['production', *pipeline.profiles])}",
        )
    if not options.hosts:
        raise BadInput(
            "pipeline.yaml: exports.flagger.hosts: the name under which users reach the service is missing",
            fix="write exports: {flagger: {hosts: [api.example.com], ...}}; docs/exports.md explains every option",
        )
    if options.judge is not None and "gatewayapi:v1" not in options.providers:
        raise BadInput(
            "pipeline.yaml: exports.flagger.judge: the judge cuts HTTPRoutes, and no provider makes one",
            fix='write providers: ["gatewayapi:v1"], or remove judge',
        )
    canary = _Canary(pipeline, options)
    return {
        f"{options.folder}/{provider.replace(':', '-')}.yaml": canary.manifest(provider)
        for provider in options.providers
    }


def namespace_of(pipeline: Pipeline, options: FlaggerOptions) -> str:
    """Return where the Canary is: as the options say, else the environment's namespace, else its name."""
    environment = pipeline.rollout_stage().environment
    settings = pipeline.environments.get(environment)
    return options.namespace or (settings and settings.namespace) or environment


class _Canary:
    """The Canary of one pipeline, and what goes with it."""

    def __init__(self, pipeline: Pipeline, options: FlaggerOptions) -> None:
        self.options, self.service = options, pipeline.service
        self.policy = pipeline.policy(options.profile)
        self.name = options.deployment or pipeline.name
        self.namespace = namespace_of(pipeline, options)
        _must_be_name("deployment", self.name)
        _must_be_name("namespace", self.namespace)
        self.checks = checks(self.policy, pipeline.service, options)
        self.window = self.checks[0].window

    def manifest(self, provider: FlaggerProvider) -> str:
        """Return the file for ``provider``."""
        # In this order, so that Flagger finds the templates when it finds the Canary.
        documents = [
            *(self._template(check) for check in self.checks),
            *(self._alert_provider(alert) for alert in (self.options.alert,) if alert),
            *self._route(provider),
            self._canary(provider),
        ]
        return yaml_text("flagger", *documents, comment=self._comment(provider))

    def _canary(self, provider: FlaggerProvider) -> Values:
        spec: Values = {
            "provider": provider,
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name},
            "progressDeadlineSeconds": self._deadline(),
            "service": self._service(provider),
            "analysis": self._analysis(provider),
        }
        if provider in _GATEWAY_METRICS:
            spec["metricsServer"] = self.options.prometheus
        if provider == "nginx":
            spec["ingressRef"] = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": self.name}
        return {"apiVersion": _VERSION, "kind": "Canary", "metadata": self._metadata(), "spec": spec}

    def _deadline(self) -> int:
        """Return for how many seconds a replica may not be ready: Flagger checks nothing meanwhile, also in a crash loop."""
        held = min(self.policy.no_data_deadline, self.policy.crash_loop.window)
        return math.ceil(max(held, self.service.ready_within))

    def _analysis(self, provider: FlaggerProvider) -> Values:
        metrics = [{**_metric(check), "templateRef": self._reference(check.name)} for check in self.checks]
        if provider in _GATEWAY_METRICS:
            metrics.insert(0, _metric(Check("request-success-rate", self.window, least=success_rate(self.policy))))
        analysis: Values = {
            "interval": _duration(interval(self.policy)),
            "threshold": self.policy.failed_checks,
            "stepWeights": [step.weight for step in self.policy.ladder],
            "metrics": metrics,
        }
        if self.options.alert:
            analysis["alerts"] = [{"name": "rollback", "severity": "error", "providerRef": self._reference("rollback")}]
        if self._judged(provider):
            analysis["webhooks"] = [
                # Flagger asks this one first at each tick, and before each step and the promotion the other one.
                {"name": "judge-rollback", "type": "rollback", "url": f"{self.options.judge}/rollback", **_HOOK},
                {
                    "name": "judge-step", "type": "confirm-traffic-increase",
                    "url": f"{self.options.judge}/confirm-traffic-increase", **_HOOK,
                },
            ]  # fmt: skip
        return analysis

    def _judged(self, provider: FlaggerProvider) -> bool:
        """Whether `dawsos judge` watches: it can cut only an HTTPRoute of the Gateway API."""
        return self.options.judge is not None and provider == "gatewayapi:v1"

    def _service(self, provider: FlaggerProvider) -> Values:
        options = self.options
        service: Values = {"port": options.port, "targetPort": options.target_port, "portName": "http"}
        if provider not in ("gatewayapi:v1", "istio"):
            return service
        if options.gateway is None:
            raise BadInput(
                f"pipeline.yaml: exports.flagger.gateway: provider {provider} needs a gateway",
                fix="write gateway: {name: NAME, namespace: NAMESPACE}",
            )
        service["hosts"] = list(options.hosts)
        name, namespace = options.gateway.name, options.gateway.namespace
        if provider == "istio":
            return {**service, "gateways": [f"{namespace}/{name}"]}
        return {**service, "gatewayRefs": [{"name": name, "namespace": namespace}]}

    def _template(self, check: Check) -> Values:
        return {
            "apiVersion": _VERSION,
            "kind": "MetricTemplate",
            "metadata": self._metadata(check.name),
            "spec": {
                "provider": {"type": "prometheus", "address": self.options.prometheus},
                "query": check.query + "\n",
            },
        }

    def _alert_provider(self, alert: FlaggerAlert) -> Values:
        channel = {"channel": alert.channel} if alert.channel else {}
        return {
            "apiVersion": _VERSION,
            "kind": "AlertProvider",
            "metadata": self._metadata("rollback"),
            "spec": {"type": alert.type, **channel, "secretRef": {"name": alert.secret}},
        }

    def _route(self, provider: FlaggerProvider) -> Iterator[Values]:
        """Yield the route that Flagger does not make itself, but needs."""
        if not self.options.route:
            return
        hosts = self.options.hosts
        if provider == "traefik":
            service = {"name": self.name, "kind": "TraefikService", "port": self.options.port}
            rule = {"match": " || ".join(f"Host(`{host}`)" for host in hosts), "kind": "Rule", "services": [service]}
            yield {
                "apiVersion": "traefik.io/v1alpha1",
                "kind": "IngressRoute",
                "metadata": self._metadata(),
                "spec": {"routes": [rule]},
            }
        if provider == "nginx":
            backend = {"service": {"name": self.name, "port": {"number": self.options.port}}}
            paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
            yield {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": self._metadata(),
                "spec": {"ingressClassName": "nginx", "rules": [{"host": host, "http": paths} for host in hosts]},
            }

    def _metadata(self, part: str = "") -> Values:
        """Return the metadata of an object: the Canary's and the route's name is the Deployment's."""
        labels = {"app.kubernetes.io/part-of": self.name, "app.kubernetes.io/managed-by": "dawsos"}
        return {**self._reference(part), "labels": labels}

    def _reference(self, part: str) -> Values:
        return {"name": f"{self.name}-{part}" if part else self.name, "namespace": self.namespace}

    def _comment(self, provider: FlaggerProvider) -> list[str]:
        policy, options = self.policy, self.options
        weights = " ".join(str(step.weight) for step in policy.ladder)
        built_in = [f"  request-success-rate: {_GATEWAY_METRICS[provider]}"] if provider in _GATEWAY_METRICS else []
        return [
            "",
            f"Flagger (https://flagger.app) with provider {provider} takes the Deployment {self.name} to its users: {weights} %.",
            *self._pace(provider),
            f"Flagger makes {_MAKES[provider]}, and the Deployment {self.name}-primary, which serves from then on.",
            "",
            f"Needed: the Deployment {self.name} in {self.namespace}, whose replicas answer on port {options.target_port},",
            "and whose selector has the label app, name or app.kubernetes.io/name;",
            f"Prometheus at {options.prometheus}, which reads {self.service.metrics_page} of each replica every 15 s or more often,",
            "and gives each series the labels namespace and pod.",
            "The checks read these metrics. Where one is missing, its check fails, and the canary is rolled back:",
            *built_in,
            *(f"  {check.name}: {check.needs}" for check in self.checks),
            "",
            "docs/exports.md of DawsOS Pipeline says what was run for real, and what Flagger cannot express.",
        ]

    def _pace(self, provider: FlaggerProvider) -> list[str]:
        policy, seconds = self.policy, interval(self.policy)
        if not self._judged(provider):
            return [
                f"Each weight lasts {_span(seconds)}. A healthy release is promoted after {_span(len(policy.ladder) * seconds)};",
                f"one that is bad from the start is rolled back after {_span((policy.failed_checks + 1) * seconds)}.",
            ]
        steps = ", ".join(_span(round(step.duration)) for step in policy.ladder)
        return [
            f"`dawsos judge` at {self.options.judge} holds each weight for its time ({steps}) and until the release is healthy.",
            "With proof it takes the traffic from the canary at once; Flagger says Failed at its next tick. Without an answer",
            "of the judge Flagger raises no weight; its own checks below go on.",
        ]


def _must_be_name(key: str, name: str) -> None:
    """Raise BadInput for a name of pipeline.yaml that Kubernetes does not take."""
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        raise BadInput(
            f"pipeline.yaml: exports.flagger.{key}: its default {name!r} is no name of Kubernetes",
            fix=f"write {key}: with lower-case letters, digits and hyphens",
        ) from error


def _metric(check: Check) -> Values:
    limits = {"min": check.least, "max": check.most}
    return {
        "name": check.name,
        "interval": _duration(check.window),
        "thresholdRange": {key: limit for key, limit in limits.items() if limit is not None},
    }


def _duration(seconds: int) -> str:
    return f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


EXPORTER = Exporter(FlaggerOptions, render)
