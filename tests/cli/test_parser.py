"""From words to a verb and its values, to a help text, or to one message with a fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dawsos.cli.grammar import VERBS
from dawsos.cli.parser import Call, Help, parse
from dawsos.errors import BadInput


def values(line: str) -> dict[str, Any]:
    parsed = parse(line.split())
    assert isinstance(parsed, Call)
    return parsed.values


def text(line: str) -> str:
    parsed = parse(line.split())
    assert isinstance(parsed, Help)
    return parsed.text


def test_a_verb_gets_a_value_for_each_parameter() -> None:
    assert values("run") == {"stages": (), "no_cache": False, "seed": None, "profile": "laptop"}
    assert values("history --json") == {"as_json": True}
    assert values("show") == {"run_id": "last", "as_json": False}
    assert values("rollback --as Ada") == {"to": "", "name": "Ada", "reason": "asked for by hand", "tag": False}


def test_options_and_arguments_may_stand_in_any_order() -> None:
    wanted = {"stages": ("lint", "unit"), "no_cache": True, "seed": 3, "profile": "fast"}
    for line in ("lint unit --no-cache --seed 3 --profile fast", "--profile=fast lint --no-cache unit --seed=3"):
        assert values(f"run {line}") == wanted


def test_a_repeated_option_gives_all_its_values() -> None:
    assert values("simulate --scenario aa --scenario errors=5%")["scenario"] == ("aa", "errors=5%")
    assert values("simulate")["scenario"] == ()


def test_an_option_may_stand_without_its_value() -> None:
    for line, wanted in (("metrics", None), ("metrics --listen", 9845), ("metrics --listen 0", 0)):
        parsed = parse(line.split())
        assert isinstance(parsed, Call)
        assert parsed.values == {"listen": wanted}


def test_a_verb_of_a_family_has_two_words() -> None:
    parsed = parse(["scan", "secrets", "src", "--out", "o.json", "--no-commits"])
    assert isinstance(parsed, Call)
    assert parsed.verb.name == "scan secrets"
    assert parsed.values == {"folders": (Path("src"),), "out": Path("o.json"), "since": "", "commits": False}
    assert values("scan secrets --out o.json --commits")["commits"] is True
    assert values("scan secrets --out o.json")["commits"] is True


@pytest.mark.parametrize(
    ("line", "words", "fix"),
    [
        ("shp", "there is no command 'shp'; did you mean 'ship'?", "see dawsos --help"),
        ("xyzzy", "there is no command 'xyzzy'", "see dawsos --help"),
        ("scan secret", "there is no command 'scan secret'; did you mean 'scan secrets'?", "see dawsos --help"),
        (
            "ship --aprove-as Ada",
            "ship: '--aprove-as' is not known; did you mean '--approve-as'?",
            "see dawsos ship --help",
        ),
        ("history last", "history: 'last' is not known", "see dawsos history --help"),
        ("drill", "drill: the following arguments are required: --fault", "see dawsos drill --help"),
        ("ship --profile", "ship: argument --profile: expected one argument", "see dawsos ship --help"),
        ("run --seed -1", "run: argument --seed: '-1' is not a whole number of 0 or more", "see dawsos run --help"),
        ("run --no-cac", "run: '--no-cac' is not known; did you mean '--no-cache'?", "see dawsos run --help"),
        ("scan packages --out o", "the following arguments are required: FOLDER", "see dawsos scan packages --help"),
    ],
)
def test_a_slip_is_one_message_with_a_fix(line: str, words: str, fix: str) -> None:
    with pytest.raises(BadInput) as said:
        parse(line.split())
    assert words in said.value.message
    assert said.value.fix == fix


def test_help_is_asked_for_or_stands_in_for_an_empty_line() -> None:
    for words in ([], ["--help"], ["-h"]):
        parsed = parse(words)
        assert isinstance(parsed, Help)
        assert (parsed.requested, "  ship " in parsed.text) == (bool(words), True)
    parsed = parse(["scan"])
    assert isinstance(parsed, Help)
    assert (parsed.requested, "  secrets " in parsed.text, "  ship " in parsed.text) == (False, True, False)


def test_the_overview_groups_the_verbs_and_cuts_no_line() -> None:
    shown = text("--help")
    for verb in VERBS:
        assert f"{verb.group}:" in shown
    assert "..." not in shown
    assert "Exit codes: 0 done" in shown


def test_the_help_of_a_verb_names_values_defaults_and_what_is_required() -> None:
    shown = " ".join(text("drill --help").split())
    assert shown.startswith("Usage: dawsos drill [OPTIONS] Prove the rollback")
    assert "--fault FAULT errors=5%, status=404, latency=2s" in shown
    assert "Required." in shown
    assert "Default: laptop." in shown
    assert "Example: dawsos drill --fault errors=5%" in shown
    assert "Default: aa and errors=5%." in " ".join(text("simulate --help").split())
    assert "[RUN]" in text("show --help")
    assert "[STAGE ...]" in text("run --help")
