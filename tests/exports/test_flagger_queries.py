"""A real Prometheus answers the queries of the Canary: what they see, and that nothing missing looks like health."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dawsos.exporters.flagger_metrics import Check, checks
from dawsos.importers.flagger_metrics import BUILT_INS
from dawsos.model.exports import FlaggerOptions
from dawsos.runs.project import load
from support.monitoring import promtool

pytestmark = pytest.mark.e2e

DAWSOS = load(Path(__file__).resolve().parents[2])
KUBE = FlaggerOptions(restarts="kube-state-metrics")
CHECKS = {check.name: check for check in checks(DAWSOS.policy(), DAWSOS.service, FlaggerOptions())}
CANARY, SECOND, PRIMARY, BEFORE = (
    f"shop-{pod}" for pod in ("59d8c6b-pzk4t", "59d8c6b-x2vqz", "primary-7c9f-h4x9c", "6b5d-c7k2w")
)
MINUTES = 20
SAMPLES = MINUTES * 4

Series = dict[str, str]


def per_pod(pod: str, **metrics: str) -> Series:
    """Return the series of a pod, a sample each 15 s, in promtool's notation; ``up`` is 1 all the time unless it is given."""
    found = {"up": f"1x{SAMPLES}", **metrics}
    return {_named(name, pod): values for name, values in found.items()}


def _named(name: str, pod: str) -> str:
    metric, _, labels = name.partition("|")
    return f'{metric}{{namespace="prod",pod="{pod}"{"," + labels if labels else ""}}}'


def requests(number: int, status: str = "200", endpoint: str = "/items") -> Series:
    """Return ``number`` requests in each 15 s."""
    return {f'http_requests_total|status="{status}",endpoint="{endpoint}"': f"0+{number}x{SAMPLES}"}


def appeared(endpoint: str) -> Series:
    """Return a page whose first and only request failed within the last minute."""
    return {f'http_requests_total|status="500",endpoint="{endpoint}"': f"_x{SAMPLES - 1} 1 1"}


def durations(**buckets: int) -> Series:
    return {
        f'http_request_duration_seconds_bucket|endpoint="/items",le="{edge}"': f"0+{number}x{SAMPLES}"
        for edge, number in buckets.items()
    }


HEALTHY = per_pod(CANARY, **requests(100))
ALL_FAST = {"0.1": 50, "1.2": 100, "2.0": 100, "+Inf": 100}
SOME_SLOW = {"0.1": 50, "1.2": 90, "2.0": 100, "+Inf": 100}
UNANSWERED = {"0.1": 50, "1.2": 90, "2.0": 90, "+Inf": 100}
PACK = "pricing_pack_build_failures_total"
STARTED = "process_start_time_seconds"


@dataclass(frozen=True)
class Case:
    """``value`` is what the query gives at the 20th minute, None for no value."""

    what: str
    check: str
    series: Series
    value: float | None
    checks: dict[str, Check] = field(default_factory=lambda: CHECKS)


