"""The deployed release is up, healthy, of the right version, and stays up."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dawsos.gates.evidence import get, number, one, parse_json, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict

EVIDENCE = "health.json"


class Options(Strict):
    """/health answers 200 with ``expect_status`` and the release's commit; ``replicas`` are ready; no crash loop."""

    expect_status: str = "healthy"
    replicas: int = Field(default=1, ge=1)


def files(options: Options) -> tuple[str, ...]:
    return (EVIDENCE,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    facts = parse_json(EVIDENCE, one(evidence, EVIDENCE))
    body = facts.get("body") if isinstance(facts.get("body"), dict) else {}
    ready = number(f"{EVIDENCE}: ready", get(EVIDENCE, facts, "ready"))
    expected = str(get(EVIDENCE, facts, "expected_version"))
    problems = []
    if facts.get("status_code") != 200:
        problems.append(f"{facts.get('url')} answered {facts.get('status_code')} {facts.get('error', '')}".rstrip())
    elif body.get("status") != options.expect_status:
        problems.append(f"status is {body.get('status')!r}, not {options.expect_status!r}")
    if body.get("version") != expected and not problems:
        problems.append(f"version is {body.get('version')!r}, the release is {expected[:12]}")
    if ready < options.replicas:
        problems.append(f"{ready:.0f} of {options.replicas} replicas are ready")
    if facts.get("crash_looping"):
        problems.append("a replica is in a crash loop")
    measured = f"{facts.get('status_code')} {body.get('status', '-')}, version {str(body.get('version', '-'))[:12]}, {ready:.0f} ready"
    limit = f"200 {options.expect_status}, version {expected[:12]}, {options.replicas} ready"
    return verdict(
        (name, "health"), not problems, measured, limit,
        message=problems[0] if problems else "healthy", evidence=[EVIDENCE], findings=problems,
    )  # fmt: skip
