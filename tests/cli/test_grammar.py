"""The grammar: each verb has a function that takes exactly what a person may type for it."""

from __future__ import annotations

import argparse
import inspect
from importlib import import_module

import pytest

from dawsos.cli.grammar import VERBS, Verb, natural, whole


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_each_verb_has_a_function_that_takes_its_parameters(verb: Verb) -> None:
    module, _, name = verb.run.partition(":")
    function = getattr(import_module(f"dawsos.cli.{module}"), name)
    taken = inspect.signature(function).parameters
    assert set(taken) == {parameter.name for parameter in verb.parameters}
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in taken.values())


def test_no_verb_and_no_flag_is_there_twice() -> None:
    names = [verb.name for verb in VERBS]
    assert len(names) == len(set(names))
    for verb in VERBS:
        flags = [parameter.flag for parameter in verb.parameters if parameter.flag]
        assert len(flags) == len(set(flags)), verb.name


def test_the_summary_of_a_verb_is_one_clause() -> None:
    summaries = {verb.name: verb.summary for verb in VERBS}
    assert summaries["history"] == "List the runs, the newest last."
    assert summaries["rollback"] == "Bring production back at once."
    assert summaries["replay"] == "Judge a recorded rollout again with each judge."
    assert all(len(text) <= 100 for text in summaries.values())


@pytest.mark.parametrize("text", ["-1", "x", "1.5", ""])
def test_a_seed_is_a_natural_number(text: str) -> None:
    assert natural("7") == 7
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number of 0 or more"):
        natural(text)


def test_a_whole_number_may_be_negative() -> None:
    assert whole("-3") == -3
    with pytest.raises(argparse.ArgumentTypeError, match=r"'1\.5' is not a whole number"):
        whole("1.5")
