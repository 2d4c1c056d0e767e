"""Licence words: what people write becomes the SPDX expression that they mean, or none at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawsos.gates.licences import Options, allowed
from dawsos.gates.readers.licence_words import expression_of, licensing

_SCRAPS = (
    "MIT", "BSD", "Apache-2.0", "GPL", "gplv3+", "GPL-2.0-only", "Lesser", "License", "Classpath-exception-2.0", "AND", "OR", "or",
    "WITH", "(", ")", ";", "+", "2.0", "v3", "any later version", ",", "/", "LicenseRef-own", ":",
)  # fmt: skip
WORDS = st.lists(st.sampled_from(_SCRAPS), max_size=7).map(" ".join) | st.text(max_size=20)


def meant(words: str) -> str | None:
    found = expression_of(words)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("words", "expression"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("  MIT  ", "MIT"),
        ("MIT License", "MIT"),
        ("The  MIT\tLicense (MIT)", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("3-Clause BSD License", "BSD-3-Clause"),
        ("Simplified BSD", "BSD-2-Clause"),
        ("Python Software Foundation License", "PSF-2.0"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
        ("The Unlicense (Unlicense)", "Unlicense"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
    ],
)
def test_what_packages_write_is_one_licence_of_the_list(words: str, expression: str) -> None:
    assert meant(words) == expression


@pytest.mark.parametrize(
    ("words", "expression"),
    [
        ("GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
        ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
        ("GPL v2 or any later version", "GPL-2.0-or-later"),
        ("GPL version 3 or newer", "GPL-3.0-or-later"),
        ("gplv3", "GPL-3.0-only"),
        ("GPL", "GPL-1.0-or-later"),
        ("GNU General Public Licence", "GPL-1.0-or-later"),
        ("GNU Lesser General Public License v2.1", "LGPL-2.1-only"),
        ("GNU Library or Lesser General Public License (LGPL)", "LGPL-2.0-or-later"),
        ("lgpl 3+", "LGPL-3.0-or-later"),
        ("GNU Affero General Public License v3", "AGPL-3.0-only"),
        ("AGPL", "AGPL-1.0-or-later"),
        ("Server Side Public License", "SSPL-1.0"),
        ("SSPL v1", "SSPL-1.0"),
    ],
)
def test_a_family_that_is_written_out_keeps_its_version_and_whether_later_ones_count(
    words: str, expression: str
) -> None:
    assert meant(words) == expression


@pytest.mark.parametrize(
    ("words", "expression"), [("GPL v9", "GPL-1.0-or-later"), ("AGPL 7.1", "AGPL-1.0-or-later"), ("SSPL 4", "SSPL-1.0")]
)
def test_a_version_that_never_was_is_still_of_its_family(words: str, expression: str) -> None:
    assert meant(words) == expression


@pytest.mark.parametrize(
    ("words", "expression"),
    [
        ("MIT License or Apache License, Version 2.0", "MIT OR Apache-2.0"),
        ("BSD and MIT License", "BSD-3-Clause AND MIT"),
        ("(MIT License or GPLv3) and BSD", "(MIT OR GPL-3.0-only) AND BSD-3-Clause"),
        ("MIT OR GPL", "MIT OR GPL-1.0-or-later"),
    ],
)
def test_each_side_of_an_operator_is_read_by_itself(words: str, expression: str) -> None:
    assert meant(words) == expression


@pytest.mark.parametrize(
    ("words", "expression"),
    [
        ("MIT License; BSD License", "MIT AND BSD-3-Clause"),
        ("MIT;BSD ;", "MIT AND BSD-3-Clause"),
        # Were it joined without brackets, the OR would leave the second licence out.
        ("MIT OR GPL-3.0-only; GPL-3.0-only", "(MIT OR GPL-3.0-only) AND GPL-3.0-only"),
    ],
)
def test_of_licences_that_a_semicolon_joins_all_count(words: str, expression: str) -> None:
    assert meant(words) == expression


@pytest.mark.parametrize(
    "words",
    ["", " ", ";", "; ;", "UNKNOWN", "Proprietary", "see LICENSE", "MIT/X11", "MIT, maybe", "MIT OR", "OR MIT", "(",
     "MIT License or what", "MIT; Proprietary", "MIT WITH no-such-exception"],
)  # fmt: skip
def test_what_means_no_known_licence_is_unknown(words: str) -> None:
    assert expression_of(words) is None


@pytest.mark.parametrize(
    "words", ["( )", "()", "( AND MIT", "( OR", "MIT AND ( )", "MIT; ( AND MIT", "(MIT License) or ( )"]
)
def test_brackets_around_nothing_are_unknown_and_break_nothing(words: str) -> None:
    """The parser of expressions breaks at them, and an odd package must not end a run."""
    assert expression_of(words) is None


def test_the_list_is_made_once() -> None:
    assert licensing() is licensing()


@settings(deadline=None)
@given(words=WORDS)
def test_any_text_is_an_expression_that_reads_as_itself_or_unknown(words: str) -> None:
    found = meant(words)
    assert found is None or meant(found) == found


@settings(deadline=None)
@given(words=WORDS, extra=st.sampled_from(["GPL-3.0-only", "AGPL", "SSPL v1", "GNU General Public License v2"]))
def test_a_forbidden_licence_that_is_joined_to_anything_is_never_allowed(words: str, extra: str) -> None:
    if expression_of(words) is not None:
        assert not allowed(f"{words}; {extra}", Options(), listed=True)
        assert not allowed(f"{extra}; {words}", Options(), listed=True)
