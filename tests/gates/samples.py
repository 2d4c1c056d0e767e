"""Evidence for every kind of gate, as the tools write it: builders, and one passing and one failing case for each kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

from dawsos.gates import GATES, evaluate_gate
from dawsos.model.pipeline import Gate
from dawsos.model.verdicts import GateKindName, GateVerdict


def gate(kind: GateKindName, name: str = "gate", **options: Any) -> Gate:
    """Return a gate with ``options``, validated as the loader of a pipeline validates them."""
    return Gate(kind=kind, name=name, options=GATES[kind].options.model_validate(options))


def ask(kind: GateKindName, evidence: Mapping[str, Any], **options: Any) -> GateVerdict:
    """Return the verdict of a gate called ``gate``; what is not text or bytes in ``evidence`` is written as JSON."""
    return evaluate_gate(gate(kind, **options), encoded(evidence))


def encoded(evidence: Mapping[str, Any]) -> dict[str, bytes]:
    """Return ``evidence`` as the bytes of files."""
    return {name: _bytes(content) for name, content in evidence.items()}


def _bytes(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def junit(outcomes: Mapping[str, str] | Sequence[tuple[str, str]], **properties: str) -> str:
    """Return a JUnit report as pytest writes it of ``outcomes``: test name -> passed, failed, error or skipped."""
    pairs = list(outcomes.items() if isinstance(outcomes, Mapping) else outcomes)
    inner = "".join(f"<property name={quoteattr(k)} value={quoteattr(v)}/>" for k, v in properties.items())
    inner = f"<properties>{inner}</properties>" if inner else ""
    marks = {
        "passed": "",
        "failed": '<failure message="assert 1 == 2">trace</failure>',
        "error": '<error message="fixture broke">trace</error>',
        "skipped": '<skipped message="not today"/>',
    }
    cases = "".join(
        f'<testcase classname="tests.test_x" name={quoteattr(name)}>{inner}{marks[outcome]}</testcase>'
        for name, outcome in pairs
    )
    said = [outcome for _, outcome in pairs]
    return (
        f'<testsuites><testsuite name="pytest" tests="{len(pairs)}" failures="{said.count("failed")}"'
        f' errors="{said.count("error")}" skipped="{said.count("skipped")}">{cases}</testsuite></testsuites>'
    )


def compared(missing: str = "") -> dict[str, Any]:
    """Return the evidence of a comparison of one request, with the field ``missing`` missing."""
    side = {"answers": 12, "status": "200", "bytes": 120, "seconds": 0.01}
    lost = {
        "kind": "missing",
        "where": missing,
        "stable": "there",
        "canary": "missing",
        "count": 6,
        "of": 6,
        "fails": True,
    }
    reason = f"{missing} is missing" if missing else "no difference"
    page = {
        "method": "GET", "path": "/v1/x", "verdict": "fail" if missing else "pass", "reason": reason, "stable": side,
        "canary": {**side, "answers": 6}, "differences": [lost] if missing else [],
    }  # fmt: skip
    return {"version": 1, "verdict": page["verdict"], "reason": f"GET /v1/x: {reason}", "requests": 18, "pages": [page]}


def cobertura(files: Mapping[str, Sequence[int]], source: str = "/project/app", branch: str = "") -> str:
    """Return a Cobertura report of ``files``: file name -> the hits of its lines 1, 2, ...; ``branch`` is of line 1."""
    classes = []
    for name, hits in files.items():
        lines = "".join(
            f'<line number="{number}" hits="{count}"'
            + (f' branch="true" condition-coverage="{branch}"' if branch and number == 1 else "")
            + "/>"
            for number, count in enumerate(hits, start=1)
        )
        classes.append(f"<class filename={quoteattr(name)}><lines>{lines}</lines></class>")
    return (
        f"<coverage><sources><source>{source}</source></sources>"
        f"<packages><package><classes>{''.join(classes)}</classes></package></packages></coverage>"
    )


def step(
    name: str = "tests", code: int | None = 0, classification: str = "", tail: Sequence[str] = ()
) -> dict[str, Any]:
    """Return one entry of ``steps.json``."""
    said = classification or ("ok" if code == 0 else "failed")
    return {
        "name": name,
        "command": "true",
        "classification": said,
        "exit_code": code,
        "log": "s.log",
        "tail": list(tail),
    }


def health(**changes: Any) -> dict[str, Any]:
    """Return ``health.json`` of a healthy deployment of two replicas, with ``changes``."""
    body = {"status": "healthy", "version": "c0ffee" * 6}
    good = {
        "url": "http://127.0.0.1:1/health", "status_code": 200, "error": "", "body": body,
        "expected_version": "c0ffee" * 6, "replicas": 2, "ready": 2, "restarts": 0, "crash_looping": False,
        "workers_not_ready": [],
    }  # fmt: skip
    return good | changes


def audited(*packages: str, **vulnerable: str) -> dict[str, Any]:
    """Return pip-audit's report: ``name==version`` are clean, ``name="version"`` has one known vulnerability."""
    clean = [dict(zip(("name", "version"), package.split("=="), strict=True), vulns=[]) for package in packages]
    bad = [
        {"name": name, "version": version, "vulns": [{"id": "PYSEC-1", "fix_versions": ["9.9"]}]}
        for name, version in vulnerable.items()
    ]
    return {"dependencies": clean + bad, "fixes": []}


