"""The deployed release is up, healthy, of the right version, and stays up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import Malformed, get, get_number, get_text, parse_object, required_file, texts
from dawsos.model.json import JsonObject
from dawsos.model.pipeline import GateOptions

EVIDENCE = "health.json"


class Options(GateOptions):
    """The health page answers 200 with ``expect_status`` and the commit of the release.

    At least ``replicas`` replicas and all workers are ready, and no replica is in a crash loop.  ``version: any`` is for a
    service whose health page does not name its commit.
    """

    expect_status: str = "healthy"
    replicas: int = Field(default=1, ge=1)
    version: Literal["commit", "any"] = "commit"


def files(_options: Options) -> tuple[str, ...]:
    return (EVIDENCE,)


def evaluate(options: Options, evidence: Evidence) -> Measurement:
    facts = parse_object(EVIDENCE, required_file(evidence, EVIDENCE))
    status, answer = get(EVIDENCE, facts, "status_code"), facts.get("body")
    # A page that answers no JSON object has neither status nor version.
    body = answer if isinstance(answer, dict) else {}
    ready = get_number(EVIDENCE, facts, "ready")
    expected = get_text(EVIDENCE, facts, "expected_version") if options.version == "commit" else ""
    problems = _answer(options, facts, body, expected)
    if ready < options.replicas:
        problems.append(f"{ready:.0f} of {options.replicas} replicas are ready")
    if late := texts(f"{EVIDENCE}: workers_not_ready", get(EVIDENCE, facts, "workers_not_ready")):
        problems.append(f"{', '.join(late)} not ready")
    looping = get(EVIDENCE, facts, "crash_looping")
    if not isinstance(looping, bool):
        raise Malformed(f"{EVIDENCE}: crash_looping is {looping!r}, not true or false")
    if looping:
        problems.append(f"a replica is in a crash loop ({facts.get('restarts', '?')} restarts)")
    version = str(body.get("version", "-"))[:12]
    return Measurement(
        "fail" if problems else "pass",
        f"{status} {body.get('status', '-')}, version {version}, {ready:.0f} ready",
        f"200 {options.expect_status}, version {expected[:12] or 'any'}, {options.replicas} ready",
        message=problems[0] if problems else "healthy",
        evidence=(EVIDENCE,),
        findings=tuple(problems),
    )


def _answer(options: Options, facts: JsonObject, body: JsonObject, expected: str) -> list[str]:
    if facts["status_code"] != 200:
        # Status and version of a page that fails are not worth a line of their own.
        return [f"{facts.get('url')} answered {facts['status_code']} {facts.get('error') or ''}".rstrip()]
    problems = []
    if body.get("status") != options.expect_status:
        problems.append(f"status is {body.get('status')!r}, not {options.expect_status!r}")
    if expected and body.get("version") != expected:
        problems.append(f"version is {body.get('version')!r}, the release is {expected[:12]}")
    return problems


GATE = GateKind(Options, files, evaluate)
