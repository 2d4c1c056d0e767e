"""Down needs both bets: more than a quarter bad, and more than stable's."""

from __future__ import annotations

import pytest

from dawsos.analysis.statistical.down import Down
from dawsos.analysis.statistical.evidence import REDIRECTED, REFUSED, SMALL, STREAMS, Bin, Evidence, Rules
from dawsos.analysis.statistical.statistics import Table

EMPTY = Table()


def _bin(place: int, table: Table) -> Bin:
    tables = [EMPTY] * len(STREAMS)
    tables[0] = Table(table.canary, 0, table.stable, 0)
    tables[place] = table
    return Bin(1.0, 5, tuple(tables), (table.canary, 0))


@pytest.mark.parametrize("place", [REFUSED, REDIRECTED, SMALL])
def test_a_canary_that_answers_everything_otherwise_is_down_within_two_seconds(place: int) -> None:
    evidence = Evidence(Rules())
    evidence.observe(_bin(place, Table(10, 10, 190, 2)))
    evidence.observe(_bin(place, Table(10, 10, 190, 2)))
    assert evidence.downs[place].proven
    assert evidence.plainly_down
    assert evidence.failing


@pytest.mark.parametrize("place", [REFUSED, REDIRECTED, SMALL])
def test_what_stable_does_as_often_is_not_down(place: int) -> None:
    evidence = Evidence(Rules())
    for _ in range(60):
        evidence.observe(_bin(place, Table(10, 8, 190, 152)))
    assert evidence.downs[place].share.log_wealth() > evidence.downs[place].proof
    assert not evidence.failing


def test_expected_refusals_are_not_compared_but_a_page_that_is_gone_is_down() -> None:
    evidence = Evidence(Rules(expected=frozenset({REFUSED, SMALL})))
    for _ in range(60):
        evidence.observe(_bin(REFUSED, Table(10, 2, 190, 2)))
    assert evidence.log_e < 1e-9
    evidence.observe(_bin(REFUSED, Table(20, 20, 190, 2)))
    evidence.observe(_bin(REFUSED, Table(20, 20, 190, 2)))
    assert evidence.plainly_down
    smaller = Evidence(Rules(expected=frozenset({SMALL})))
    for _ in range(20):
        smaller.observe(_bin(SMALL, Table(10, 10, 190, 2)))
    assert not smaller.failing


def test_the_parts_of_alpha_are_no_more_than_alpha() -> None:
    rules = Rules()
    downs = Evidence(rules).downs.values()
    assert sum(2.718281828459045**-down.proof for down in downs) + 2.718281828459045**-rules.proof <= rules.alpha + 1e-8


def test_one_bet_alone_proves_nothing() -> None:
    down = Down([1.0], 0.01)
    down.restart(0.9)
    down.see(Table(50, 50, 0, 0), 1.0)
    assert down.share.log_wealth() > down.proof
    assert not down.proven
    down.apart.multiply([20.0])
    assert down.proven
