"""Check that a peer's intervals are compared with the truth, and that its rate counts what all its processes closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from benchmarks.measuring.workload import START, Workload
from benchmarks.peers.alerts import Raised
from benchmarks.peers.intervals import Interval, compared, complete, of_message, steady, truth
from benchmarks.peers.totals import FOLDS, MINUTE, Totals

WORK = Workload("Z", events=1_004, series=4, form="requests5")  # 251 s of each series


def closed(work: Workload) -> list[Interval]:
    return [Interval(host, start, 0.0, values) for (host, start), values in truth(work).items()]


def test_truth_is_what_the_messages_say() -> None:
    found = truth(WORK)
    assert len(found) == 4 * complete(WORK) == 16
    own = [orjson.loads(value) for value in WORK.messages(0, 1_004)[1]]
    second = [one for one in own if one["host"] == "server-00002" and 60 <= one["at"] - START // 1000 < 120]
    assert found["server-00002", START + MINUTE] == {
        "requests": 60,
        "errors": sum(one["status"] == 503 for one in second),
        "mean_ms": pytest.approx(sum(one["ms"] for one in second) / 60, rel=1e-12),
        "most": max(one["ms"] for one in second),
        "users": len({one["user"] for one in second}),
    }
    assert sum(one["errors"] for one in found.values()) > 0
    assert truth(replace(WORK, form="requests"))["server-00002", START + MINUTE] == {"requests": 60}


@pytest.mark.parametrize(("seconds", "intervals"), [(60, 0), (70, 0), (71, 1), (130, 1), (131, 2)])
def test_interval_counts_once_its_grace_has_passed(seconds: int, intervals: int) -> None:
    assert complete(Workload("Z", events=seconds * 4, series=4)) == intervals


def test_events_folded_in_parts_are_as_folded_one_by_one() -> None:
    events = [orjson.loads(value) for value in WORK.messages(0, 400)[1]]

    def folded(some: list[dict[str, Any]]) -> Totals:
        state = Totals()
        for event in some:
            state = state.add(event)
        return state

    whole, parts = folded(events).result(), folded(events[:150]).merge(folded(events[150:])).result()
    assert parts == whole | {"mean_ms": pytest.approx(whole["mean_ms"], rel=1e-12)}
    count = FOLDS["requests"]
    assert count.result(count.merge(count.add(count.empty(), {}), 2)) == {"requests": 3}


def test_differences_are_counted_by_kind() -> None:
    expected, found = truth(WORK), closed(WORK)
    assert compared(found, expected)["equal"]
    late = Interval("server-00001", START + complete(WORK) * MINUTE, 0.0, {"requests": 10})
    assert compared([*found, late], expected)["equal"], "some systems close the incomplete interval at the end"
    wrong = replace(found[1], values=found[1].values | {"users": 1})
    odd = compared([*found[2:], found[2], wrong, Interval("nobody", START, 0.0, {})], expected)
    assert odd == {"results": 16, "missing": 1, "extra": 1, "different": 1, "repeated": 1, "equal": False}


def test_text_and_numbers_are_the_same_time() -> None:
    of_sql = of_message(Raised(5.0, {"host": "a", "w": "2025-01-01 00:01:00", "requests": 60}))
    assert of_sql == of_message(Raised(5.0, {"host": "a", "w": START + MINUTE, "requests": 60}))


def stream(host: str, seconds_each: float, count: int = 10) -> Iterator[Interval]:
    """Close one interval of a host every so many seconds."""
    for k in range(count):
        yield Interval(host, START + k * MINUTE, (k + 1) * seconds_each, {})


def test_rate_leaves_out_the_start_and_the_end() -> None:
    found = steady([*stream("a", 1.0), *stream("b", 1.0)], 2, 10)
    assert (found.first, found.last, found.events, found.rate) == (2.0, 9.0, 7 * 2 * 60, 120)


def test_rate_of_unequal_processes_counts_what_each_closed_until_the_slower_one_did() -> None:
    """The slower closes intervals 2 and 9 at 4 s and 18 s; the faster closes its 5th to 10th in between."""
    found = steady([*stream("fast", 1.0), *stream("slow", 2.0)], 2, 10)
    assert (found.first, found.last, found.events) == (4.0, 18.0, (6 + 7) * 60)


def test_repeated_results_count_once_and_incomplete_intervals_not_at_all() -> None:
    once = [*stream("a", 1.0), *stream("b", 1.0)]
    again = [replace(one, at=one.at + 0.5) for one in once]
    assert steady([*once, *again, Interval("a", START + 10 * MINUTE, 8.5, {})], 2, 10) == steady(once, 2, 10)


def test_run_stopped_early_is_measured_between_single_results() -> None:
    """One process closed ten intervals of its series, the other none: no interval is closed for all."""
    found = steady(list(stream("a", 1.0)), 2, 10)
    assert (found.first, found.last, found.events) == (2.0, 9.0, 7 * 60)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_intervals_are_refused(count: int) -> None:
    with pytest.raises(AssertionError, match="too few to tell a rate"):
        steady(list(stream("a", 1.0, count)), 1, 10)
