"""One command takes HEAD to 100 % of production; the next one knows that nothing changed."""

from __future__ import annotations

import asyncio
import re

import pytest

from dawsos.adapters.http import get
from e2e.clone import Clone

pytestmark = pytest.mark.e2e

STAGES = [
    "lint",
    "unit",
    "property",
    "golden",
    "integration",
    "security",
    "chaos",
    "build",
    "sbom",
    "staging",
    "uat",
    "canary",
]


def test_every_stage_passes_and_the_release_serves(shipped: Clone) -> None:
    said = shipped.first
    assert said is not None
    found = re.search(r"/runs/([^/]+)/report.html", said.out)
    assert found, said.text
    run = shipped.show(found[1])
    assert run["result"] == "passed"
    assert set(run["stages"]) == set(STAGES)
    assert all(gate["result"] == "pass" for stage in run["stages"].values() for gate in stage["gates"])
    url = re.search(r"^service +(http://\S+)$", said.out, re.MULTILINE)
    assert url, said.text
    assert asyncio.run(get(f"{url[1]}/health"))["status_code"] == 200
    verified = shipped.dawsos("verify", "--json", check=0).json()
    assert (verified["failed"], verified["not_checked"]) == (0, 3), verified
    # The stand-in collects the traces of one machine, and has that of a request of the verification's own.
    (trace,) = (check for check in verified["checks"] if check["name"] == "trace")
    assert (trace["result"], trace["limit"]) == ("pass", "a span of dawsos-api within 20s")


def test_an_unchanged_commit_reuses_every_gate_and_says_so(shipped: Clone) -> None:
    said = shipped.dawsos("ship", "--approve-as", "Ada", "--reason", "again", check=0)
    restored = [line for line in said.out.splitlines() if "restored" in line]
    # Deployments look at what runs, so staging and the canary are looked at again and find their release there.
    assert len(restored) >= 10, said.text
