"""Each stage is made red by breaking the service in one place: the right stage, gate, value and limit, nothing behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from ruamel.yaml import YAML

from e2e.clone import Clone

pytestmark = pytest.mark.e2e

CORE = "backend/app/core"


@dataclass(frozen=True)
class Break:
    """A mistake somebody could make: texts replaced in ``file``; what the red ``gate`` of ``stage`` must say of it."""

    what: str
    stage: str
    file: str
    edits: tuple[tuple[str, str], ...]
    gate: str
    measured: str  # a regular expression
    limit: str
    code: int = 1

    @property
    def slow(self) -> bool:
        """True for a mistake in the service itself, for which every gate runs anew; one in pipeline.yaml is tried in every CI run."""
        return self.file != "pipeline.yaml"


BREAKS = (
    # What is only said in pipeline.yaml comes first: everything before the broken stage is restored from the cache.
    Break(
        "the seed command is misspelt", "staging", "pipeline.yaml",
        (("seed: python -m app.seed", "seed: python -m app.sead"),),
        "exit_status", "1 of 2 steps exited 0", "all exit 0",
    ),
    Break(
        "it never says that it is ready", "staging", "pipeline.yaml",
        (("ready: /health/ready", "ready: /health/nowhere\n  ready_within: 3s"),),
        "exit_status", "2 of 3 steps exited 0", "all exit 0",
    ),
    Break(
        "a list of packages without hashes", "build", "pipeline.yaml",
        (("requirements: backend/requirements.txt", "requirements: backend/requirements.in"),),
        "exit_status", "0 of 1 steps exited 0", "all exit 0",
    ),
    Break(
        "a version that somebody fixed by hand", "staging", "pipeline.yaml",
        (("command: python -m app.serve", "command: env GIT_SHA=0123abcd python -m app.serve"),),
        "health", r"200 healthy, version 0123abcd, 2 ready", "200 healthy, version [0-9a-f]{12}, 2 ready",
    ),
    Break(
        "a limit that is far too low for its users", "uat", "pipeline.yaml",
        (('RATE_LIMIT_PER_MINUTE: "60000"', 'RATE_LIMIT_PER_MINUTE: "20"'),),
        "smoke", r"\d+\.\d% \(\d+ of \d+\)", r"at least 100%",
    ),
    Break(
        "an import nobody uses", "lint", f"{CORE}/fx.py",
        (("from decimal import Decimal\n", "from decimal import Decimal, Context\n"),),
        "findings", r"\d+ findings in 1 files", "at most 0",
    ),
    Break(
        "a limit that was mistyped", "unit", f"{CORE}/alerts.py",
        (('Decimal("-0.05")', 'Decimal("-0.06")'),),
        "junit", r"\d+ failed", "0 failed",
    ),
    Break(
        "a function without a test", "unit", f"{CORE}/alerts.py",
        (
            (
                "def value_drop",
                "def late(values: list[Decimal]) -> Decimal:\n"
                '    """Lines that nothing runs: of app/core two in a hundred may be uncovered."""\n'
                "    count = Decimal(0)\n" + "".join(f"    count += values[{n}]\n" for n in range(45)) +
                "    return count\n\n\ndef value_drop",
            ),
        ),
        "coverage", r"app/core 9\d\.\d\d %", "app/core 98 %",
    ),
    Break(
        "a profile that tries too little", "property", "backend/tests/conftest.py",
        (("max_examples=1000", "max_examples=100"),),
        "examples", "at least 100 examples", "at least 1000 each",
    ),
    Break(
        "a price that changed afterwards", "golden", "backend/app/data/market.json",
        (('"RY.TO": "110.76"', '"RY.TO": "110.77"'),),
        "golden", r"\d+ of \d+ byte for byte", "all byte for byte",
    ),
    Break(
        "a way down that leaves the column", "integration", "backend/migrations/001_ledger_commit.down.sql",
        (("DROP COLUMN ledger_commit_hash", "ALTER COLUMN ledger_commit_hash DROP DEFAULT"),),
        "junit", r"\d+ failed", "0 failed",
    ),
    Break(
        "a weak hash with the linter silenced", "security", f"{CORE}/twr.py",
        (
            ("from decimal import Decimal\n", "from decimal import Decimal\nfrom hashlib import md5\n"),
            (
                "multiply\n\n\n@dataclass",
                'multiply\n\nVERSION = md5(b"twr").hexdigest()  # noqa: S324\n\n\n@dataclass',
            ),
        ),
        "scan", "1 findings in", "0 of HIGH, MEDIUM",
    ),
    Break(
        "patience that a caller does not have", "chaos", "backend/app/storage/db.py",
        (("command_timeout=self._query_seconds", "command_timeout=30.0"),),
        "junit", r"\d+ failed", "0 failed",
    ),
    Break(
        "a dependency under a licence that is not allowed", "sbom", "pipeline.yaml",
        (("          certifi: MPL-2.0 covers its list of root certificates, which ships unchanged\n", ""),),
        "licences", r"1 of \d+ packages not allowed", "0 not allowed",
    ),
    Break(
        "a resource that runs out under load", "canary", "backend/app/api/health.py",
        (
            ("from http import HTTPStatus", "from http import HTTPStatus\nfrom itertools import count"),
            ("router = APIRouter()\n", "router = APIRouter()\nHANDLES = count(1)\n"),
            (
                '    return {"status": "healthy"',
                "    if next(HANDLES) > 4:\n"
                '        raise OSError("too many open files")\n'
                '    return {"status": "healthy"',
            ),
        ),
        "rollout", r"rolled_back at \d+ %, errors \d+", "promoted at 100 %", 4,
    ),
)  # fmt: skip


def needs(clone: Clone) -> dict[str, set[str]]:
    """Return for each stage all stages that must have passed before it."""
    stages = YAML(typ="safe").load((clone.path / "pipeline.yaml").read_text())["stages"]
    before: dict[str, set[str]] = {}
    for stage in stages:  # pipeline.yaml lists each stage behind what it needs
        direct = set(stage.get("needs", ()))
        before[stage["id"]] = direct.union(*(before[one] for one in direct))
    return before


@pytest.mark.timeout(600, func_only=True)
@pytest.mark.parametrize(
    "mistake",
    [pytest.param(b, id=f"{b.stage}: {b.what}", marks=[pytest.mark.slow] if b.slow else []) for b in BREAKS],
)
def test_one_mistake_makes_its_stage_red_and_nothing_behind_it_runs(shipped: Clone, mistake: Break) -> None:
    served = shipped.version()
    with shipped.broken():
        for old, new in mistake.edits:
            shipped.edit(mistake.file, old, new)
        shipped.commit(mistake.what)
        said = shipped.dawsos("ship", "--approve-as", "Ada", "--reason", "test", check=mistake.code)
        run = shipped.show()

    stage = run["stages"][mistake.stage]
    assert stage["state"] == ("rolled_back" if mistake.code == 4 else "failed"), said.text
    red = next(gate for gate in stage["gates"] if gate["result"] != "pass")
    assert red["gate"] == mistake.gate, said.text
    assert re.search(mistake.measured, red["measured"]), red
    assert re.search(mistake.limit, red["limit"]), red
    shown = [line for line in said.out.splitlines() if mistake.stage in line and red["measured"] in line]
    assert any(red["limit"] in line and red["gate"] in line for line in shown), said.text

    before = needs(shipped)
    for name, state in ((name, stage["state"]) for name, stage in run["stages"].items() if name != mistake.stage):
        if name in before[mistake.stage]:
            assert state in ("passed", "restored"), f"{name} is {state}"
        elif mistake.stage in before[name]:
            assert state == "pending", f"{name} is {state}"
        else:
            assert state in ("passed", "restored", "cancelled", "pending"), f"{name} is {state}"
    assert shipped.version() == served
