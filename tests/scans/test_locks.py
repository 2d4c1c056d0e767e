"""Locks of package managers: what a release brings along, and nothing that was not understood."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.errors import BadInput
from dawsos.gates.readers.spdx import read_packages
from dawsos.scans.locks import Locked, read_lock
from dawsos.scans.packages import Subject, spdx_of_lock
from gates.samples import ask

NPM = json.dumps({
    "name": "shop", "lockfileVersion": 3,
    "packages": {
        "": {"name": "shop", "version": "1.0.0"},
        "greeting": {"version": "1.2.3", "license": "MIT"},
        "node_modules/greeting": {"resolved": "greeting", "link": True},
        "node_modules/@acme/till": {"version": "2.0.0", "license": "Apache-2.0"},
        "node_modules/a/node_modules/b": {"version": "1.0.0", "license": "SEE LICENSE IN x"},
        "node_modules/eslint": {"version": "9.0.0", "dev": True},
    },
})  # fmt: skip
GO_MOD = """\
module example.org/shop // a shop

go 1.21

require github.com/google/uuid v1.6.0

require (
	golang.org/x/text v0.14.0 // indirect
	example.org/old v1.0.0
	example.org/here v0.0.0
)

replace example.org/old => example.org/new v1.1.0

replace example.org/here => ./here

exclude github.com/google/uuid v1.5.0
"""
HASH = "h1:" + "A" * 43 + "="
GO_SUM = f"""\
github.com/google/uuid v1.6.0 {HASH}
github.com/google/uuid v1.6.0/go.mod {HASH}
golang.org/x/text v0.14.0/go.mod {HASH}
"""
# As maven-dependency-plugin 3.6 writes it with -DoutputFile.
MAVEN = """

The following files have been resolved:
   org.slf4j:slf4j-api:jar:2.0.9:compile -- module org.slf4j
   com.h2database:h2:jar:2.2.224:runtime -- module com.h2database [auto]
   io.netty:netty-transport-native-epoll:jar:linux-x86_64:4.1.100.Final:compile (optional)
   junit:junit:jar:4.13.2:test -- module junit [auto]

"""
FORMS = {"package-lock.json": NPM, "go.mod": GO_MOD, "go.sum": GO_SUM, "dependencies.txt": MAVEN}


def names(file: str, text: str) -> list[tuple[str, str, str]]:
    return [(one.kind, one.name, one.version) for one in read_lock(file, text.encode())]


def test_an_npm_lock_names_what_is_installed_without_development() -> None:
    assert names("package-lock.json", NPM) == [
        ("", "greeting", "1.2.3"), ("npm", "@acme/till", "2.0.0"), ("npm", "b", "1.0.0"),
    ]  # fmt: skip


def test_a_go_module_names_what_it_requires_as_it_is_replaced() -> None:
    assert names("go.mod", GO_MOD) == [
        ("", "./here", "v0.0.0"), ("golang", "example.org/new", "v1.1.0"),
        ("golang", "github.com/google/uuid", "v1.6.0"), ("golang", "golang.org/x/text", "v0.14.0"),
    ]  # fmt: skip
    assert names("go.mod", "module m\n\ngo 1.21\n") == []


def test_a_go_sum_names_what_may_be_built_in() -> None:
    assert names("go.sum", GO_SUM) == [("golang", "github.com/google/uuid", "v1.6.0")]


def test_mavens_list_names_what_is_not_for_tests() -> None:
    assert names("dependencies.txt", MAVEN) == [
        ("maven", "com.h2database:h2", "2.2.224"),
        ("maven", "io.netty:netty-transport-native-epoll", "4.1.100.Final"),
        ("maven", "org.slf4j:slf4j-api", "2.0.9"),
    ]  # fmt: skip
    assert names("deps", "[INFO] The following files have been resolved:\n[INFO]    none\n") == []


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("package-lock.json", "{", "not JSON"),
        ("package-lock.json", '{"lockfileVersion": 1, "dependencies": {"a": {"version": "1"}}}', "npm 7 or newer"),
        ("package.json", '{"name": "shop", "dependencies": {"a": "^1"}}', "lists no packages"),
        ("package-lock.json", '{"lockfileVersion": 3, "packages": {"node_modules/a": {}}}', "has no version"),
        ("package-lock.json", '{"lockfileVersion": 3, "packages": {"node_modules/a": 7}}', "is no package"),
        ("go.mod", "", "names no module"),
        ("go.mod", "module m\nrequire (\n\ta v1\n", "cut off"),
        ("go.mod", "module m\nrequire a\n", "requires no module in a version"),
        ("go.mod", "module m\nfrobnicate a\n", "not understood"),
        ("go.mod", "module m\nreplace a b\n", "replaces nothing"),
        ("go.sum", "a v1 h1:short=\n", "no module with its hash"),
        ("deps", MAVEN + "   a:b:jar:1:comp\n", "not understood"),
        ("yarn.lock", "# yarn lockfile v1\n", "no lock that is known"),
        ("pom.xml", "<project/>", "no lock that is known"),
        ("go.mod", "\xff", "not understood"),
    ],
)
def test_what_is_not_understood_is_refused(file: str, text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_lock(file, text.encode())


@pytest.mark.parametrize("file", FORMS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_lock_with_a_hole_or_of_another_form_is_read_or_refused_and_never_grows(
    file: str, data: st.DataObject
) -> None:
    content = FORMS[data.draw(st.sampled_from(sorted(FORMS)))].encode()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    try:
        found = read_lock(file, content[:start] + content[end:])
    except BadInput:
        return
    assert len(found) <= 4


def test_its_bill_of_materials_is_one_that_the_gates_read() -> None:
    document = spdx_of_lock(
        read_lock("package-lock.json", NPM.encode()), Subject("shop", "c0ffee", "", "2026-01-01T00:00:00Z")
    )
    form, packages = read_packages("sbom.json", document)
    assert form == "SPDX"
    assert [(one.kind, one.name, one.version, one.licence) for one in packages] == [
        ("generic", "greeting", "1.2.3", "MIT"), ("npm", "@acme/till", "2.0.0", "Apache-2.0"),
        ("npm", "b", "1.0.0", "SEE LICENSE IN x"),
    ]  # fmt: skip
    assert ask("sbom", {"sbom.json": document}, kinds={"npm": 2}).passed
    refused = ask("licences", {"sbom.json": document}, report="sbom.json")
    assert (refused.result, "SEE LICENSE IN x" in refused.message) == ("fail", True)


def test_a_lock_without_packages_gives_a_bill_that_never_passes() -> None:
    document = spdx_of_lock([], Subject("shop", "c0ffee", "", "2026-01-01T00:00:00Z"))
    assert not ask("sbom", {"sbom.json": document}).passed


@pytest.mark.parametrize(
    ("one", "purl"),
    [
        (Locked("npm", "@acme/till", "2.0.0"), "pkg:npm/%40acme/till@2.0.0"),
        (Locked("golang", "github.com/google/uuid", "v1.6.0"), "pkg:golang/github.com/google/uuid@v1.6.0"),
        (Locked("maven", "org.slf4j:slf4j-api", "2.0.9"), "pkg:maven/org.slf4j/slf4j-api@2.0.9"),
        (Locked("", "greeting", "1"), ""),
    ],
)
def test_a_package_is_known_by_its_url(one: Locked, purl: str) -> None:
    assert one.purl == purl


def test_the_lock_of_the_fixture_is_read() -> None:
    lock = Path(__file__).parents[1] / "pipelines" / "foreign" / "node" / "package-lock.json"
    assert names(lock.name, lock.read_text()) == [("", "greeting", "1.2.3")]
