"""Resolved: a lock or a bill of materials names what is installed, and whatever is looser than a pin is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.gates.documents import Malformed, Missing
from dawsos.gates.readers.resolved import Resolved, read_resolved
from dawsos.model.names import canonical_package
from gates.samples import encoded

NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(rc[0-9]|\.post[0-9]|\+local)?", fullmatch=True)
PURL = [{"referenceType": "purl", "referenceLocator": "pkg:pypi/x@1"}]


def read(content: Any, name: str = "lock.txt") -> Resolved:
    return read_resolved(name, encoded({name: content})[name])


def test_pins_have_canonical_names_and_no_extras_hashes_or_comments() -> None:
    lock = """\
# by a resolver
--index-url https://registry.example/simple
-i https://registry.example/simple
--require-hashes
Typing_Extensions==4.0 --hash=sha256:aa --hash=sha256:bb
httpx[http2,socks] == 0.28.1 \\
    --hash=sha256:cc
    # via demo

zope.interface==7.2  # via pyramid
"""
    assert read(lock) == Resolved({"typing-extensions": "4.0", "httpx": "0.28.1", "zope-interface": "7.2"}, kind="pypi")


def test_what_has_a_marker_is_conditional_unless_it_is_pinned_without_one() -> None:
    lock = 'a==1\ncolorama==0.4 ; sys_platform == "win32"\nb==2; python_version < "3.12"\nb==3\n'
    assert read(lock) == Resolved({"a": "1", "b": "3"}, frozenset({"colorama"}), kind="pypi")


def test_a_comment_does_not_take_the_next_line_with_it() -> None:
    """pip installs that line, so nobody may hide a package below a comment that ends in a backslash."""
    assert read("# as it was \\\nevil==1\na==1\n").pins == {"evil": "1", "a": "1"}
    assert read("a==1 \\\n    # via b \\\nevil==1\n").pins == {"a": "1", "evil": "1"}


def test_lines_may_end_as_on_windows_and_the_file_may_begin_with_a_byte_order_mark() -> None:
    assert read(b"\xef\xbb\xbfa==1 \\\r\n    --hash=sha256:aa\r\nb==2\r\n").pins == {"a": "1", "b": "2"}


def test_three_equal_signs_pin_as_well() -> None:
    assert read("a===2004d\n").pins == {"a": "2004d"}


@pytest.mark.parametrize(
    "line",
    ["a", "a>=1", "a~=1.0", "a==1,<2", "a==1.*", "a==*", "a====1", "a==", "a @ file:///a", "-e .", "--editable .", "--ed .",
     "-r other.txt", "--requirement other.txt", "--requirem other.txt", "-c limits.txt", "./a",
     "https://registry.example/a.whl", "==1"],
)  # fmt: skip
def test_what_is_looser_than_a_pin_is_refused_by_its_line(line: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(f"good==1\n{line}\n")
    assert str(refused.value) == (f"lock.txt: {line!r} is not a pin (name==version), so what is installed is not known")


@pytest.mark.parametrize(
    "content", ["", "\n", "# nothing\n", "--index-url https://registry.example/simple\n", 'a==1; os_name == "nt"\n']
)
def test_a_lock_that_pins_nothing_is_missing(content: str) -> None:
    with pytest.raises(Missing, match=r"^lock\.txt pins nothing$"):
        read(content)


def test_a_package_lock_names_its_packages_and_neither_itself_nor_links() -> None:
    packages = {
        "": {"name": "demo", "version": "1.0.0"},
        "node_modules/left-pad": {"version": "1.3.0"},
        "node_modules/@scope/part": {"version": "2.0.0"},
        "node_modules/left-pad/node_modules/deep": {"version": "0.1.0"},
        "node_modules/alias": {"name": "real", "version": "3.0.0"},
        "node_modules/local": {"link": True},
        "node_modules/fsevents": {"version": "2.3.3", "optional": True},
        "node_modules/both": {"version": "1.0.0", "optional": True},
        "node_modules/left-pad/node_modules/both": {"version": "1.0.0"},
    }
    assert read({"lockfileVersion": 3, "packages": packages}, "package-lock.json") == Resolved(
        {"left-pad": "1.3.0", "@scope/part": "2.0.0", "deep": "0.1.0", "real": "3.0.0", "both": "1.0.0"},
        frozenset({"fsevents"}),
        further=1,
        kind="npm",
    )


def test_names_in_a_package_lock_are_canonical_as_those_in_every_report_are() -> None:
    packages = {"node_modules/lodash.merge": {"version": "4.6.2"}, "node_modules/JSONStream": {"version": "1.3.5"}}
    lock = {"lockfileVersion": 3, "packages": packages}
    assert read(lock, "package-lock.json").pins == {"lodash-merge": "4.6.2", "jsonstream": "1.3.5"}


def test_components_within_components_are_depended_upon_as_well() -> None:
    inner = {"name": "inner", "version": "2"}
    document = {"bomFormat": "CycloneDX", "components": [{"name": "outer", "version": "1", "components": [inner]}]}
    assert read(document) == Resolved({"outer": "1", "inner": "2"})


def test_of_a_bill_of_materials_the_packages_count_and_not_its_subject() -> None:
    spdx = {"spdxVersion": "SPDX-2.3", "packages": [
        {"name": "demo", "versionInfo": "1"}, {"name": "Typing_Extensions", "versionInfo": "4.0", "externalRefs": PURL},
        {"name": "other", "externalRefs": [{"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a"}]},
    ]}  # fmt: skip
    assert read(spdx) == Resolved({"typing-extensions": "4.0"})
    cyclonedx = {"bomFormat": "CycloneDX", "components": [{"name": "A.b", "version": "1"}, {"name": "c"}]}
    assert read(cyclonedx) == Resolved({"a-b": "1", "c": ""})


@pytest.mark.parametrize(
    "content",
    [{"lockfileVersion": 3, "packages": {"": {}}}, {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a"}]},
     {"spdxVersion": "SPDX-2.3"}, {"bomFormat": "CycloneDX"}, {"bomFormat": "CycloneDX", "components": []}],
    ids=["only the project", "only the subject", "no packages", "no components", "no component"],
)  # fmt: skip
def test_a_document_that_names_nothing_is_missing(content: Any) -> None:
    with pytest.raises(Missing, match=r"^lock\.txt pins nothing$"):
        read(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "lock.txt is not JSON"),
        (b"\xff\xfea", "lock.txt is not UTF-8 text"),
        ({}, "lock.txt is no known lock: give a requirements.txt, package-lock.json, SPDX or CycloneDX file"),
        ({"bomFormat": "other"}, "lock.txt is no known lock"),
        ({"lockfileVersion": 1, "dependencies": {}}, "lock.txt is of lockfileVersion 1, which lists no packages"),
        ({"lockfileVersion": 3, "packages": []}, "lock.txt: packages is an array, not an object"),
        ({"spdxVersion": "SPDX-2.3", "packages": {}}, "lock.txt: packages is an object, not an array"),
        ({"spdxVersion": "SPDX-2.3", "packages": [{"externalRefs": PURL}]}, "lock.txt: packages has no 'name'"),
        (
            {"spdxVersion": "SPDX-2.3", "packages": [{"name": "a", "externalRefs": ["purl"]}]},
            "lock.txt: externalRefs[0] is a text, not an object",
        ),
        ({"bomFormat": "CycloneDX", "components": ["a"]}, "lock.txt: components[0] is a text, not an object"),
        ({"bomFormat": "CycloneDX", "components": [{"name": ""}]}, "lock.txt: components: name is '', not a text"),
        ({"bomFormat": "CycloneDX", "components": [{"name": 7}]}, "lock.txt: components: name is 7, not a text"),
        (
            {"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1"}, "node_modules/b": "1"}},
            "lock.txt: node_modules/b is a text, not an object",
        ),
    ],
)
def test_what_cannot_be_read_is_malformed_and_names_the_file(content: Any, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(content)
    assert message in str(refused.value)


@pytest.mark.parametrize("key", ["link", "optional"])
def test_a_package_is_left_out_or_conditional_only_where_the_lock_says_so(key: str) -> None:
    packages = {"node_modules/a": {"version": "1.0.0", key: "no"}}
    assert read({"lockfileVersion": 3, "packages": packages}).pins == {"a": "1.0.0"}


@given(
    st.lists(st.tuples(NAMES, VERSIONS), min_size=1, max_size=5, unique_by=lambda pin: canonical_package(pin[0])),
    st.booleans(),
)
def test_every_pin_of_a_lock_is_found_however_its_line_is_written(pins: list[tuple[str, str]], broken: bool) -> None:
    tail = " \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via demo\n" if broken else "\n"
    found = read("".join(f"{name}=={version}{tail}" for name, version in pins)).pins
    assert found == {canonical_package(name): version for name, version in pins}


@given(st.text(max_size=30))
def test_any_text_is_whole_pins_or_refused(content: str) -> None:
    try:
        pins = read(content).pins
    except (Malformed, Missing):
        return
    assert pins
    assert all(name == canonical_package(name) and version for name, version in pins.items())
