"""The deployed release is up, healthy, of the right version, and stays up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import Malformed, get, get_number, get_text, parse_object, required_file, texts
from dawsos.model.json import JsonObject
from dawsos.model.pipeline import GateOptions

EVIDENCE = "health.json"
ANY = "any"


class Options(GateOptions):
    """The health page answers 200 with the status ``service.healthy``, and the release names its commit (``service.version``).

    At least ``replicas`` replicas and all workers are ready, and no replica is in a crash loop.  ``expect_status`` asks this stage for
    another status, ``any`` for none; ``version: any`` does not ask for the commit.
    """

    expect_status: str | None = None
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
    wanted = options.expect_status or _text(facts, "expected_status", "healthy")
    # Evidence of an older version has the version in the health page only; None says that the service names none.
    named = facts["version"] if "version" in facts else body.get("version")
    expected = get_text(EVIDENCE, facts, "expected_version") if options.version == "commit" else ""
    unchecked = bool(expected) and "version" in facts and named is None
    problems = _answer(facts, body, wanted)
    if status == 200 and expected and not unchecked and named != expected:
        problems.append(f"version is {named!r}, the release is {expected[:12]}")
    if ready < options.replicas:
        problems.append(f"{ready:.0f} of {options.replicas} replicas are ready")
    if late := texts(f"{EVIDENCE}: workers_not_ready", get(EVIDENCE, facts, "workers_not_ready")):
        problems.append(f"{', '.join(late)} not ready")
    looping = get(EVIDENCE, facts, "crash_looping")
    if not isinstance(looping, bool):
        raise Malformed(f"{EVIDENCE}: crash_looping is {looping!r}, not true or false")
    if looping:
        problems.append(f"a replica is in a crash loop ({facts.get('restarts', '?')} restarts)")
    version = "not checked" if unchecked else str("-" if named is None else named)[:12]
    limit = "not checked" if unchecked else expected[:12] or "any"
    return Measurement(
        "fail" if problems else "pass",
        f"{status} {body.get('status', '-')}, version {version}, {ready:.0f} ready",
        f"200{'' if wanted == ANY else f' {wanted}'}, version {limit}, {options.replicas} ready",
        message=problems[0] if problems else "healthy; service.version is none" if unchecked else "healthy",
        evidence=(EVIDENCE,),
        findings=tuple(problems),
        unchecked=unchecked,
    )


def _text(facts: JsonObject, key: str, default: str) -> str:
    return get_text(EVIDENCE, facts, key) if key in facts else default


def _answer(facts: JsonObject, body: JsonObject, wanted: str) -> list[str]:
    if facts["status_code"] != 200:
        # Status and version of a page that fails are not worth a line of their own.
        return [f"{facts.get('url')} answered {facts['status_code']} {facts.get('error') or ''}".rstrip()]
    if wanted != ANY and body.get("status") != wanted:
        return [f"status is {body.get('status')!r}, not {wanted!r}"]
    return []


GATE = GateKind(Options, files, evaluate)
