"""Runs as the journal would tell them: made of events, folded by the product's own fold.  Fixtures, not measurements."""

from __future__ import annotations

import math
from typing import Any

from dawsos.model.events import Event
from support.facts import fact

START = 1_772_366_400.0
STAGES: tuple[tuple[str, str, float], ...] = (
    ("lint", "Lint and types", 180),
    ("unit", "Unit tests", 300),
    ("property", "Property tests", 360),
    ("golden", "Golden tests", 180),
    ("integration", "Integration tests", 360),
    ("security", "Security", 240),
    ("chaos", "Chaos tests", 300),
    ("build", "Build the release", 300),
    ("sbom", "SBOM and licences", 240),
    ("staging", "Deploy to staging", 240),
    ("uat", "Acceptance and approval", 360),
    ("canary", "Canary to production", 3600),
)
ALL_STAGES = tuple(key for key, _, _ in STAGES)
GATES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "lint": (("exit_status", "0 failed steps", "0"),),
    "unit": (("junit", "412 of 412 passed", "all"), ("coverage", "97.8 %", ">= 95 %"), ("flaky", "0 in 3 runs", "0")),
    "property": (("junit", "38 of 38 passed", "all"), ("examples", "41,200", ">= 1,000")),
    "golden": (("junit", "24 of 24 passed", "all"),),
    "integration": (("junit", "57 of 57 passed", "all"),),
    "security": (("scan", "0 findings", "0 high or medium"), ("audit", "0 advisories", "0 high or critical")),
    "chaos": (("junit", "19 of 19 passed", "all"),),
    "build": (("size", "61.4 MB", "< 500 MB"),),
    "sbom": (("sbom", "46 packages", ">= 10"), ("licences", "0 blocked", "0")),
    "staging": (("health", "healthy, 2 of 2 ready", "healthy, 2"),),
    "uat": (("smoke", "100.0 %", ">= 100 %"), ("full suite", "98.6 %", ">= 95 %"), ("cold p95", "0.41 s", "<= 2.0 s")),
    "canary": (("rollout", "promoted at 100 %", "promoted"),),
}
TIMES: dict[str, tuple[float, float]] = {
    "lint": (0.2, 11.8), "unit": (0.3, 42.6), "property": (0.4, 63.2), "golden": (12.0, 8.1), "integration": (43.0, 31.5),
    "security": (20.2, 9.0), "chaos": (74.6, 26.2), "build": (101.0, 14.4), "sbom": (12.1, 6.6), "staging": (115.6, 9.3),
    "uat": (125.0, 34.7), "canary": (160.0, 62.5),
}  # fmt: skip
POLICY = {
    "error_rate": 0.005,
    "p95": 1.2,
    "check_interval": 3.0,
    "failed_checks": 5,
    "crash_loop": {"restarts": 3, "window": 300},
}
LADDER = [5, 25, 45, 65, 85, 100]


