"""docs/dawsos-api.md is true: its session is carried out against the running service, word for word."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from app.api.auth import issue
from tests.support.servers import SECRET, Running
from tests.support.session import Step, outputs, steps

DOCUMENT = Path(__file__).parents[3] / "docs" / "dawsos-api.md"


def token() -> str:
    return issue(SECRET, uuid4(), datetime.now(UTC), timedelta(minutes=5))


def test_the_session_of_the_document_prints_what_it_says(service: Running) -> None:
    session = steps(DOCUMENT.read_text())
    assert len(session) >= 20
    env = {"PATH": os.environ["PATH"], "BASE_URL": service.url, "TOKEN": token(), "OTHER_TOKEN": token()}
    found = outputs(session, env)
    wrong = [(step, output) for step, output in zip(session, found, strict=True) if step.prints != output]
    if wrong:
        said = "\n\n".join(f"$ {s.command}\n{output}\nbut the document says\n{s.prints}" for s, output in wrong)
        pytest.fail(said, pytrace=False)


def test_a_wrong_line_would_be_noticed(service: Running) -> None:
    """The check itself: a session with one false output does not compare equal."""
    session = [Step("echo a", "a"), Step("X=1", ""), Step("echo $X; false", "2")]
    assert outputs(session, {"PATH": os.environ["PATH"]}) == ["a", "", "1"]
