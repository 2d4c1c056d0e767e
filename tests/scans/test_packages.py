"""Packages: the bill of materials is valid SPDX, names what wheels bundle, and is the same twice."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from dawsos.gates.documents import rows
from dawsos.model.json import JsonObject
from dawsos.scans.packages import Subject, is_program, spdx
from gates.samples import ask

SUBJECT = Subject("tiny", "c0ffee", "ab" * 32, "2026-11-25T10:00:00Z")


def packages(document: JsonObject) -> list[JsonObject]:
    return rows("packages", document["packages"])


def elf(kind: int, segment: int = 1) -> bytes:
    head = bytearray(64 + 56)
    head[:7] = b"\x7fELF\x02\x01\x01"
    struct.pack_into("<HHI", head, 16, kind, 62, 1)
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, 1)
    struct.pack_into("<I", head, 64, segment)
    return bytes(head)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, lines in {
        "httpx": "License: BSD-3-Clause\nRequires-Dist: Wrapper>=1\n",
        "wrapper": "License-Expression: MIT\n",
        "old": "Classifier: License :: OSI Approved :: MIT License\n",
        "odd": "License-Expression: no such thing\n",
    }.items():
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{lines}")
    (tmp_path / "wrapper" / "bin").mkdir(parents=True)
    (tmp_path / "wrapper" / "bin" / "program").write_bytes(elf(2))
    (tmp_path / "wrapper" / "library.so").write_bytes(elf(3))
    return tmp_path


def test_the_document_is_valid_spdx_and_the_same_twice(site: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    document = spdx(site, SUBJECT)
    assert json.dumps(document) == json.dumps(spdx(site, SUBJECT))
    file = tmp_path_factory.mktemp("out") / "sbom.json"
    file.write_text(json.dumps(document))
    assert validate_full_spdx_document(parse_file(str(file))) == []
    edges = {
        (r["spdxElementId"], r["relationshipType"], r["relatedSpdxElement"])
        for r in rows("relationships", document["relationships"])
    }
    assert ("SPDXRef-Package-httpx", "DEPENDS_ON", "SPDXRef-Package-wrapper") in edges


def test_the_gates_read_it(site: Path) -> None:
    document = spdx(site, SUBJECT)
    counted = ask("sbom", {"sbom.json": document}, min_packages=4, form="SPDX", kinds={"pypi": 4})
    assert (counted.result, counted.measured) == ("pass", "4 packages (SPDX): 4 pypi")
    judged = ask("licences", {"sbom.json": document}, report="sbom.json")
    assert judged.measured == "2 of 4 packages not allowed"
    assert any("wrapper 1.0: MIT, and ships a program" in line for line in judged.findings)
    assert any("odd 1.0" in line and "(unknown)" in line for line in judged.findings)
    listed = ask(
        "licences", {"sbom.json": document}, report="sbom.json", listed={"wrapper": "BSD inside", "odd": "seen"}
    )
    assert listed.passed


@pytest.mark.parametrize("words", ["( AND MIT", "( )"])
def test_an_expression_at_which_the_parser_breaks_is_none_that_was_declared(site: Path, words: str) -> None:
    metadata = site / "odd-1.0.dist-info" / "METADATA"
    metadata.write_text(f"Metadata-Version: 2.4\nName: odd\nVersion: 1.0\nLicense-Expression: {words}\n")
    (odd,) = (package for package in packages(spdx(site, SUBJECT)) if package["name"] == "odd")
    assert odd["licenseDeclared"] == "NOASSERTION"


def test_a_program_that_belongs_to_nobody_is_listed_by_itself_and_unknown(site: Path) -> None:
    (site / "stray").mkdir()
    (site / "stray" / "tool").write_bytes(elf(3, segment=3))
    document = spdx(site, SUBJECT)
    assert "stray" in [package["name"] for package in packages(document)]
    assert any("stray" in line for line in ask("licences", {"s.json": document}, report="s.json").findings)


@pytest.mark.parametrize(
    ("content", "program"),
    [
        (elf(2), True),
        (elf(3, segment=3), True),
        (elf(3), False),
        (b"\x7fELF", False),
        (b"", False),
        (b"#!/bin/sh\n", False),
    ],
)
def test_a_program_is_told_from_a_library(tmp_path: Path, content: bytes, program: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert is_program(path) is program
