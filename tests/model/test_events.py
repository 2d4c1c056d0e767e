"""Every kind of event is known, and is told to the reader of the journal's format."""

from __future__ import annotations

import re

from dawsos.model import events
from dawsos.model.events import EVENT_KINDS, Event


def test_every_kind_is_in_the_table_and_nothing_else() -> None:
    table = (events.__doc__ or "").partition("kind                 body\n")[2]
    assert set(re.findall(r"^([a-z_]+) {2,}", table, re.MULTILINE)) == EVENT_KINDS


def test_an_event_without_a_body_has_its_own_empty_one() -> None:
    one, two = Event("r", 1, 0.0, "run_resumed"), Event("r", 2, 0.0, "run_resumed")
    assert one.body == two.body == {}
    assert one.body is not two.body