class Script:
    """Writes events one after the other."""

    def __init__(self, run: str = "20260301-120000-7f3a") -> None:
        self.run = run
        self.events: list[Event] = []

    def add(self, at: float, kind: Any, stage: str = "", /, **body: Any) -> None:
        self.events.append(Event(self.run, len(self.events) + 1, START + at, fact(kind, **body), stage))

    def begin(self, command: str = "ship", stages: tuple[str, ...] = ALL_STAGES) -> None:
        self.add(
            0, "run_started", command=command, commit="3f2a1c9e5b7d48a0b6c1d2e3f4a5b6c7d8e9f0a1", ref="main", dirty=0,
            profile="laptop", stages=list(stages), definition="ab" * 32, options={},
        )  # fmt: skip

    def gate(self, at: float, stage: str, gate: tuple[str, str, str], **body: Any) -> None:
        name, measured, limit = gate
        facts: dict[str, Any] = {
            "result": "pass",
            "message": "",
            "evidence": [f"{name}.json".replace(" ", "-")],
            "findings": [],
        }
        self.add(at, "gate_evaluated", stage, gate=name, kind=name, measured=measured, limit=limit, **(facts | body))

    def start_stage(self, stage: str, at: float | None = None) -> None:
        at = TIMES[stage][0] if at is None else at
        self.add(at, "stage_started", stage, fingerprint="c0ffee" * 10, attempt=1)
        self.add(
            at,
            "step_started",
            stage,
            index=0,
            name=stage,
            command=f"pytest tests/{stage} -q --junitxml=$ARTIFACTS/junit.xml",
        )

    def end_step(self, stage: str, *, ok: bool = True) -> None:
        start, seconds = TIMES[stage]
        self.add(
            start + seconds, "step_finished", stage, index=0, name=stage, classification="ok" if ok else "failed",
            exit_code=0 if ok else 1, seconds=seconds, log="step-0.log",
        )  # fmt: skip

    def end_stage(self, stage: str, result: str = "passed", reason: str = "") -> None:
        start, seconds = TIMES[stage]
        self.add(start + seconds, "stage_finished", stage, result=result, seconds=seconds, reason=reason)

    def stage(self, stage: str) -> None:
        self.start_stage(stage)
        self.end_step(stage)
        for gate in GATES[stage]:
            self.gate(sum(TIMES[stage]), stage, gate)
        self.end_stage(stage)

    def restored(self, stage: str, from_run: str = "20260228-171502-91be") -> None:
        at = TIMES[stage][0]
        self.add(at, "stage_restored", stage, fingerprint="c0ffee" * 10, from_run=from_run, finished_at=START - 90_000)
        for gate in GATES[stage]:
            self.gate(at, stage, gate)

    def release(self) -> None:
        self.add(
            sum(TIMES["build"]),
            "release_built",
            "build",
            release="9d41e8" * 10,
            commit="3f2a",
            builder="bundle",
            path="/r",
            bytes=61_400_000,
        )

    def rollout(self, *, first: bool = False, drill: str = "", stage: str = "canary") -> None:
        self.add(
            TIMES["canary"][0],
            "deployed",
            stage,
            environment="production",
            release="9d41e8" * 10,
            deployment="d1",
            url="u",
            replicas=2,
        )
        self.add(
            TIMES["canary"][0] + 1, "rollout_started", stage, release="9d41e8" * 10, deployment="9d41e89d-7f3a",
            stable_release="" if first else "52c07b" * 10, stable_deployment="" if first else "52c07b52-91be", ladder=LADDER,
            policy=POLICY, traffic="synthetic", first=first, drill=drill,
        )  # fmt: skip

    def sample(self, second: int, weight: int, *, bad: bool = False, **body: Any) -> None:
        """One second at 80 requests a second; a bad one has every twentieth canary request fail."""
        at = TIMES["canary"][0] + 1 + second
        canary, stable = round(80 * weight / 100), 80 - round(80 * weight / 100)
        errors = (1 + canary // 20 if bad and canary else 0) if second % 2 or weight > 5 else 0
        wave = math.sin(second / 3) * 0.006
        facts: dict[str, Any] = {
            "canary": {
                "requests": canary,
                "errors": errors,
                "p95": 0.046 + wave + (0.03 if bad else 0) if canary else None,
            },
            "stable": {
                "requests": stable,
                "errors": 1 if second == 17 and stable else 0,
                "p95": 0.043 - wave if stable else None,
            },
            "verdict": "healthy",
            "reason": "error rate and p95 are within their limits",
        }
        self.add(at, "rollout_sampled", "canary", at=float(second), weight=weight, seconds=1.0, **(facts | body))


def up_to_canary(script: Script) -> None:
    script.begin()
    for stage in ("lint", "golden", "sbom"):
        script.restored(stage)
    for stage in ("unit", "property", "security", "integration", "chaos", "build"):
        script.stage(stage)
    script.release()
    script.stage("staging")
    script.stage("uat")
    digest = "77aa10" * 10
    script.add(160, "approval_requested", "uat", digest=digest, role="product owner", subject="9d41e8")
    script.add(
        160,
        "approval_given",
        "uat",
        digest=digest,
        decision="approved",
        name="Ada",
        reason="sprint 12, demo accepted",
        how="beforehand",
        expires_at=0,
    )
    script.start_stage("canary")


def passed() -> Script:
    """A commit that went all the way."""
    script = Script()
    up_to_canary(script)
    script.rollout()
    for second in range(1, 61):
        weight = LADDER[(second - 1) // 10]
        if (second - 1) % 10 == 0:
            script.add(160 + second, "weight_intended", "canary", weight=weight)
            script.add(160 + second, "weight_confirmed", "canary", weight=weight, seconds=0.01)
        script.sample(second, weight)
    script.add(221.1, "rollout_decided", "canary", decision="promote", cause="healthy", reason="every step was healthy")
    script.add(221.4, "rollout_finished", "canary", outcome="promoted", seconds=None, reason="every step was healthy")
    script.gate(222, "canary", GATES["canary"][0])
    script.end_stage("canary")
    script.add(
        223, "verified", checks=[{"name": "version", "result": "pass", "measured": "3f2a1c9e", "limit": "3f2a1c9e"}]
    )
    script.add(223.5, "run_finished", result="passed", exit_code=0, reason="")
    return script


def rolled_back(drill: str = "") -> Script:
    """A canary that began to fail at second 34, at 65 %."""
    script = Script()
    if drill:
        script.begin("drill", ())
    else:
        up_to_canary(script)
    script.rollout(drill=drill)
    for second in range(1, 60):
        weight = 0 if second > 39 else LADDER[(second - 1) // 10]
        if second <= 39 and (second - 1) % 10 == 0:
            script.add(160 + second, "weight_confirmed", "canary", weight=weight, seconds=0.01)
        failing = (
            {
                "verdict": "failing" if second == 39 else "inconclusive",
                "reason": f"{second - 34} of 5 checks failed: error rate 5.77% > 0.50%",
            }
            if second > 34
            else {}
        )
        if second <= 39:
            script.sample(
                second, weight, bad=second > 34, check={"error_rate": 0.0577, "p95": 0.08, "requests": 156}, **failing
            )
    why = "5 consecutive checks failed: error rate 5.77% > 0.50% (9 of 156 requests)"
    script.add(
        200.1, "rollout_decided", "canary", decision="rollback", cause="error_rate", metric="error rate", measured=0.0577,
        limit=0.005, reason=why,
    )  # fmt: skip
    script.add(200.2, "weight_confirmed", "canary", weight=0, seconds=0.02)
    script.add(200.41, "rollout_finished", "canary", outcome="rolled_back", seconds=0.31, reason=why)
    if not drill:
        script.gate(201, "canary", ("rollout", "rolled back at 65 %", "promoted"), result="fail", message=why)
        script.end_stage("canary", "rolled_back", why)
    script.add(223, "run_finished", result="rolled_back", exit_code=4, reason=why)
    return script


def failed() -> Script:
    """A commit whose third stage fails while another one runs."""
    script = Script()
    script.begin()
    script.restored("lint")
    script.start_stage("unit")
    script.start_stage("property")
    script.end_step("unit", ok=False)
    at = sum(TIMES["unit"])
    script.gate(at, "unit", ("junit", "409 of 412 passed", "all"), result="fail", message="3 tests failed",
                evidence=["junit-1.xml", "junit-2.xml"], findings=[
        "tests/unit/test_fx.py::test_cross_rate - assert Decimal('1.0832') == Decimal('1.0831')",
        "tests/unit/test_fx.py::test_<script>alert(1)</script> - AssertionError",
        "tests/unit/test_twr.py::test_flow_on_first_day - ZeroDivisionError",
    ])  # fmt: skip
    script.gate(at, "unit", ("coverage", "97.8 %", ">= 95 %"))
    script.end_stage("unit", "failed", "gate junit: 3 tests failed (measured 409 of 412 passed, limit all)")
    script.add(
        at,
        "stage_finished",
        "property",
        result="cancelled",
        seconds=42.0,
        reason="another stage failed or the run was stopped",
    )
    script.stage("security")
    script.gate(
        at,
        "security",
        ("audit", "not audited", "0 high"),
        result="no_data",
        message="no vulnerability database can be reached; set PIP_AUDIT_URL",
    )
    script.add(at + 1, "run_finished", result="failed", exit_code=1, reason="gate junit: 3 tests failed")
    return script


def waiting() -> Script:
    """A run that came back after a night and still waits for the product owner."""
    script = Script()
    script.begin()
    for stage in ("lint", "unit", "property", "golden", "integration", "security"):
        script.stage(stage)
    script.add(75, "stage_skipped", "chaos", reason="hotfix: pricing outage")
    script.stage("build")
    script.release()
    script.stage("sbom")
    script.stage("staging")
    script.add(40_000, "run_resumed", pid=4711)
    script.start_stage("uat", 40_000)
    for gate in GATES["uat"]:
        script.gate(40_030, "uat", gate)
    script.add(40_031, "approval_requested", "uat", digest="77aa10" * 10, role="product owner", subject="9d41e8" * 10)
    script.add(
        40_031,
        "stage_finished",
        "uat",
        result="waiting",
        seconds=31.0,
        reason="the product owner has not approved 77aa1077aa10 yet",
    )
    script.add(
        40_032,
        "run_finished",
        result="waiting",
        exit_code=75,
        reason="the product owner has not approved 77aa1077aa10 yet",
    )
    return script


def running() -> Script:
    """In the middle of the canary, at 25 %."""
    script = Script()
    up_to_canary(script)
    script.rollout()
    for second in range(1, 16):
        weight = LADDER[(second - 1) // 10]
        if (second - 1) % 10 == 0:
            script.add(160 + second, "weight_confirmed", "canary", weight=weight, seconds=0.01)
        script.sample(second, weight)
    return script


ALL = {"passed": passed, "failed": failed, "rolled_back": rolled_back, "waiting": waiting, "running": running}
