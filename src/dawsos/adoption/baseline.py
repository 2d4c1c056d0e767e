"""What a project had when it was adopted, as exceptions with an end: waivers, quarantined tests, a limit of coverage.  Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import floor

from dawsos.model.verdicts import GateVerdict

WAIVERS, QUARANTINE = "dawsos-waivers.yaml", "dawsos-quarantine.yaml"
# A quarter: long enough to mend what was there, short enough to be remembered.
DAYS = 90
_WHY = "was there when the project was adopted"
_FINGERPRINT = re.compile(r"fingerprint ([0-9a-f]+)")
# As the gate vulnerabilities writes them: package, version, id.
_VULNERABILITY = re.compile(r"(\S+) \S+: ([A-Z][A-Za-z]*-[\w-]+)")
_TEST = re.compile(r"(.+?::.+?): ")


@dataclass(frozen=True)
class Baseline:
    """``findings`` is the identity of a finding -> how many there are, ``advisories`` are (id, package), ``coverage`` is the limit in
    per cent that the project reaches, None where nothing was measured."""

    findings: dict[str, int]
    secrets: tuple[str, ...] = ()
    advisories: tuple[tuple[str, str], ...] = ()
    tests: tuple[str, ...] = ()
    coverage: int | None = None

    @property
    def count(self) -> int:
        return sum(self.findings.values()) + len(self.secrets) + len(self.advisories) + len(self.tests)


def read(verdicts: Iterable[GateVerdict]) -> Baseline:
    """Return what the verdicts of the first run found."""
    told = [one for one in verdicts if one.result in ("fail", "pass")]
    found = [one for one in told if one.result == "fail"]

    def lines(*kinds: str) -> list[str]:
        return [line for one in found if one.kind in kinds for line in one.findings]

    places = [place for one in found if one.kind in ("findings", "scan") for place in one.places]
    tests = [match[1] for line in lines("junit", "flaky") if (match := _TEST.match(line))]
    measured = [
        match[1] for one in told if one.kind == "coverage" and (match := re.match(r"([\d.]+) % total", one.measured))
    ]
    return Baseline(
        findings=dict(sorted(Counter(place.identity for place in places).items())),
        secrets=tuple(dict.fromkeys(match[1] for line in lines("secrets") if (match := _FINGERPRINT.search(line)))),
        advisories=tuple(
            dict.fromkeys(
                (match[2], match[1]) for line in lines("vulnerabilities") if (match := _VULNERABILITY.match(line))
            )
        ),
        tests=tuple(dict.fromkeys(tests)),
        coverage=floor(float(measured[0])) if measured else None,
    )


def waivers_text(baseline: Baseline, by: str, until: date) -> str:
    """Return the list of waivers that the gates findings, scan, secrets and vulnerabilities read."""
    entries: list[dict[str, object]] = [
        {"id": identity, "most": count} for identity, count in baseline.findings.items()
    ]
    entries += [{"id": fingerprint} for fingerprint in baseline.secrets]
    entries += [{"id": name, "package": package} for name, package in baseline.advisories]
    return _text(entries, {"by": by, "why": _WHY}, until)


def quarantine_text(baseline: Baseline, by: str, until: date) -> str:
    """Return the list of tests that the gates junit and flaky read."""
    return _text([{"test": test} for test in baseline.tests], {"owner": by, "why": _WHY}, until)


def _text(entries: list[dict[str, object]], rest: dict[str, str], until: date) -> str:
    head = "# Made by `dawsos init --baseline`.  Each entry is an exception until its day; take out what is mended."
    # Texts in double quotes as JSON has them are texts to YAML, whatever is in them.
    lines = [
        "- {"
        + ", ".join(f"{key}: {json.dumps(value)}" for key, value in {**entry, **rest}.items())
        + f", until: {until}}}"
        for entry in entries
    ]
    return "\n".join([head, *(lines or ["[]"])]) + "\n"
