"""Every module of the tool has its test file: ``src/dawsos/a/b.py`` is tested by ``tests/a/test_b.py``.

Who changes a module finds its tests without a search, and a module without any is seen the day it is written.
"""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "dawsos"

# This list may only become shorter: a module that is new comes with its test file, and one that gets a test file leaves it.
WITHOUT: dict[str, str] = {
    "ports.py": "Protocols; contracts/test_ports.py holds every implementation and fake against them",
    "adapters/digests.py": "two functions over bytes; test_cache.py and test_evidence.py alter a byte and see it noticed",
    "engine/contract.py": "frozen values and type aliases; engine/test_attempt.py and actions/test_commands.py work with them",
    "adapters/services/common.py": "contracts/test_services.py holds every service to it: private, idempotent, loopback",
    "adapters/services/postgres.py": "contracts/test_services.py prepares it, adapters/services/test_ephemeral.py starts it",
    "adapters/services/redis.py": "contracts/test_services.py prepares it, adapters/services/test_ephemeral.py starts it",
    "provenance/verification.py": "runs/test_evidence.py alters every byte of a run's evidence and sees it refused",
    "provenance/statements.py": "runs/test_evidence.py writes and checks every kind of statement",
    "analysis/judges.py": "one choice by name; analysis/statistical/test_judge.py and simulation/test_vector.py make each judge by it",
    "analysis/proof.py": "analysis/statistical/test_judge.py sees what is proven and what is not",
    "analysis/statistical/sentences.py": "analysis/statistical/test_judge.py and test_power.py read what it says",
    "analysis/simulation/contenders.py": "analysis/simulation/test_contest.py lets each of them judge",
    "analysis/simulation/draws.py": "analysis/simulation/test_vector.py draws from it and compares moments",
    "analysis/simulation/scenarios.py": "analysis/simulation/test_vector.py and test_contest.py run through them",
    "model/rollout.py": "frozen values; analysis/test_samples.py writes and reads them, the judges judge them",
    "model/release.py": "one frozen value; releases/test_bundle.py makes it, the platforms run it",
    "exporters/contract.py": "one frozen value; contracts/test_exporters.py is its suite",
    "exporters/registry.py": "one dict; contracts/test_registries.py holds it against the names of pipeline.yaml",
    "model/exports.py": "the options of the exporters; contracts/test_exporters.py and exporters/ work with them",
    "executors/contract.py": "a Protocol and a frozen value; contracts/test_executors.py is its suite",
    "executors/registry.py": "one dict; contracts/test_registries.py holds it against the names of executors",
    "executors/local.py": "one call; contracts/test_executors.py runs real commands through it",
    "platforms/contract.py": "Protocols and frozen values; contracts/platform is its suite",
    "platforms/registry.py": "one dict; contracts/test_registries.py holds it against the names of pipeline.yaml",
    "platforms/observers.py": "one dict; contracts/test_registries.py holds it against the platforms",
    "runs/context.py": "frozen values that the tests of runs and actions are given",
    "adoption/python_facts.py": "two frozen values; adoption/test_python.py reads them",
    "model/status.py": "closed sets; model/facts/test_stages.py reads them, model/test_fold.py sets them",
}


def modules() -> set[str]:
    found = (path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if not path.name.startswith("__"))
    return set(found)


def has_tests(module: str) -> bool:
    path = Path(module)
    return (TESTS / path.parent / f"test_{path.name}").is_file()


def test_every_module_has_its_test_file() -> None:
    missing = {module for module in modules() if not has_tests(module)}
    new = sorted(missing - WITHOUT.keys())
    assert not new, f"no test file for {new}: write tests/{Path(new[0]).parent}/test_{Path(new[0]).name}"


def test_what_has_its_test_file_now_is_no_exception_any_more() -> None:
    done = sorted(module for module in WITHOUT if has_tests(module) or module not in modules())
    assert not done, f"take {done} off the list WITHOUT"


def test_no_test_file_is_of_a_module_that_is_gone() -> None:
    """Beside the mirror there are tests of the whole: contracts, end to end, pipelines.  What is long may be in several
    files that begin with the module's name: ``test_git.py`` and ``test_git_lines.py``."""
    mirrored = [path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"]
    files = (path.relative_to(TESTS) for folder in mirrored for path in (TESTS / folder).rglob("test_*.py"))
    assert sorted(file.as_posix() for file in files if not _of_a_module(file)) == []


def _of_a_module(file: Path) -> bool:
    name = file.stem.removeprefix("test_")
    return any(name == path.stem or name.startswith(f"{path.stem}_") for path in (SOURCE / file.parent).glob("*.py"))


def test_a_module_without_a_test_file_would_be_found() -> None:
    assert "cli/main.py" in modules()
    assert has_tests("cli/main.py")
    assert not has_tests("platforms/local/no_such_module.py")
