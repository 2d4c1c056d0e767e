"""What an error says, and how a stage or a run ends that it stopped."""

from __future__ import annotations

import errno
import shutil

import pytest

from dawsos.errors import (
    EXIT_BAD_INPUT,
    EXIT_GATE_FAILED,
    EXIT_INFRASTRUCTURE,
    BadInput,
    DawsosError,
    InfrastructureError,
    OwnedElsewhere,
    ReleaseFailed,
    failure_of,
    refusal_of,
)

# Each class with the code of a command that it ends before there is a run, and the result of a run that it ends.
CLASSES: dict[type[DawsosError], tuple[int, str]] = {
    DawsosError: (EXIT_INFRASTRUCTURE, "infrastructure"),
    BadInput: (EXIT_BAD_INPUT, "failed"),
    InfrastructureError: (EXIT_INFRASTRUCTURE, "infrastructure"),
    ReleaseFailed: (EXIT_GATE_FAILED, "failed"),
    OwnedElsewhere: (EXIT_INFRASTRUCTURE, "infrastructure"),
}


def test_every_class_is_in_the_table() -> None:
    assert {DawsosError, *DawsosError.__subclasses__()} == set(CLASSES)


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_has_its_exit_code_and_its_result(kind: type[DawsosError]) -> None:
    code, result = CLASSES[kind]
    error = kind("it broke", fix="mend it")
    assert error.exit_code == code
    assert failure_of(error) == (result, "it broke\n  fix: mend it")
    assert failure_of(kind("it broke")) == (result, "it broke")


def test_a_subclass_ends_as_its_base_does() -> None:
    class LoadFailed(ReleaseFailed):
        pass

    assert failure_of(LoadFailed("no load"))[0] == "failed"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "the disk is full"),
        (TimeoutError("late"), "TimeoutError: late"),
        (KeyError("x"), "a defect of dawsos: KeyError: 'x'"),
        (AssertionError("never"), "a defect of dawsos: AssertionError: never"),
    ],
    ids=["disk", "time", "key", "assertion"],
)
def test_what_the_tool_did_not_foresee_is_never_the_release_s_fault(error: Exception, reason: str) -> None:
    assert failure_of(error) == ("infrastructure", reason)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "the disk is full: /a/b"),
        (OSError(errno.EFBIG, "File too large"), "a file may not become that large here (ulimit -f)"),
        (shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]), "the disk is full"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a"), ""),
        (OSError("what nobody numbered"), ""),
    ],
)
def test_what_the_machine_refused_has_its_name(error: OSError, words: str) -> None:
    assert refusal_of(error) == words
    result, reason = failure_of(error)
    assert result == "infrastructure"
    assert not words or reason == words
