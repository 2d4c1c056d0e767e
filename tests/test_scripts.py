"""What lies beside the package still fits it: every name that a script or a benchmark imports from dawsos is there.

Neither mypy nor a test runs them all, so a module that moves would break them unseen.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
IS_PYTHON = "#!/usr/bin/env python3"


def scripts() -> list[Path]:
    """Return the Python programs of scripts/ and bench/, with and without a suffix, and the launcher."""
    places = (ROOT / "scripts", ROOT / "bench")
    found = [path for place in places for path in place.iterdir() if path.is_file()]
    return sorted(path for path in [*found, ROOT / "dawsos"] if path.suffix == ".py" or _is_python(path))


def _is_python(path: Path) -> bool:
    return not path.suffix and path.read_text(encoding="utf-8").startswith(IS_PYTHON)


def missing(text: str) -> list[str]:
    """Return the names of dawsos that ``text`` imports and that are not there."""
    found = []
    for node in ast.walk(ast.parse(text)):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for module in (name for name in modules if name.partition(".")[0] == "dawsos"):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            found += _not_there(module, names)
    return found


def _not_there(module: str, names: list[str]) -> list[str]:
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError:
        return [module]
    return [f"{module}.{name}" for name in names if not hasattr(loaded, name) and not _is_module(f"{module}.{name}")]


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_every_import_of_a_script_is_there(path: Path) -> None:
    assert missing(path.read_text(encoding="utf-8")) == []


def test_what_is_gone_would_be_found() -> None:
    assert {"with-services", "schema", "check.py", "judge.py", "dawsos"} <= {path.name for path in scripts()}
    assert missing("from dawsos.adapters.ephemeral import services") == ["dawsos.adapters.ephemeral"]
    assert missing("from dawsos.errors import BadInput, Gone\nimport dawsos.gone") == [
        "dawsos.errors.Gone",
        "dawsos.gone",
    ]
    assert missing("from dawsos.adapters import git") == []
