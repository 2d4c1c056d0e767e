"""Two readings of a proxy's counters and what happened between them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dawsos.model.rollout import Counts
from dawsos.platforms.readings import NOTHING, Reading, added, difference, restarted, together


def test_requests_and_errors_are_what_was_added() -> None:
    assert difference(Reading(100, 1), Reading(150, 4)) == Counts(50, 3)


def test_one_request_is_one_error_at_most() -> None:
    assert difference(NOTHING, Reading(1, 2)) == Counts(1, 1)


def test_an_error_that_comes_after_the_sample_of_its_request_is_not_left_out() -> None:
    counts = difference(Reading(100, 1, active=1), Reading(101, 4))
    assert (counts.requests, counts.errors) == (2, 2)


@pytest.mark.parametrize(("broken", "accounted", "errors"), [(5, 0, 7), (5, 3, 4), (5, 5, 2), (5, 9, 2)])
def test_an_answer_that_broke_off_is_an_error_once(broken: float, accounted: float, errors: int) -> None:
    after = Reading(50, 2, broken=broken, accounted=accounted)
    assert difference(NOTHING, after).errors == errors


def test_what_broke_off_before_the_first_reading_does_not_count() -> None:
    before = Reading(50, 2, broken=9, accounted=1)
    assert difference(before, replace(before, received=60)) == Counts(10, 0)


def test_latency_is_the_difference_of_each_bucket() -> None:
    before, after = Reading(latency={0.1: 5, math.inf: 9}), Reading(latency={math.inf: 19, 0.1: 7, 1.2: 10})
    assert difference(before, after).latency == ((0.1, 2), (1.2, 10), (math.inf, 10))


def test_buckets_without_a_last_one_prove_nothing() -> None:
    assert difference(NOTHING, Reading(latency={0.1: 5})).latency == ()


def test_a_counter_that_went_backwards_or_is_gone_is_a_restart() -> None:
    before = Reading(monotone={"a": 5.0, "b": 0.0})
    assert restarted(before, Reading(monotone={"a": 4.0, "b": 9.0}))
    assert restarted(before, Reading(monotone={"b": 9.0}))
    assert not restarted(before, Reading(monotone={"a": 5.0}))
    assert not restarted(NOTHING, before)


def test_how_many_are_under_way_may_fall() -> None:
    assert not restarted(Reading(active=5, members=2), Reading(active=0, members=1))


def test_processes_are_added_with_their_latency() -> None:
    one, two = Counts(10, 1, ((0.1, 4), (math.inf, 10))), Counts(5, 2, ((0.1, 5), (math.inf, 5)))
    assert added([one, two]) == Counts(15, 3, ((0.1, 9), (math.inf, 15)))
    assert added([]) == Counts()


def test_latency_with_other_edges_is_not_added_up() -> None:
    one, two = Counts(10, 1, ((0.1, 4), (math.inf, 10))), Counts(5, 2, ((0.2, 5), (math.inf, 5)))
    assert added([one, two]) == Counts(15, 3)


def test_a_process_without_requests_has_no_latency_to_add() -> None:
    one = Counts(10, 1, ((0.1, 4), (math.inf, 10)))
    assert added([one, Counts()]) == one


def test_processes_together_are_one_that_was_restarted_when_one_was() -> None:
    one = Reading(10, 1, answered=9, latency={0.1: 4, math.inf: 10}, monotone={"a": 10.0})
    two = Reading(5, 2, answered=5, latency={0.1: 5, math.inf: 5}, monotone={"a": 5.0})
    found = together({"x": one, "y": two})
    assert (found.received, found.errors, found.answered, found.latency) == (15, 3, 14, {0.1: 9, math.inf: 15})
    assert restarted(found, together({"x": one, "y": replace(two, monotone={"a": 4.0})}))
    assert not restarted(found, found)
    assert together({"x": one, "y": replace(two, latency={0.2: 5})}).latency == {}


def test_codes_faults_and_sizes_are_differences_and_what_is_under_way_is_as_it_is_now() -> None:
    before = Reading(active=7, codes={"2xx": 10, "404": 1}, faults={"reset": 1}, sizes={100: 3, math.inf: 5})
    after = Reading(active=2, codes={"2xx": 14, "404": 1}, faults={"reset": 3}, sizes={100: 4, math.inf: 9})
    counts = difference(before, after)
    assert (counts.codes, counts.faults) == ({"2xx": 4, "404": 0}, {"reset": 2})
    assert (counts.under_way, counts.sizes) == (2, ((100, 1), (math.inf, 4)))


def test_what_a_proxy_does_not_tell_is_not_known() -> None:
    counts = difference(Reading(received=3), Reading(received=9))
    assert (counts.codes, counts.faults, counts.under_way, counts.waiting, counts.sizes) == ({}, {}, None, (), ())


def test_what_one_process_does_not_tell_is_not_known_of_all() -> None:
    one = Counts(4, codes={"2xx": 3, "404": 0}, faults={"reset": 1}, under_way=2, sizes=((math.inf, 3),))
    assert added([one, replace(one, codes={"2xx": 1})]).codes == {"2xx": 4}
    assert added([one, Counts(1)]) == Counts(5, sizes=((math.inf, 3),))
    assert added([one, one]).under_way == 4
    assert added([one, Counts()]) == one


def test_lower_bounds_of_what_waits_are_added() -> None:
    one = Counts(9, waiting=((0.5, 3), (1.0, 1)))
    assert added([one, one, Counts(9)]).waiting == ((0.5, 6), (1.0, 2))


def test_processes_together_tell_what_each_of_them_tells() -> None:
    one = Reading(active=1, codes={"2xx": 3.0, "404": 1.0}, faults={"reset": 1.0}, sizes={100: 1, math.inf: 2})
    found = together({"x": one, "y": replace(one, codes={"2xx": 4.0})})
    assert (found.active, found.codes, found.faults, found.sizes) == (
        2,
        {"2xx": 7.0},
        {"reset": 2.0},
        {100: 2, math.inf: 4},
    )
    assert together({"x": one, "y": Reading()}).active is None
