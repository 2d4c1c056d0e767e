"""What the tool's own load saw since the last look, by version."""

from __future__ import annotations

from dawsos.model.rollout import Client, ClientSide
from dawsos.rollout.client import ClientView


def test_it_is_what_ended_since_the_last_look() -> None:
    seen = {"d0": (50, 1), "d1": (4, 0), "": (1, 1)}
    view = ClientView(lambda: seen, "d1", "d0")
    assert view.since() == Client()
    seen = {"d0": (90, 1), "d1": (9, 3), "": (2, 2), "gone": (7, 7)}
    assert view.since() == Client(ClientSide(5, 3), ClientSide(40, 0), ClientSide(1, 1))
    assert view.since() == Client()


def test_where_no_answer_tells_the_version_nothing_is_known() -> None:
    seen: dict[str, tuple[int, int]] = {}
    view = ClientView(lambda: seen, "d1", "d0")
    assert view.since() is None
    seen = {"": (9, 9)}
    assert view.since() is None


def test_what_ended_before_the_first_answer_that_tells_is_not_lost_from_the_count_of_that_answer() -> None:
    seen: dict[str, tuple[int, int]] = {"": (3, 3)}
    view = ClientView(lambda: seen, "d1", "d0")
    seen = {"": (3, 3), "d1": (2, 1)}
    assert view.since() == Client(ClientSide(2, 1))
