"""Where the metrics, traces, alerts and dashboards of an environment are, as ``pipeline.yaml`` says it for ``dawsos verify``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from dawsos.model.policy import Strict, VariableName
from dawsos.model.units import PositiveDuration

TraceKind = Literal["jaeger", "tempo"]

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_THIS_MACHINE = re.compile(r"http://(localhost|127(\.\d+){3}|\[::1\])([:/]|$)")


def _address(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError(
            f"{value!r} is not the address of a server: write it like https://prometheus.example.org or "
            "http://127.0.0.1:{SCRAPER_PORT}, without a user name, a password or a query"
        )
    return value.rstrip("/")


class ObservabilityServer(Strict):
    """A server that is asked.  ``{NAME_PORT}`` in ``url`` is the port of a worker or a stand-in, as in ``env``."""

    url: Annotated[str, AfterValidator(_address)]
    token: VariableName | None = Field(
        default=None, description="The variable of whoever verifies that holds a bearer token; no release gets it."
    )

    @model_validator(mode="after")
    def _private(self) -> ObservabilityServer:
        if self.token is not None and self.url.startswith("http:") and not _THIS_MACHINE.match(self.url):
            raise ValueError(f"the token would be readable on its way to {self.url}: use https")
        return self


_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\{[^{}]*(\{(release|commit|environment|deployment)\}[^{}]*)*\}")


def _series(value: str) -> str:
    if not _METRIC.fullmatch(value):
        raise ValueError(
            f'{value!r} is not a metric with its labels, like http_requests_total{{release="{{release}}"}}'
        )
    if "{release}" not in value and "{commit}" not in value:
        raise ValueError(f"{value!r} would find any version: name {{release}} or {{commit}} in a label")
    return value


class MetricsServer(ObservabilityServer):
    """Prometheus, or what answers its query API.  ``series`` finds samples of one release and no other."""

    series: Annotated[str, AfterValidator(_series)] = Field(
        default='http_requests_total{environment="{environment}",release="{release}"}',
        description="{release}, {commit}, {environment} and {deployment} stand for what serves; each replica is an `instance`.",
    )


class TraceServer(ObservabilityServer):
    """The query API of a trace store.  ``page`` is requested with a trace id of its own, which must be found there."""

    kind: TraceKind = "jaeger"
    page: str | None = Field(default=None, pattern=r"^/", description="By default the health page.")
    service: str | None = Field(default=None, min_length=1, description="The service.name that a span must have.")


@dataclass(frozen=True)
class Matcher:
    """One condition on a label, as Alertmanager writes it; a label that an alert lacks is an empty text."""

    label: str
    operator: str
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels of an alert meet the condition."""
        found = labels.get(self.label, "")
        same = found == self.value if "~" not in self.operator else bool(re.fullmatch(self.value, found, re.DOTALL))
        return same is not self.operator.startswith("!")


_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|$)')


def matchers(text: str) -> tuple[Matcher, ...]:
    """Return the matchers of ``HighErrorRate`` (the name of an alert) or ``alertname!="Watchdog", team="shop"``.

    Raises ValueError for anything else.
    """
    inner = text.strip().removeprefix("{").removesuffix("}").strip()
    if _NAME.fullmatch(inner):
        return (Matcher("alertname", "=", inner),)
    return tuple(_matchers(inner, text))


def _matchers(inner: str, text: str) -> Iterator[Matcher]:
    at = 0
    while at < len(inner) or not inner:
        found = _MATCHER.match(inner, at)
        if found is None:
            raise ValueError(
                f'{text!r} is not a matcher: write the name of an alert, or label="value" with =, !=, =~ or !~'
            )
        label, operator, quoted = found[1], found[2], re.sub(r"\\(.)", r"\1", found[3])
        try:
            re.compile(quoted if "~" in operator else "")
        except re.error as error:
            raise ValueError(f"{text!r}: {quoted!r} is not a regular expression: {error}") from error
        yield Matcher(label, operator, quoted)
        at = found.end()


def _is_matcher(text: str) -> str:
    matchers(text)
    return text


class AlertServer(ObservabilityServer):
    """Alertmanager.  An alert that meets one of ``silent`` must not be active."""

    silent: tuple[Annotated[str, AfterValidator(_is_matcher)], ...] = Field(
        default=(), description="Names of alerts, or matchers; by default the exported rules about the service."
    )


def _file(value: str) -> str:
    if any(part in ("", ".", "..") for part in value.split("/")):
        raise ValueError(f"{value!r} is not a path below the project's root, such as deploy/grafana/service.json")
    return value


class Observability(Strict):
    """What is verified after a deployment, beside the service itself.  What is not named here is reported as not checked."""

    prometheus: MetricsServer | None = None
    traces: TraceServer | None = None
    alertmanager: AlertServer | None = None
    dashboards: tuple[Annotated[str, AfterValidator(_file)], ...] = Field(
        default=(), description="Files with exported dashboards; by default those that `exports.grafana` makes."
    )
    within: PositiveDuration = Field(
        default=60.0, description="So long a new version may take to be seen; no sample may be older."
    )

    def servers(self) -> dict[str, ObservabilityServer]:
        """Return the servers that are named, by their keys."""
        found = {"prometheus": self.prometheus, "traces": self.traces, "alertmanager": self.alertmanager}
        return {key: server for key, server in found.items() if server is not None}

    @property
    def tokens(self) -> tuple[str, ...]:
        """The variables that hold a bearer token, each once."""
        return tuple(dict.fromkeys(server.token for server in self.servers().values() if server.token is not None))
