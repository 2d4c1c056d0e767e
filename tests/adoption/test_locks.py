"""The locks of projects: what their tools are asked for, and what of their texts pip could verify."""

from __future__ import annotations

import pytest

from dawsos.adoption.locks import EXPORTERS, read_pins, with_hashes
from dawsos.adoption.python_facts import Lock
from dawsos.errors import BadInput

A, B, C = "a" * 64, "b" * 64, "c" * 64
# As uv, poetry and pdm write them (several lines), and pipenv (one line, with the address of the registry).
UV = f"""\
click==8.5.1 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
tomli==2.5.0 ; python_full_version < '3.11' \\
    --hash=sha256:{C}
    # via pytest
"""
PIPENV = (
    f"-i https://pypi.org/simple\nZope.Interface==7.0; python_version >= '3.10' --hash=sha256:{A} --hash=sha256:{B}\n"
)


def test_the_pins_are_read_with_their_markers_and_digests() -> None:
    click, tomli = read_pins(UV, "uv.lock")
    assert (click.name, click.requirement, click.hashes) == ("click", "click==8.5.1", frozenset({A, B}))
    assert (tomli.requirement, tomli.hashes) == ("tomli==2.5.0 ; python_full_version < '3.11'", frozenset({C}))
    (zope,) = read_pins(PIPENV, "Pipfile.lock")
    assert (zope.name, zope.hashes) == ("zope-interface", frozenset({A, B}))
    assert read_pins("# nothing\n\n-e .\n.\n", "uv.lock") == []


@pytest.mark.parametrize(
    "line",
    [
        "click==8.5.1", f"click>=8 --hash=sha256:{A}", "click==8.5.1 --hash=md5:aa", "-e ../mine", "-r base.txt", "./mine.whl",
        f"mine @ git+https://example.org/mine@v1 --hash=sha256:{A}", "!?",
    ],
)  # fmt: skip
def test_what_pip_could_not_verify_is_refused_by_its_line(line: str) -> None:
    with pytest.raises(BadInput, match=r"uv\.lock locks '.*without a version and a SHA-256 digest"):
        read_pins(f"{UV}{line}\n", "uv.lock")


def test_a_package_that_is_locked_for_two_pythons_has_the_digests_of_both() -> None:
    pins = read_pins(
        f"numpy==1.26 ; python_version < '3.12' --hash=sha256:{A}\nnumpy==2.0 --hash=sha256:{B}\n", "poetry.lock"
    )
    assert with_hashes(pins) == {"numpy": {A, B}}


@pytest.mark.parametrize(
    ("form", "with_tests", "without"),
    [
        ("uv", "uv export --locked --no-emit-local --no-header --no-annotate --format requirements.txt --group dev --extra test",
         "uv export --locked --no-emit-local --no-header --no-annotate --format requirements.txt --no-default-groups"),
        ("poetry", "poetry --no-interaction export --format requirements.txt --with dev --extras test",
         "poetry --no-interaction export --format requirements.txt"),
        ("pdm", "pdm export --format requirements --group dev --group test", "pdm export --format requirements --prod"),
        ("pipenv", "pipenv requirements --hash --dev", "pipenv requirements --hash"),
    ],
)  # fmt: skip
def test_each_tool_is_asked_with_what_the_tests_need_or_without(form: str, with_tests: str, without: str) -> None:
    lock = Lock(form, "x.lock", ("dev",), ("test",))  # type: ignore[arg-type]
    assert " ".join(EXPORTERS[form].arguments(lock, True)) == with_tests
    assert " ".join(EXPORTERS[form].arguments(lock, False)) == without
