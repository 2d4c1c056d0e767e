"""The verbs that serve a cluster say where they listen, and with what they cannot start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dawsos.verbs import admission as verb
from dawsos.verbs.admission import Request
from projects import called


def test_admission_gets_what_was_typed_and_says_where_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[Request] = []

    def serve(request: Request, ready: Any) -> None:
        given.append(request)
        ready(request.where.port)

    monkeypatch.setattr(verb, "admission", serve)
    said = called(
        monkeypatch,
        capsys,
        "admission",
        "--keys",
        str(tmp_path),
        "--tls",
        "/tls",
        "--listen",
        "9443",
        "--environment",
        "live",
    )
    assert (said.code, said.out) == (0, "listening on port 9443\n")
    (request,) = given
    assert (request.keys, request.environment, request.allowed, request.context) == (
        tmp_path,
        "live",
        None,
        "in-cluster",
    )
    assert (request.where.certificate, request.where.key) == (Path("/tls/tls.crt"), Path("/tls/tls.key"))


def test_admission_without_a_key_to_believe_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = called(monkeypatch, capsys, "admission", "--keys", str(tmp_path), "--tls", str(tmp_path))
    assert (said.code, "has no public key" in said.err) == (2, True)
