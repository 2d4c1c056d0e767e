"""What projects say of themselves, in each of the ways in which Python projects say it."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from dawsos.adoption.contract import Tree
from dawsos.adoption.python_metadata import Metadata, pipeline_name, poetry_requirements, poetry_versions
from dawsos.errors import BadInput

POETRY = "[tool.poetry]\nname='p'"


def said(**files: str) -> Metadata:
    named = {name.replace("__", "."): text for name, text in files.items()}
    return Metadata(Tree.of("folder", named))


@pytest.mark.parametrize(
    ("files", "name", "requires", "installable"),
    [
        ({"pyproject__toml": "[project]\nname='My.Shop'\nrequires-python='>=3.9'\n[build-system]\n"}, "my-shop", ">=3.9", True),
        ({"pyproject__toml": "[project]\nname='app'\nrequires-python='>=3.9'\n"}, "app", ">=3.9", False),
        ({"pyproject__toml": "[project]\nname='app'\n[build-system]\n[tool.uv]\npackage=false\n"}, "app", "", False),
        ({"pyproject__toml": f"{POETRY}\n[tool.poetry.dependencies]\npython='^3.9'\n[build-system]\n"}, "p", ">=3.9,<4", True),
        ({"pyproject__toml": f"{POETRY}\npackage-mode=false\n[build-system]\n"}, "p", "", False),
        ({"pyproject__toml": "[tool.pdm]\ndistribution=false\n[build-system]\n"}, "folder", "", False),
        ({"setup__cfg": "[metadata]\nname = old\n[options]\npython_requires = >=3.8\n"}, "old", ">=3.8", True),
        ({"setup__py": "setup(name='older', python_requires='>=3.7, <4')"}, "older", ">=3.7, <4", True),
        ({"Pipfile": "[requires]\npython_version = '3.11'\n"}, "folder", "==3.11.*", False),
        ({"requirements__txt": "flask\n"}, "folder", "", False),
    ],
)  # fmt: skip
def test_name_python_and_whether_it_can_be_installed(
    files: dict[str, str], name: str, requires: str, installable: bool
) -> None:
    found = said(**files)
    assert (found.name, found.requires_python, found.installable) == (name, requires, installable)


@pytest.mark.parametrize(
    ("named", "name"),
    [("2048", "project-2048"), ("_x", "project-_x"), ("!", "project"), ("3" * 50, "project-" + "3" * 32), ("True", "true")],
)  # fmt: skip
def test_any_name_of_a_project_becomes_one_that_a_pipeline_may_have(named: str, name: str) -> None:
    assert pipeline_name(named) == name


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ("^1.2.3", "1.9", "2.0"), ("^1", "1.0", "2.0"), ("^0.2.3", "0.2.9", "0.3.0"), ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0.0", "0.0.5", "0.1"), ("~1.2.3", "1.2.9", "1.3"), ("~1", "1.9", "2.0"), ("~=1.4.2", "1.4.9", "1.5"),
        ("1.2.3", "1.2.3", "1.2.4"), ("1.2.*", "1.2.9", "1.3"), (">=1.2, <2", "1.9", "2.0"), (">=1.2 <2", "1.9", "2.0"),
        ("=1.0", "1.0", "1.1"), ("==1.0", "1.0", "1.1"), ("!=1.5", "1.4", "1.5"), ("^1.0b1", "1.0", "2.0"),
    ],
)  # fmt: skip
def test_the_versions_of_poetry_are_those_of_pip(written: str, inside: str, outside: str) -> None:
    """The examples of poetry's own page on dependency specifications, and a version on each side of the limit."""
    specifiers = SpecifierSet(poetry_versions(written))
    assert specifiers.contains(inside)
    assert not specifiers.contains(outside)


def test_any_version_and_what_pip_cannot_say_are_no_limit() -> None:
    assert [poetry_versions(written) for written in ("*", "", "^1 || ^3")] == ["", "", ""]


def test_the_dependencies_of_poetry_are_requirements() -> None:
    table = {
        "python": "^3.9", "flask": "^3.0", "uvicorn": {"version": "^0.30", "extras": ["standard"]}, "mine": {"path": "../mine"},
        "tomli": {"version": "*", "python": "<3.11"}, "colorama": {"version": ">=0.4", "markers": "sys_platform == 'win32'"},
        "numpy": [{"version": "^1.26", "python": "<3.12"}, {"version": "^2.0", "python": ">=3.12"}],
    }  # fmt: skip
    found = [Requirement(one) for one in poetry_requirements(table)]
    assert [one.name for one in found] == ["flask", "uvicorn", "tomli", "colorama", "numpy", "numpy"]
    assert found[1].extras == {"standard"}
    assert found[2].marker is not None
    assert [found[2].marker.evaluate({"python_version": version}) for version in ("3.10", "3.11")] == [True, False]
    assert poetry_requirements({"x": {"version": "1", "python": ">=3.9.2"}}) == ["x==1; python_full_version >= '3.9.2'"]


def test_what_the_tests_need_is_in_a_group_or_an_extra() -> None:
    pep735 = said(
        pyproject__toml="[dependency-groups]\nbase=['hypothesis']\ntests=['pytest-mock',{include-group='base'}]\ndev=['x']"
    )
    assert (pep735.groups, pep735.group_requirements) == (("tests",), ["pytest-mock", "hypothesis"])
    poetry = said(
        pyproject__toml="[tool.poetry.group.test.dependencies]\npytest='^8'\n[tool.poetry.dev-dependencies]\nblack='*'"
    )
    assert (poetry.groups, poetry.group_requirements) == (("test",), ["pytest>=8,<9"])
    old = said(pyproject__toml="[tool.poetry.dev-dependencies]\nblack='*'")
    assert (old.groups, old.group_requirements) == (("dev",), ["black"])
    pdm = said(pyproject__toml="[tool.pdm.dev-dependencies]\ntest=['pytest>=8', '-e file:///x']")
    assert (pdm.groups, pdm.group_requirements) == (("test",), ["pytest>=8"])
    assert said(pyproject__toml="[project.optional-dependencies]\ndocs=['x']\ntest=['y']").extra == "test"
    assert said(setup__cfg="[options.extras_require]\ntesting = pytest\n").extra == "testing"
    assert said(pyproject__toml="").extra == ""


def test_what_the_build_needs_is_what_the_project_says_else_setuptools() -> None:
    assert said(pyproject__toml="[build-system]\nrequires=['flit_core>=3']").backend == ["flit_core>=3"]
    assert said(setup__py="").backend == ["setuptools", "wheel"]
    assert said(pyproject__toml="[project]\nname='app'").backend == []


@pytest.mark.parametrize("files", [{"pyproject__toml": "[project"}, {"Pipfile": "= 1"}, {"setup__cfg": "no section"}])
def test_a_file_that_cannot_be_read_is_named(files: dict[str, str]) -> None:
    name = next(iter(files)).replace("__", ".")
    with pytest.raises(BadInput, match=f"{name} cannot be read"):
        _ = (said(**files).installable, said(**files).requires_python)
