"""What a Python project says of itself, in pyproject.toml, setup.cfg, setup.py or Pipfile.  Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dawsos.adoption.contract import Tree
from dawsos.errors import BadInput

# The groups and extras in which projects list what their tests need; the first that is there counts.
TEST_NAMES = ("test", "tests", "testing", "dev", "develop", "development")
_SETUP_PY_REQUIRES = re.compile(r"""python_requires\s*=\s*(['"])(.*?)\1""")
_SETUP_PY_NAME = re.compile(r"""\bname\s*=\s*(['"])([A-Za-z0-9._-]+)\1""")


@dataclass(frozen=True)
class Metadata:
    """The parsed files of a project; a file that is not there is empty."""

    tree: Tree

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        return _toml(self.tree, "pyproject.toml")

    @cached_property
    def pipfile(self) -> dict[str, Any]:
        return _toml(self.tree, "Pipfile")

    @cached_property
    def settings(self) -> RawConfigParser:
        """What setup.cfg, tox.ini and the files of single tools say."""
        parser = RawConfigParser(strict=False)
        for path in ("setup.cfg", "tox.ini", "pytest.ini", "mypy.ini", ".coveragerc"):
            try:
                parser.read_string(self.tree.text(path), path)
            except Error as error:
                raise BadInput(f"{path} cannot be read: {error.message}", fix="correct it") from error
        return parser

    @property
    def project(self) -> Mapping[str, Any]:
        return _table(self.pyproject.get("project"))

    def tool(self, name: str) -> Mapping[str, Any]:
        """Return ``[tool.NAME]``; its keys may be dotted."""
        found: Any = self.pyproject.get("tool")
        for part in name.split("."):
            found = _table(found).get(part)
        return _table(found)

    def setting(self, section: str, key: str) -> str:
        return self.settings.get(section, key, fallback="")

    @property
    def name(self) -> str:
        """The project's name as a pipeline may have it: lower case, beginning with a letter, at most 40 characters."""
        said = self.project.get("name") or self.tool("poetry").get("name") or self.setting("metadata", "name")
        if not said and (match := _SETUP_PY_NAME.search(self.tree.text("setup.py"))):
            said = match[2]
        return pipeline_name(str(said or self.tree.name))

    @property
    def installable(self) -> bool:
        """Whether pip can build it."""
        refused = (("poetry", "package-mode"), ("uv", "package"), ("pdm", "distribution"))
        if any(self.tool(tool).get(key) is False for tool, key in refused):
            return False
        return "build-system" in self.pyproject or self.tree.has("setup.py") or "metadata" in self.settings

    @property
    def requires_python(self) -> str:
        """The versions of Python that it works with, as PEP 440 has them; an empty text when it does not say."""
        if said := self.project.get("requires-python"):
            return str(said)
        if said := _table(self.tool("poetry").get("dependencies")).get("python"):
            return poetry_versions(str(said))
        if said := self.setting("options", "python_requires"):
            return said
        if match := _SETUP_PY_REQUIRES.search(self.tree.text("setup.py")):
            return match[2]
        asked = _table(self.pipfile.get("requires"))
        return f"=={asked['python_version']}.*" if "python_version" in asked else ""

    @property
    def backend(self) -> list[str]:
        """What its build needs."""
        system = _table(self.pyproject.get("build-system"))
        return [str(one) for one in system.get("requires") or ("setuptools", "wheel")] if self.installable else []

    @property
    def extra(self) -> str:
        """The extra with which its tests are run."""
        known = {**_table(self.project.get("optional-dependencies")), **_table(self.tool("poetry").get("extras"))}
        known |= dict.fromkeys(
            self.settings.options("options.extras_require") if "options.extras_require" in self.settings else ()
        )
        return next((name for name in (*TEST_NAMES, "all") if name in known), "")

    @property
    def groups(self) -> tuple[str, ...]:
        """The dependency group of its tests (PEP 735, of poetry or of pdm), of several the one whose name says it best."""
        known = [
            *_table(self.pyproject.get("dependency-groups")), *_table(self.tool("poetry").get("group")),
            *_table(self.tool("pdm").get("dev-dependencies")),
            *(["dev"] if self.tool("poetry").get("dev-dependencies") else []),
        ]  # fmt: skip
        return tuple(name for name in TEST_NAMES if name in known)[:1]

    @property
    def group_requirements(self) -> list[str]:
        """The requirements of ``groups``, with the groups that they include."""
        groups = _table(self.pyproject.get("dependency-groups"))
        pdm = _table(self.tool("pdm").get("dev-dependencies"))
        found: list[str] = []
        for name in self.groups:
            found += _group(groups, name, set())
            found += [str(one) for one in pdm.get(name) or () if not str(one).startswith("-e")]
            found += poetry_requirements(_table(self.tool(f"poetry.group.{name}").get("dependencies")))
        if "dev" in self.groups:
            found += poetry_requirements(_table(self.tool("poetry").get("dev-dependencies")))
        return list(dict.fromkeys(found))


def pipeline_name(said: str) -> str:
    """Return a name as a pipeline may have it."""
    name = re.sub(r"[^a-z0-9_-]+", "-", said.lower()).strip("-")
    # A pipeline's name begins with a letter; that of a project, such as 2048, need not.
    return (name if re.match("[a-z]", name) else f"project-{name}".strip("-"))[:40]


def _toml(tree: Tree, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(tree.text(path))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} cannot be read: {error}", fix="correct it") from error


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _group(groups: Mapping[str, Any], name: str, seen: set[str]) -> list[str]:
    """Return the requirements of a dependency group (PEP 735), with the groups that it includes."""
    if name in seen:
        return []
    seen.add(name)
    found: list[str] = []
    for entry in groups.get(name) or ():
        if isinstance(entry, dict):
            found += _group(groups, str(entry.get("include-group", "")), seen)
        else:
            found.append(str(entry))
    return found


def poetry_requirements(table: Mapping[str, Any]) -> list[str]:
    """Return poetry's dependencies as PEP 508 has them.  One by path, URL or repository is left out: pip could not lock it."""
    return list(_requirements(table))


def _requirements(table: Mapping[str, Any]) -> Iterator[str]:
    for name, written in table.items():
        for one in written if isinstance(written, list) else [written]:
            options = one if isinstance(one, Mapping) else {"version": one}
            if name.lower() == "python" or not isinstance(options.get("version"), str):
                continue
            extras = f"[{','.join(map(str, options['extras']))}]" if options.get("extras") else ""
            markers = [f"({options['markers']})"] if options.get("markers") else []
            if options.get("python"):
                markers += [_python_marker(part) for part in poetry_versions(str(options["python"])).split(",") if part]
            yield f"{name}{extras}{poetry_versions(options['version'])}{'; ' if markers else ''}{' and '.join(markers)}"


def _python_marker(part: str) -> str:
    operator, version = re.fullmatch(r"([<>=!~]+)(.*)", part).groups()  # type: ignore[union-attr]
    # python_version has two parts: >=3.9.2 is asked of the full version.
    name = "python_full_version" if version.removesuffix(".*").count(".") > 1 else "python_version"
    return f"{name} {operator} '{version.removesuffix('.*') if name == 'python_version' else version}'"


def poetry_versions(written: str) -> str:
    """Return poetry's version constraint as PEP 440 has it; an empty text for one that PEP 440 cannot say (``||``)."""
    if "|" in written:
        return ""
    return ",".join(
        filter(None, (_one_constraint(part) for part in re.split(r"\s*,\s*|\s+(?=[<>=!^~])", written.strip())))
    )


def _one_constraint(part: str) -> str:
    part = part.strip()
    if part in ("", "*"):
        return ""
    if match := re.fullmatch(r"\^\s*v?(\d+(?:\.\d+)*)(.*)", part):
        return f">={match[1]}{match[2]},<{_caret(match[1])}"
    if match := re.fullmatch(r"~(?!=)\s*v?(\d+(?:\.\d+)*)(.*)", part):
        numbers = match[1].split(".")[:2]
        numbers[-1] = str(int(numbers[-1]) + 1)
        return f">={match[1]}{match[2]},<{'.'.join(numbers)}"
    if re.match(r"[<>=!~]", part):
        return re.sub(r"\s+", "", part if not re.match(r"=\d", part) else f"={part}")
    return f"=={part}"


def _caret(version: str) -> str:
    """Return the first version that ``^version`` refuses: the leftmost number that is not zero is one more."""
    numbers = [int(number) for number in version.split(".")]
    index = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    return ".".join(map(str, [*numbers[:index], numbers[index] + 1]))
