"""Compiled templates: kept, made anew when the text changes, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment
from jinja2.environment import Environment as Compiler

from dawsos.adapters.templates import KeptTemplates, kept_templates


def render(folder: Path, text: str = "hello {{ name }}") -> str:
    return (
        Environment(loader=DictLoader({"page": text}), bytecode_cache=KeptTemplates(folder), autoescape=True)
        .get_template("page")
        .render(name="Ada")
    )


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("it was compiled")


def test_what_was_compiled_is_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert render(tmp_path / "kept") == "hello Ada"
    monkeypatch.setattr(Compiler, "_generate", refuse)
    assert render(tmp_path / "kept") == "hello Ada"


def test_another_text_is_compiled(tmp_path: Path) -> None:
    render(tmp_path)
    assert render(tmp_path, "bye {{ name }}") == "bye Ada"
    assert render(tmp_path) == "hello Ada"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("rest", [b"", b"\xff" * 50])
def test_a_damaged_one_is_made_anew(share: float, rest: bytes, tmp_path: Path) -> None:
    render(tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: int(len(whole) * share)] + rest)
    assert render(tmp_path) == "hello Ada"
    assert kept.read_bytes() == whole


def test_a_folder_that_cannot_be_made_costs_only_the_compilation(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert render(tmp_path / "file" / "kept") == "hello Ada"


def test_a_folder_has_one_keeper(tmp_path: Path) -> None:
    assert kept_templates(tmp_path) is kept_templates(tmp_path)
    assert kept_templates(tmp_path) is not kept_templates(tmp_path / "other")