def bandit(*severities: str, files: int = 2, errors: Sequence[Any] = ()) -> dict[str, Any]:
    """Return bandit's report with one finding for each severity, over so many files."""
    results = [
        {
            "filename": "app/x.py", "line_number": 7, "issue_severity": severity, "issue_confidence": "HIGH",
            "test_id": "B602", "issue_text": "shell=True",
        }
        for severity in severities
    ]  # fmt: skip
    names = [*(f"app/{number}.py" for number in range(files)), "_totals"]
    return {"results": results, "metrics": {name: {} for name in names}, "errors": list(errors)}


def licence(name: str, words: str, version: str = "1.0") -> dict[str, str]:
    """Return one row of pip-licenses' report."""
    return {"Name": name, "Version": version, "License": words}


def cyclonedx(*names: str) -> dict[str, Any]:
    """Return a CycloneDX bill of materials."""
    return {"bomFormat": "CycloneDX", "components": [{"name": name} for name in names]}


def image(**changes: Any) -> dict[str, Any]:
    """Return the description of a good image, with ``changes``."""
    good = {
        "name": "backend", "bytes": 88_500_000, "user": "65532:65532", "shells": [], "healthcheck": ["python", "-m", "app.probe"],
        "labels": {"org.opencontainers.image.created": "2026-11-25T10:00:00Z", "org.opencontainers.image.revision": "c0ffee"},
        "layers": [{"digest": "sha256:aa", "bytes": 50_000_000, "command": "base"}, {"digest": "sha256:bb", "bytes": 38_500_000}],
        "packages": [{"name": "uvloop", "bytes": 20_000_000}], "digests": ["sha256:" + "ab" * 32] * 2,
    }  # fmt: skip
    return good | changes


def secrets(*kinds: str, commits: int = 3, files: int = 10) -> dict[str, Any]:
    """Return the report of ``dawsos scan secrets`` with one secret in a file for each of ``kinds``."""
    found = [
        {"kind": kind, "path": "app/x.py", "line": number, "commit": "", "length": 20, "fingerprint": f"{number:012x}"}
        for number, kind in enumerate(kinds, start=1)
    ]
    return {"scanned": {"commits": commits, "files": files}, "secrets": found}


NOW = 1_795_600_000.0  # 2026-11-25


def context(profile: str = "laptop", at: float = NOW) -> dict[str, Any]:
    """Return the context of an evaluation as the tool writes it."""
    return {"at": at, "profile": profile}


@dataclass(frozen=True)
class Case:
    """A gate's options, with evidence on which it passes and evidence on which it fails.

    ``vital`` are the places in the passing evidence without which there is nothing to pass on.
    """

    good: Mapping[str, Any]
    bad: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    vital: tuple[tuple[Any, ...], ...] = ()


