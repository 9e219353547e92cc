"""Check the incidents of silent series and sources, what they say, and that a restart changes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from eddy.alert import Alert, incident_id
from eddy.alert_settings import AlertSettings, CalendarSettings
from eddy.models.alerting.maintenance import Maintenance
from eddy.models.core.detector import Ints
from eddy.models.engine.state.codec import pack, unpack
from eddy.models.silence.monitor import SilenceMonitor
from tests.models.silence.streams import DAY, HOUR, MINUTE, MONDAY, epoch, opening_hours
from tests.models.silence.test_pauses import business, without

START = epoch(MONDAY)
SECOND = 1000


def monitor(*entries: dict[str, Any], **more: Any) -> SilenceMonitor:
    return SilenceMonitor(AlertSettings.model_validate({"silent": list(entries or [{}])}).silent, **more)


def follow(
    one: SilenceMonitor, slots: Sequence[int] | Ints, ts: Sequence[int] | Ints, batch: int = 1000
) -> list[Alert]:
    """Replay events in order of time."""
    order = np.argsort(ts, kind="stable")
    rows, times = np.asarray(slots, np.int64)[order], np.asarray(ts, np.int64)[order]
    alerts: list[Alert] = []
    for at in range(0, len(times), batch):
        one.observe(rows[at : at + batch], times[at : at + batch], None, 0)
        one.advance(0)
        alerts += one.take()[0]
    return alerts


def mixed() -> tuple[Ints, Ints]:
    """Office hours with a dead Wednesday, a flow around the clock, and one that stops for good."""
    office = without(opening_hours(MONDAY, 4, business), type(MONDAY)(2025, 1, 22))
    flow = np.arange(START, START + 28 * DAY, MINUTE)
    stops = flow[flow < START + 20 * DAY + 5 * HOUR]
    return np.repeat([0, 1, 2], [len(office), len(flow), len(stops)]), np.concatenate([office, flow, stops])


def test_replay_gives_the_same_incidents_whatever_the_batches_and_restarts():
    slots, ts = mixed()
    results = []
    for batch in (100_000, 8192, 997):
        one = monitor()
        one.bind([0, 1, 2], ["office", "flow", "stops"])
        results.append(sorted(follow(one, slots, ts, batch), key=lambda a: (a.series, a.end)))
    assert results[0] == results[1] == results[2]
    assert [(a.series, a.state, a.severity_word) for a in results[0]] == [
        ("office", "open", "medium"),
        ("office", "update", "high"),
        ("office", "update", "critical"),
        ("office", "closed", "critical"),
        ("stops", "open", "medium"),
        ("stops", "update", "high"),
        ("stops", "update", "critical"),
    ]
    opened = results[0][0]
    assert opened.id == incident_id("office", "silent", opened.start)
    assert (opened.kind, opened.detector, opened.points, opened.values) == ("silent", "silent", 0, {})
    assert opened.reason == "no event for 15 hours, 3 minutes of it in its usual hours, usually one within 1 minute"
    assert results[0][4].reason == "no event for 3 minutes, usually one within 1 minute"

    one, alerts = monitor(), []
    one.bind([0, 1, 2], ["office", "flow", "stops"])
    state: dict[str, Any] = {}
    order = np.argsort(ts, kind="stable")
    for part in np.array_split(order, 40):
        alerts += follow(one, slots[part], ts[part])
        state |= {k: v if isinstance(v, str) else pack(v) for k, v in one.changes().items()}
        one = monitor()
        one.restore({k: v if isinstance(v, str) else unpack(v) for k, v in state.items()}, ["office", "flow", "stops"])
        assert one.changes().keys() <= {"feeds"}, "nothing is written again"
    assert sorted(alerts, key=lambda a: (a.series, a.end)) == results[0]


def test_fixed_length_says_what_is_allowed_and_patterns_choose():
    one = monitor({"series": "pump-*", "after": "10m"})
    one.bind([0, 1, 2], ["pump-1", "fan-1", "clock"])
    ts = np.concatenate([[START, START], np.arange(START, START + HOUR, MINUTE)])
    alerts = follow(one, np.repeat([0, 1, 2], [1, 1, 60]), ts)
    assert [(a.series, a.state) for a in alerts] == [("pump-1", "open"), ("pump-1", "update")]
    assert alerts[0].reason == "no event for 10 minutes, allowed are 10 minutes"
    assert (alerts[0].start, alerts[0].end) == (START, START + 10 * MINUTE)
    assert (alerts[0].score, alerts[0].threshold) == (600, 600)


def test_series_that_is_given_up_closes_its_incident_and_its_slot_begins_anew():
    one = monitor({"after": "10m"})
    one.bind([0, 1], ["a", "clock"])
    follow(one, [0, *[1] * 60], [START, *range(START, START + HOUR, MINUTE)])
    one.forget(np.array([0]))
    (closed,), _, _ = one.take()
    assert (closed.series, closed.state) == ("a", "closed")
    one.bind([0], ["b"])
    assert follow(one, [0], [START + HOUR]) == []
    assert one.open == {}


def test_settings_without_the_series_close_its_incident_after_a_restart():
    one = monitor({"after": "10m"})
    one.bind([0, 1], ["a", "clock"])
    follow(one, [0, *[1] * 60], [START, *range(START, START + HOUR, MINUTE)])
    state = one.changes()
    other = monitor({"after": "10m", "series": "clock"})
    other.restore(state, ["a", "clock"])
    (closed,), _, _ = other.take()
    assert (closed.series, closed.state) == ("a", "closed")


def test_acknowledged_incident_says_so_when_it_closes():
    one = monitor({"after": "10m"})
    one.bind([0, 1], ["a", "clock"])
    opened, *_ = follow(one, [0, *[1] * 20], [START, *range(START, START + 20 * MINUTE, MINUTE)])
    one.acknowledge(opened.id, True)
    (closed,) = follow(one, [0], [START + 21 * MINUTE])
    assert (closed.state, closed.acknowledged) == ("closed", True)


class Live:
    """A live job of one shard: ``flowing`` series send each second, each of its own partition."""

    def __init__(self, one: SilenceMonitor, series: int) -> None:
        self.one, self.now, self.alerts = one, START, list[Alert]()
        one.bind(list(range(series)), [f"s-{k}" for k in range(series)])
        self.flowing = list(range(series))
        self.last = self.now
        self.delay = 0

    def run(self, seconds: int) -> list[Alert]:
        before = len(self.alerts)
        for _ in range(seconds):
            self.now += SECOND
            if self.flowing:
                self.last = self.now
            event = self.last - self.delay
            self.one.note_sources(0, [(-1, event, self.last)], self.now)
            if self.flowing:
                slots = np.array(self.flowing)
                self.one.observe(slots, np.full(len(slots), self.now - self.delay), slots.astype(np.int32), self.now)
            self.one.advance(self.now)
            self.alerts += self.one.take()[0]
        return self.alerts[before:]


def named(source: int) -> str:
    return f"source:{source}"


@pytest.mark.parametrize("delay", [0, HOUR])
def test_one_series_that_stops_is_one_alert_and_the_whole_source_another(delay):
    live = Live(monitor({"after": "10s"}, source_names=named), 20)
    live.delay = delay
    assert live.run(400) == []
    live.flowing.remove(7)
    (alert,) = live.run(30)
    assert (alert.series, alert.state, alert.end - alert.start) == ("s-7", "open", 10_000)
    everyone, live.flowing = live.flowing, []
    (alert,) = live.run(40)
    assert (alert.series, alert.state) == ("source:-1", "open")
    assert [a.severity_word for a in live.run(20)] == ["high"], "nothing of the series, however long it lasts"
    live.flowing = [*everyone, 7]
    assert [(a.series, a.state) for a in live.run(60)] == [
        ("source:-1", "closed"),
        ("s-7", "update"),
        ("s-7", "closed"),
    ]


def test_series_that_stays_away_after_an_outage_of_the_source_is_noticed():
    live = Live(monitor({"after": "10s"}, source_names=named), 5)
    live.run(60)
    live.flowing = []
    live.run(100)
    live.flowing = [0, 1, 2, 3]
    found = [(a.series, a.state) for a in live.run(30)]
    assert found[0] == ("source:-1", "closed")
    assert ("s-4", "open") in found
    assert {series for series, _ in found} == {"source:-1", "s-4"}


def test_only_the_shard_of_its_name_reports_a_source():
    live = Live(monitor({"after": "10s"}), 5)
    live.run(60)
    live.flowing = []
    assert live.run(100) == []
    live.flowing = [0, 1, 2, 3, 4]
    assert live.run(60) == [], "yet its series are spared"


@pytest.mark.parametrize("by_kafka", [False, True], ids=["event time", "Kafka's timestamps"])
def test_source_that_is_replayed_raises_nothing_when_it_pauses_or_ends(by_kafka):
    one = monitor({"after": "10s"}, source_names=named)
    one.bind([0], ["s"])
    now = START + 300 * DAY
    for k in range(200):
        event = START + k * HOUR
        one.note_sources(0, [(-1, now if by_kafka else event, now)], now)
        one.observe(np.zeros(1, int), np.array([event]), None, now)
        one.advance(now)
        now += 30 * SECOND
    last = now - 30 * SECOND
    assert {a.series for a in one.take()[0]} == {"s"}
    for _ in range(100):
        now += MINUTE
        one.note_sources(0, [(-1, last if by_kafka else START + 199 * HOUR, last)], now)
        one.advance(now)
    assert one.take()[0] == []


def test_silence_in_maintenance_is_suppressed_and_sent_again_when_it_outlasts_it(tmp_path):
    file = tmp_path / "plant.ics"
    event = ["BEGIN:VEVENT", "UID:1", "DTSTART:20250106T000000Z", "DTEND:20250106T003000Z", "END:VEVENT"]
    file.write_text("\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *event, "END:VCALENDAR", ""]))
    maintenance = Maintenance([CalendarSettings(file=str(file))])
    one = monitor({"after": "10m"}, maintenance=maintenance)
    one.bind([0, 1], ["a", "clock"])
    alerts = follow(one, [0, *[1] * 60], [START, *range(START, START + HOUR, MINUTE)])
    assert [(a.state, a.suppressed, (a.end - START) // MINUTE) for a in alerts] == [
        ("open", "maintenance: plant", 10),
        ("open", None, 30),
        ("update", None, 46),
    ]


def test_state_is_small():
    one = monitor()
    slots, ts = mixed()
    one.bind([0, 1, 2], ["office", "flow", "stops"])
    follow(one, slots, ts)
    block = one.changes()["0"]
    assert isinstance(block, dict)
    assert sum(array.nbytes for array in block.values()) / len(block["last"]) < 220
    assert json.loads(str(one.changes()["feeds"]))[0][:2] == [0, -1]