CASES = [
    Case("only the requests of the canary count", "canary-requests", HEALTHY | per_pod(PRIMARY, **requests(900)), 400),
    Case("probes are no users", "canary-requests", per_pod(CANARY, **requests(100, endpoint="/health/ready")), None),
    Case("nobody asks", "canary-requests", per_pod(CANARY, **requests(0)), 0),
    Case("the canary before this one is no part of it", "canary-requests",
         HEALTHY | per_pod(BEFORE, up=f"1x{SAMPLES - 2} stale", **{k: v + " stale" for k, v in requests(50).items()}), 400),
    Case("no error, no series of errors", "success-rate", HEALTHY, 100),
    Case("one in four fails", "success-rate", per_pod(CANARY, **requests(75), **requests(25, "503")), 75),
    Case("every request fails", "success-rate", per_pod(CANARY, **requests(100, "500")), 0),
    Case("the errors of primary are not the canary's", "success-rate", HEALTHY | per_pod(PRIMARY, **requests(100, "500")), 100),
    Case("probes hide no error", "success-rate",
         per_pod(CANARY, **requests(900, endpoint="/metrics"), **requests(50), **requests(50, "500")), 50),
    Case("each of two pages fails once, for the first time", "success-rate",
         per_pod(CANARY, **requests(1), **appeared("/a"), **appeared("/b")), 100 * (1 - 2 / 6)),
    Case("a replica that started again has not lost its requests", "canary-requests",
         per_pod(CANARY, **{'http_requests_total|status="200",endpoint="/items"': f"0+10x{SAMPLES - 2} 5 15"}), 35),
    Case("nobody asks, and 0 / 0 is no success", "success-rate", per_pod(CANARY, **requests(0)), None),
    Case("nothing is there", "success-rate", per_pod(PRIMARY, **requests(100)), None),
    Case("all are fast", "request-duration-p95", per_pod(CANARY, **durations(**ALL_FAST)), 1090),
    Case("one in ten takes up to two seconds", "request-duration-p95", per_pod(CANARY, **durations(**SOME_SLOW)), 1600),
    Case("one in ten takes longer than all buckets", "request-duration-p95", per_pod(CANARY, **durations(**UNANSWERED)), 2000),
    Case("no request, no time", "request-duration-p95", per_pod(CANARY, **durations(**dict.fromkeys(ALL_FAST, 0))), None),
    Case("no pack failed", "pricing-pack-build-failures", per_pod(CANARY, **{PACK: f"0x{SAMPLES}"}), 0),
    Case("a pack failed before the first page", "pricing-pack-build-failures", per_pod(CANARY, **{PACK: f"1x{SAMPLES}"}), 1),
    Case("a pack failed ten minutes ago, and the replica started again", "pricing-pack-build-failures",
         per_pod(CANARY, **{PACK: f"0x39 1x1 0x{SAMPLES - 41}"}), 1),
    Case("a pack of the canary before this one failed", "pricing-pack-build-failures",
         per_pod(CANARY, **{PACK: f"0x{SAMPLES}"}) | per_pod(BEFORE, up="1x60 stale", **{PACK: "1x60 stale"}), 0),
    Case("the replicas do not say how many packs failed", "pricing-pack-build-failures", HEALTHY, None),
    Case("both replicas are read", "canary-scraped", per_pod(CANARY) | per_pod(SECOND), 1),
    Case("one page of five came too late", "canary-scraped",
         per_pod(CANARY) | per_pod(SECOND, up=f"1x{SAMPLES - 2} 0 1"), 0.8),
    Case("one of two replicas is not read", "canary-scraped", per_pod(CANARY) | per_pod(SECOND, up=f"0x{SAMPLES}"), 0),
    Case("none is known", "canary-scraped", per_pod(PRIMARY), None),
    Case("nothing started again", "canary-restarts", per_pod(CANARY, **{STARTED: f"1000x{SAMPLES}"}), 0),
    Case("one replica of two started three times within five minutes", "canary-restarts",
         per_pod(SECOND, **{STARTED: f"1000x{SAMPLES}"})
         | per_pod(CANARY, **{STARTED: f"1000x{SAMPLES - 11} 2000 2000 3000 3000 3000 4000x5"}), 3),
    Case("kube-state-metrics tells the same, and whole", "canary-restarts",
         per_pod(CANARY, **{'kube_pod_container_status_restarts_total|container="shop"': f"0x{SAMPLES - 5} 1 1 2 2 2"}), 2,
         {check.name: check for check in checks(DAWSOS.policy(), DAWSOS.service, KUBE)}),
]  # fmt: skip


def expression(check: Check) -> str:
    """Return the query as Flagger sends it: its names filled in, each run of white space one space."""
    filled = {"namespace": "prod", "target": "shop", "interval": f"{check.window}s"}
    text = check.query
    for name, value in filled.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    return " ".join(text.split())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_query_sees(case: Case, tmp_path: Path) -> None:
    check = case.checks[case.check]
    said = _asked(tmp_path, case.series, expression(check), case.value)
    assert said == ""


def test_promtool_would_tell_another_value(tmp_path: Path) -> None:
    assert "exp:" in _asked(tmp_path, HEALTHY, expression(CHECKS["canary-requests"]), 401)


def _asked(folder: Path, series: Series, query: str, value: float | None) -> str:
    """Return what promtool finds different, in hundredths.  To Flagger NaN is no value, as no series is."""
    expected = [] if value is None else [{"labels": "{}", "value": round(100 * value)}]
    asked = {"expr": f"round(100 * (({query}) >= -Inf))", "eval_time": f"{MINUTES}m", "exp_samples": expected}
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    tests = [{"interval": "15s", "input_series": inputs, "promql_expr_test": [asked]}]
    path = folder / "test.yml"
    path.write_text(json.dumps({"rule_files": [], "evaluation_interval": "15s", "tests": tests}))
    done = promtool("test", "rules", str(path))
    return done.stdout + done.stderr if done.returncode else ""


def test_every_check_has_a_case_without_data() -> None:
    without = {case.check for case in CASES if case.value is None}
    assert without >= CHECKS.keys() - {"canary-restarts"}
    assert not CHECKS.keys() & set(BUILT_INS)