_LOCK = "httpx==0.28.1 --hash=sha256:aa\n"
CASES: dict[str, Case] = {
    "compare": Case(
        {"compare.json": compared()},
        {"compare.json": compared("total")},
        vital=(
            ("verdict",),
            ("reason",),
            ("pages",),
            ("pages", 0),
            ("pages", 0, "verdict"),
        ),
    ),
    "coverage": Case(
        {"coverage.xml": cobertura({"core/a.py": [1] * 20})},
        {"coverage.xml": cobertura({"core/a.py": [1] * 18 + [0] * 2})},
        {"total": 95},
    ),
    "examples": Case(
        {"examples.json": {"seed": 7, "tests": {"test_a": {"examples": 1000}}}},
        {"examples.json": {"seed": 7, "tests": {"test_a": {"examples": 999}}}},
        vital=(("tests",), ("tests", "test_a"), ("tests", "test_a", "examples")),
    ),
    "exit_status": Case(
        {"steps.json": [step()]},
        {"steps.json": [step(code=1)]},
        vital=((), (0,), (0, "classification"), (0, "exit_code")),
    ),
    "findings": Case(
        {"ruff.txt": "All checks passed!\n"}, {"ruff.txt": "app/x.py:3:1: F401 unused\n"}, {"files": "ruff.txt"}
    ),
    "flaky": Case(
        {f"junit-{run}.xml": junit({"test_a": "passed"}) for run in (1, 2, 3)},
        {f"junit-{run}.xml": junit({"test_a": "failed" if run == 2 else "passed"}) for run in (1, 2, 3)},
    ),
    "golden": Case(
        {"golden.json": {"goldens": {"pack_hash": {"result": "same"}}}},
        {"golden.json": {"goldens": {"pack_hash": {"result": "differs", "diff": ["packs.day.hash: 'a' became 'b'"]}}}},
        vital=(("goldens",), ("goldens", "pack_hash"), ("goldens", "pack_hash", "result")),
    ),
    "health": Case(
        {"health.json": health()},
        {"health.json": health(status_code=503)},
        {"replicas": 2},
        vital=(
            ("status_code",),
            ("body",),
            ("body", "status"),
            ("body", "version"),
            ("expected_version",),
            ("ready",),
            ("crash_looping",),
        ),
    ),
    "image": Case(
        {"image.json": image()},
        {"image.json": image(user="root")},
        vital=(("bytes",), ("user",), ("shells",), ("labels",), ("healthcheck",), ("digests",), ("digests", 0)),
    ),
    "junit": Case({"junit.xml": junit({"test_a": "passed"})}, {"junit.xml": junit({"test_a": "failed"})}),
    "licences": Case(
        {"licences.json": [licence("httpx", "BSD-3-Clause")]},
        {"licences.json": [licence("x", "GPL-3.0-only")]},
        vital=((), (0,), (0, "License")),
    ),
    "pass_rate": Case(
        {"junit.xml": junit({"test_a": "passed"})}, {"junit.xml": junit({"test_a": "failed"})}, {"min_rate": "95%"}
    ),
    "rollout": Case(
        {"rollout.json": {"outcome": "promoted", "weight": 100, "error_rate": 0.0, "p95": 0.1, "release": "r" * 64}},
        {"rollout.json": {"outcome": "rolled_back", "weight": 5, "error_rate": 0.2, "reason": "errors"}},
        vital=(("outcome",), ("weight",)),
    ),
    "sbom": Case(
        {"sbom.json": cyclonedx("httpx")},
        {"sbom.json": cyclonedx()},
        vital=(("bomFormat",), ("components",), ("components", 0)),
    ),
    "scan": Case({"bandit.json": bandit()}, {"bandit.json": bandit("HIGH")}, vital=(("results",), ("metrics",))),
    "secrets": Case(
        {"secrets.json": secrets()},
        {"secrets.json": secrets("AWS Access Key")},
        vital=(("scanned",), ("scanned", "commits"), ("scanned", "files"), ("secrets",)),
    ),
    "size": Case({"release.json": {"bytes": 1_000_000}}, {"release.json": {"bytes": 900_000_000}}, vital=(("bytes",),)),
    "threshold": Case(
        {"slo.json": {"p95": 0.9}},
        {"slo.json": {"p95": 1.3}},
        {"file": "slo.json", "path": "p95", "max": 1.2},
        vital=(("p95",),),
    ),
    "vulnerabilities": Case(
        {"audit.json": audited("httpx==0.28.1"), "requirements.txt": _LOCK, "context.json": context()},
        {"audit.json": audited(httpx="0.28.1"), "requirements.txt": _LOCK, "context.json": context()},
        {"sources": {"pip-audit": "audit.json"}},
        vital=(
            ("dependencies",),
            ("dependencies", 0),
            ("dependencies", 0, "name"),
            ("dependencies", 0, "version"),
            ("dependencies", 0, "vulns"),
        ),
    ),
}
