"""Check groups of incidents: members, arrival order, restarts, number of messages."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.alert import LISTED_MEMBERS, group_id, severity_level
from eddy.alert_settings import AlertSettings
from eddy.models.alerting.grouping import IncidentGrouper
from tests.cli.alerts_at_hand import alert

WINDOW = 300_000
NOON = 1_735_732_800_000
DAY = 86_400_000


def grouping(least=3):
    return IncidentGrouper(AlertSettings(group_series=least, group_window_ms=WINDOW))


def opened(series, start=NOON, severity=60, **fields):
    return alert(series, "open", start, severity, **fields)


def closed(series, start=NOON, **fields):
    return alert(series, "closed", start, **fields)


def states(found):
    return [(one.state, one.member_count) for one in found]


def test_simultaneous_incidents_form_a_group_until_all_close():
    one = grouping()
    assert one.take([opened("a"), opened("b", NOON + 60_000)], 1) == []
    (group,) = one.take([opened("c", NOON - 60_000, severity=80)], 2)
    assert (group.kind, group.state, group.id, group.series) == ("group", "open", group_id(NOON), f"group:{group.id}")
    assert (group.start, group.end, group.detected_at) == (NOON - 60_000, NOON + 60_000, 2)
    assert (group.severity, group.severity_word, group.points) == (80, "critical", 3)
    assert [m["series"] for m in group.members] == ["c", "a", "b"], "the most severe first"
    assert group.values == opened("c").values
    assert one.take([closed("a"), closed("b", NOON + 60_000)], 3) == []
    (last,) = one.take([closed("c", NOON - 60_000, points=5, end=NOON + WINDOW)], 4)
    assert (last.state, last.id, last.points, last.end) == ("closed", group.id, 7, NOON + WINDOW)


def test_several_incidents_of_one_series_form_no_group():
    found = [replace(opened("a"), id=f"{k:016x}") for k in range(5)]
    assert grouping().take([*found, opened("b")], 0) == []


def test_suppressed_distant_and_group_incidents_do_not_count():
    one = grouping()
    found = one.take(
        [
            opened("a"),
            opened("b"),
            opened("c", NOON + WINDOW),
            opened("d", suppressed="maintenance: plant"),
            opened("e", kind="group", member_count=4),
        ],
        0,
    )
    assert found == []
    assert states(one.take([opened("d")], 0)) == [("open", 3)], "it has outlasted its maintenance"


def test_grouping_can_be_disabled():
    assert grouping(0).take([opened(f"s-{k}") for k in range(9)], 0) == []


def test_growing_group_sends_few_updates():
    one = grouping()
    found = [group for k in range(1000) for group in one.take([opened(f"s-{k}")], 0)]
    assert states(found) == [("open", 3), ("update", 12), ("update", 48)]
    found = [group for k in range(1000) for group in one.take([closed(f"s-{k}")], 0)]
    assert states(found) == [("closed", 1000)]
    assert len(found[0].members) == LISTED_MEMBERS


def test_rising_severity_of_a_group_sends_an_update():
    one = grouping()
    one.take([opened(name, severity=30) for name in "abc"], 0)
    (worse,) = one.take([alert("b", "update", NOON, 90)], 0)
    assert (worse.state, worse.severity, severity_level(worse.severity)) == ("update", 90, "critical")


ALERTS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 3), st.sampled_from(["open", "update", "closed"])), max_size=40
)


def life(moves):
    """Messages of incidents as a job sends them: an incident's own are in order, and end with its closing."""
    done = set()
    for series, at, state in moves:
        if (series, at) not in done:
            yield alert(f"s-{series}", state, NOON + at * WINDOW // 2, 60)
        if state == "closed":
            done.add((series, at))


@given(ALERTS, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_groups_and_members_do_not_depend_on_arrival_order(moves, rng: random.Random):
    messages = list(life(moves))
    by_series = {name: [m for m in messages if m.series == name] for name in {m.series for m in messages}}
    mixed = []
    while by_series:  # a series' own messages keep their order: they come from one shard
        name = rng.choice(sorted(by_series))
        mixed.append(by_series[name].pop(0))
        if not by_series[name]:
            del by_series[name]

    def result(found):
        one = grouping()
        ids = {group.id for group in one.take(found, 0)}
        return ids, {start: sorted(bucket.members) for start, bucket in one.buckets.items()}

    assert result(mixed) == result(messages)
    assert result([m for message in messages for m in (message, message)]) == result(messages), "repeats"


@given(ALERTS, st.sets(st.integers(0, 40)))
@settings(max_examples=100, deadline=None)
def test_restart_changes_no_group(moves, restarts):
    messages, whole, cut = list(life(moves)), grouping(), grouping()
    store: dict[str, bytes] = {}
    found = []
    for i, message in enumerate(messages):
        found += cut.take([message], 0)
        if i in restarts:
            for key, value in cut.changes().items():
                if value is None:
                    del store[key]
                else:
                    store[key] = value
            cut = grouping()
            cut.restore(store)
    assert found == whole.take(messages, 0)


def test_replay_from_an_older_state_sends_the_same_group_ids():
    one = grouping()
    one.take([opened("a"), opened("b")], 0)
    before = one.changes()
    rest = [opened("c"), *map(closed, "abc")]
    first = one.take(rest, 0)
    again = grouping()
    again.restore({key: value for key, value in before.items() if value is not None})
    assert again.take(rest, 0) == first
    assert one.take([opened("a"), opened("b"), *rest], 0) == [], "a repeat opens nothing again"


def test_closed_group_is_forgotten_after_window():
    one = grouping()
    one.take([opened("a"), closed("a"), opened("b")], 0)
    one.take([opened("c", NOON + WINDOW), closed("c", NOON + WINDOW)], 0)
    one.changes()
    one.take([opened("d", NOON + 2 * DAY)], 0)
    assert set(one.buckets) == {NOON, NOON + 2 * DAY}, "the one of b is open still"
    assert one.changes() == {
        str(NOON + WINDOW): None,
        str(NOON + 2 * DAY): one.buckets[NOON + 2 * DAY].to_json(),
    }


@pytest.mark.parametrize("jitter", [-WINDOW // 2, -1, 0, 1, WINDOW // 2 - 1])
def test_grouping_windows_are_centred_on_round_times(jitter):
    (group,) = grouping().take([opened("a", NOON + jitter), opened("b"), opened("c")], 0)
    assert group.id == group_id(NOON)


def test_oldest_closed_incidents_are_forgotten_beyond_the_maximum(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eddy.models.alerting.grouping.MAX_MEMBERS", 10)
    one = grouping()
    one.take([opened("stays")], 0)
    for k in range(1, 9):
        start = NOON + k * WINDOW
        for series in ("a", "b", "c", "d"):
            one.take([opened(series, start), closed(series, start)], k)
    assert sorted(one.buckets) == [NOON, *(NOON + k * WINDOW for k in (6, 7, 8))], "the open one is kept"
    gone = {int(start) for start, value in one.changes().items() if value is None}
    assert gone == {NOON + k * WINDOW for k in range(1, 6)}


def test_incidents_of_days_ago_are_grouped_and_forgotten_once_closed():
    """This happens in a backfill, or when a shard is days behind the others."""
    one, old = grouping(2), NOON - 3 * DAY
    one.take([opened("now")], 0)
    assert states(one.take([opened("a", old), opened("b", old)], 0)) == [("open", 2)]
    one.take([opened("later", NOON + DAY // 2)], 0)
    assert old in one.buckets, "still open"
    assert states(one.take([closed("a", old), closed("b", old)], 0)) == [("closed", 2)]
    one.take([opened("again", NOON + WINDOW)], 0)
    assert old not in one.buckets
    assert one.changes()[str(old)] is None


def test_members_of_one_bucket_are_bounded_and_the_group_closes_with_the_last(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eddy.models.alerting.grouping.MAX_BUCKET_MEMBERS", 20)
    one, names = grouping(), [f"s-{k:03}" for k in range(200)]
    found = [group for name in names for group in one.take([opened(name), alert(name, "update", NOON, 60)], 0)]
    assert states(found) == [("open", 3), ("update", 12), ("update", 48)]
    assert one.take_left_out() == 180
    assert one.take_left_out() == 0
    entries = one.changes()
    assert len(one.buckets[NOON].members) == 20
    assert len(entries[str(NOON)] or b"") < 5000, "it does not grow with the incidents"
    again = grouping()
    again.restore({key: value for key, value in entries.items() if value is not None})
    for grouper in (one, again):
        assert [group for name in names[:-1] for group in grouper.take([closed(name)], 0)] == [], "one is open still"
        found = grouper.take([closed(names[-1])], 0)
        assert states(found) == [("closed", 200)]
        assert found[0].end == NOON


def test_open_incidents_in_all_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eddy.models.alerting.grouping.MAX_MEMBERS", 30)
    one = grouping()
    found = [g for k in range(20) for s in range(5) for g in one.take([opened(f"s-{s}", NOON + k * WINDOW)], 0)]
    assert len(found) == 20, "each becomes a group"
    assert sum(len(bucket.members) for bucket in one.buckets.values()) == 30
    assert one.take_left_out() == 70
    found = [g for k in range(20) for s in range(5) for g in one.take([closed(f"s-{s}", NOON + k * WINDOW)], 0)]
    assert [state for state, _ in states(found)] == ["closed"] * 20


def test_open_group_beyond_the_maximum_of_buckets_is_closed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eddy.models.alerting.grouping.MAX_BUCKETS", 4)
    one = grouping()
    (group,) = one.take([opened(name) for name in "abc"], 0)
    found = [g for k in range(1, 5) for g in one.take([opened("d", NOON + k * WINDOW)], 7)]
    assert [(g.id, g.state, g.detected_at) for g in found] == [(group.id, "closed", 7)]
    assert len(one.buckets) == 4
    assert one.changes()[str(NOON)] is None


def test_cost_of_a_bucket_does_not_grow_with_the_others():
    """Looking at all buckets for each new one would cost ten times as much for ten times as many."""

    def took(count):
        one = IncidentGrouper(AlertSettings(group_series=3, group_window_ms=1000))
        alerts = [opened("a", NOON + k * 1000) for k in range(count)]
        began = time.process_time()
        one.take(alerts, 0)
        return (time.process_time() - began) / count

    took(100)
    small, large = min(took(150) for _ in range(5)), min(took(1500) for _ in range(3))
    assert large < 3 * small


def test_another_group_window_closes_the_groups_of_the_one_before():
    one = grouping()
    (group,) = one.take([opened(name) for name in "abc"], 0)
    kept = {key: value for key, value in one.changes().items() if value is not None}
    one.take([opened("d")], 1)
    assert "window" not in one.changes(), "it is written once"
    same, other = grouping(), IncidentGrouper(AlertSettings(group_series=3, group_window_ms=WINDOW * 2))
    same.restore(kept)
    assert same.take([], 9) == []
    other.restore(kept)
    assert [(g.id, g.state) for g in other.take([], 9)] == [(group.id, "closed")]
    assert other.changes() == {str(NOON): None, "window": str(WINDOW * 2).encode()}
    earlier = grouping()
    earlier.restore({key: value for key, value in kept.items() if key != "window"})
    assert set(earlier.buckets) == {NOON}, "state of a version that did not keep the window"
