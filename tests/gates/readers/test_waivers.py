"""Waivers: an exception says what, who, why and until when, or the whole list is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawsos.gates.documents import Malformed
from dawsos.gates.readers.context import end_of
from dawsos.gates.readers.waivers import Waiver, earliest, read_waivers

GOOD = "{id: CVE-1, by: Ada, why: not reachable, until: 2026-12-31}"
DAYS = st.dates(min_value=date(1970, 1, 1), max_value=date(2200, 1, 1))


def read(text: str | bytes, key: str = "id", who: str = "by") -> list[Waiver]:
    return read_waivers("waivers.yaml", text if isinstance(text, bytes) else text.encode(), key, who)


def until(day: date) -> Waiver:
    return Waiver("CVE-1", "", "Ada", "not reachable", day)


def test_an_entry_says_what_it_is_about_who_answers_why_and_until_when() -> None:
    (waiver,) = read(f"- {GOOD}")
    assert waiver == until(date(2026, 12, 31))
    assert str(waiver) == "waived until 2026-12-31 by Ada: not reachable"


def test_the_words_for_the_subject_and_the_person_are_those_of_the_list() -> None:
    (waiver,) = read("- {test: t::a, owner: Bob, why: mended soon, until: 2026-12-31}", "test", "owner")
    assert (waiver.subject, waiver.by) == ("t::a", "Bob")
    with pytest.raises(Malformed, match="unknown key 'by'"):
        read(f"- {GOOD}", "id", "owner")


def test_a_package_may_be_named() -> None:
    assert [one.package for one in read(f"- {GOOD}\n- {GOOD[:-1]}, package: httpx}}")] == ["", "httpx"]


@pytest.mark.parametrize("package", ["", "null", "false", "[]", "[httpx]", "''", "7"])
def test_a_package_that_is_no_name_is_malformed(package: str) -> None:
    """Without a package the entry is for every package: a slip must not widen it."""
    with pytest.raises(Malformed, match=r"^waivers\.yaml, entry 1: package is .*, not the name of a package"):
        read(f"- {GOOD[:-1]}, package: {package}}}")


def test_entries_keep_their_order() -> None:
    entries = read("".join(f"- {GOOD.replace('CVE-1', name)}\n" for name in ("b", "a", "c")))
    assert [one.subject for one in entries] == ["b", "a", "c"]


@pytest.mark.parametrize("text", ["", "\n", "# nobody asked for anything\n", "[]", "null"])
def test_an_empty_list_waives_nothing(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- [", "waivers.yaml is not YAML: "),
        ("a: 1\na: 2", "waivers.yaml is not YAML: "),
        ("--- []\n--- []", "waivers.yaml is not YAML: "),
        (b"\xff\xfe", "waivers.yaml is not UTF-8 text"),
        ("a: 1", "waivers.yaml is not a list of entries with id, by, why and until"),
        ("all of them", "waivers.yaml is not a list of entries with id, by, why and until"),
        (f"- {GOOD}\n- CVE-2", "waivers.yaml, entry 2 is not a mapping"),
        (f"- {GOOD[:-1]}, utnil: 2027-01-01}}", "waivers.yaml, entry 1: unknown key 'utnil'"),
        (f"- {GOOD[:-1]}, 7: 1}}", "waivers.yaml, entry 1: unknown key '7'"),
    ],
)
def test_what_is_no_list_of_entries_is_malformed_and_says_where(text: str | bytes, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(text)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("part", ["id: CVE-1", "by: Ada", "why: not reachable"])
@pytest.mark.parametrize("value", [None, "''", "'  '", "null"])
def test_an_entry_without_subject_person_or_reason_is_malformed(part: str, value: str | None) -> None:
    key = part.partition(":")[0]
    entry = GOOD.replace(f"{part}, ", "" if value is None else f"{key}: {value}, ")
    with pytest.raises(Malformed) as refused:
        read(f"- {GOOD}\n- {entry}")
    assert str(refused.value) == (f"waivers.yaml, entry 2 has no {key}: an exception needs id, by, why and until")


@pytest.mark.parametrize(("value", "shown"), [("123456789012", "123456789012"), ("12e3", "12000.0"), ("[a]", "['a']")])
def test_a_subject_that_yaml_takes_for_something_else_is_asked_for_in_quotes(value: str, shown: str) -> None:
    """A secret's fingerprint can be of digits alone; "has no id" would send the person looking for what is there."""
    with pytest.raises(Malformed) as refused:
        read(f"- {GOOD.replace('CVE-1', value)}")
    assert str(refused.value) == f"waivers.yaml, entry 1: id is {shown}, not a text; put it in quotes"
    quoted = GOOD.replace("CVE-1", '"' + value + '"')
    assert [one.subject for one in read(f"- {quoted}")] == [value]


@pytest.mark.parametrize(
    "day", ["soon", "'2026-12-31'", "2026", "true", "null", "[]", "2026-12-31T10:00:00", "2026-12-31T10:00:00Z"]
)
def test_an_end_that_is_no_day_is_malformed(day: str) -> None:
    with pytest.raises(Malformed, match=r"^waivers\.yaml, entry 1: until is .*, not a day like 2026-12-31$"):
        read(f"- {GOOD.replace('2026-12-31', day)}")


def test_an_entry_without_an_end_and_a_day_that_never_was_are_malformed() -> None:
    with pytest.raises(Malformed, match="until is None, not a day"):
        read("- {id: CVE-1, by: Ada, why: not reachable}")
    with pytest.raises(Malformed, match=r"^waivers\.yaml is not YAML: "):
        read(f"- {GOOD.replace('2026-12-31', '2026-02-30')}")


def test_the_earliest_end_is_that_of_the_first_day_or_time() -> None:
    first, second = until(date(2026, 1, 1)), until(date(2026, 1, 2))
    assert earliest([second, first]) == end_of(first.until)
    assert earliest([first], end_of(second.until)) == end_of(first.until)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    assert earliest([second, first], noon) == noon
    assert earliest([], 7.0) == 7.0


def test_without_waivers_nothing_ends() -> None:
    assert earliest([]) is None


@given(st.lists(DAYS, min_size=1, max_size=5))
def test_what_rests_on_several_waivers_holds_no_longer_than_any_of_them(days: list[date]) -> None:
    ends = earliest(map(until, days))
    assert ends is not None
    assert ends in {end_of(day) for day in days}
    assert all(ends <= end_of(day) for day in days)


@given(DAYS)
def test_a_day_is_read_as_it_is_written(day: date) -> None:
    assert read(f"- {GOOD.replace('2026-12-31', day.isoformat())}") == [until(day)]
