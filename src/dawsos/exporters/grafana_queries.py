"""The PromQL of the dashboards: the metrics of the tool and of the service, and what a reader may choose.  Pure."""

from __future__ import annotations

from dawsos.exporters.grafana_panels import Variable
from dawsos.model.pipeline import Pipeline

# The replicas that the reader chose.  A metric of the tool is chosen by the scrape job instead: it has no deployment.
CHOSEN = 'environment="$environment",deployment=~"$deployment"'
# Grafana sets it to at least four scrapes, so that a rate has its two samples.
RATE_WINDOW = "$__rate_interval"
# The growth of a counter is extrapolated: of what happened once it may be a little less than 1.
ONE = 0.5


def tool(name: str, labels: str = "") -> str:
    """Return the selector of a metric of the tool."""
    return f'{name}{{job=~"$job"{"," + labels if labels else ""}}}'


def grown(selector: str, by: str = "") -> str:
    """Return by how much counters grew in the time that the dashboard shows, added up by the labels ``by``."""
    return f"sum{f' by ({by})' if by else ''} (increase({selector}[$__range]))"


def share(part: str, whole: str) -> str:
    """Return the part of a counter's growth; NaN, which Grafana shows as no data, where nothing was counted."""
    return f"{grown(part)} / {grown(whole)}"


def quantile(part: float, bucket: str, by: str = "", window: str = "$__range") -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({part:g}, sum by ({labels}) (rate({bucket}[{window}])))"


def error_rate(where: str, by: str = "", window: str = RATE_WINDOW) -> str:
    """Return the share of requests answered with 5xx; 0, and not nothing, where there was no such answer yet."""
    group = f"sum by ({by})" if by else "sum"
    requests = f"{group} (rate(http_requests_total{{{where}}}[{window}]))"
    errors = f'{group} (rate(http_requests_total{{{where},status=~"5.."}}[{window}]))'
    return f"({errors} or 0 * {requests}) / {requests}"


def latency(part: float, where: str, by: str = "", window: str = RATE_WINDOW) -> str:
    return quantile(part, f"http_request_duration_seconds_bucket{{{where}}}", by, window)


def job() -> Variable:
    query = "label_values(dawsos_build_info, job)"
    return Variable("job", "Tool", "Whose runs: the scrape job of `dawsos metrics --listen`.", query=query)


def environment(pipeline: Pipeline) -> Variable:
    users = pipeline.rollout_stage().environment
    names = (users, *(name for name in pipeline.environments if name != users))
    return Variable("environment", "Environment", "Where releases run; pipeline.yaml names them.", options=names)


def deployment() -> Variable:
    query = 'label_values(up{environment="$environment"}, deployment)'
    return Variable("deployment", "Deployment", "The stable release, its canary, or both.", query=query)
