"""What all suites share: the Hypothesis profile, its statistics, and the golden option."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import pytest
from hypothesis import core, settings
from hypothesis.statistics import collector

settings.register_profile("pipeline", max_examples=1000, deadline=None, derandomize=False, print_blob=True)

SEED = pytest.StashKey[int]()
PHASES = ("reuse", "generate", "shrink")
examples: dict[str, dict[str, int]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-update",
        choices=("never", "interactive", "always"),
        default="never",
        help="rewrite golden files: after a question for each, or all; needs --golden-by and --golden-reason",
    )
    parser.addoption("--golden-by", default="", help="who approves the new golden files")
    parser.addoption("--golden-reason", default="", help="why they change")
    parser.addoption("--uat-report", default=None, help="write the acceptance report (HTML; JSON beside it)")
    parser.addoption("--base-url", default=None, help="service under acceptance test (env BASE_URL)")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Always know the seed. `--hypothesis-seed=random` would otherwise be the constant seed "random"."""
    wanted = session.config.getoption("--hypothesis-seed", default=None)
    session.config.stash[SEED] = int(wanted) if str(wanted).isdecimal() else secrets.randbits(32)
    # The attribute is typed as None because that is its initial value.
    core.global_force_seed = session.config.stash[SEED]  # type: ignore[assignment]


# trylast makes this the innermost wrapper, inside the one of Hypothesis' plugin whose collector it passes on to.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """Collect what Hypothesis counts while the test runs.

    Hypothesis' own plugin uses the same collector but keeps only a text; setting it again inside and handing the
    value on keeps both.
    """
    outer = collector.value

    def note(stats: dict[str, object]) -> None:
        counted = {"examples": 0, "invalid": 0}
        for phase in PHASES:
            cases = stats.get(f"{phase}-phase", {})
            assert isinstance(cases, dict)
            for case in cases.get("test-cases", []):
                counted["examples" if case["status"] in {"valid", "interesting"} else "invalid"] += 1
        if any(counted.values()):
            examples[item.nodeid] = counted
        if outer is not None:
            outer(stats)

    # As above: the collector is declared with its initial None.
    with collector.with_value(note):  # type: ignore[arg-type]
        return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write counts and seed where HYPOTHESIS_STATS_FILE says, for the gate that wants 1,000 examples."""
    target = os.environ.get("HYPOTHESIS_STATS_FILE")
    if target:
        report = {"seed": session.config.stash[SEED], "tests": examples}
        Path(target).write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
