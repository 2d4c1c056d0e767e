import os

import pytest
from app.api.pages import health
from app.core.fx import cross, rounded


def test_cross():
    assert cross(2.0, 3.0) == 1.5


def test_rounded():
    assert rounded(1.006) == 1.01


def test_health():
    assert health("c0ffee")["version"] == "c0ffee"


def test_sometimes():
    if os.environ["REPEAT"] == "2":
        pytest.skip("not today")
