"""A bad message, name or address costs itself at most: no message behind it, no thread of the dashboard, no memory."""

from __future__ import annotations

import json
import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from eddy.dashboard.pages import models as models_page
from eddy.dashboard.parts.address import Query
from eddy.dashboard.sources import history
from eddy.dashboard.sources.history import History
from eddy.dashboard.sources.kafka_topics import KafkaTopics
from eddy.dashboard.stores import incidents, watched_series
from eddy.dashboard.stores.incidents import IncidentStore
from eddy.dashboard.stores.models import ModelStore
from eddy.dashboard.stores.series_table import SeriesTable
from eddy.dashboard.stores.snapshot import Snapshot
from eddy.dashboard.stores.watched_series import WatchedSeries
from eddy.dashboard.web.live import Live
from eddy.feedback import Feedback
from eddy.inputs.readers import Readers
from eddy.model_events import refusal
from eddy.settings import KafkaSettings, Settings
from tests.dashboard.messages import alert
from tests.dashboard.test_stores import row
from tests.models.small_models import manifest

NOW = 1_735_689_600_000


class Message:
    """A record as librdkafka gives it."""

    def __init__(self, topic: str, value: bytes) -> None:
        self._topic, self._value = topic, value

    def topic(self) -> str:
        return self._topic

    def value(self) -> bytes:
        return self._value

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7

    def error(self) -> None:
        return None


def published(**changes: object) -> bytes:
    return json.dumps({**json.loads(manifest().to_json()), **changes}).encode()


@pytest.mark.parametrize(
    "changes",
    [{"rollout": ["shadow"]}, {"rollout": "x"}, {"rollout": {"stage": "canary", "share": "much"}}, {"threshold": [1]},
     {"version": 1e999}, {"series": 7}, {"artifact": 5}],
)  # fmt: skip
def test_unusable_manifest_is_left_out_of_the_store(changes):
    store = ModelStore()
    store.put_current("z", published(**changes), NOW)
    store.put_history(published(**changes), NOW)
    assert store.view().current == {}


def test_handler_that_raises_costs_its_message_and_not_the_batch(caplog):
    """Of a real reader, only the consumer is missing: a broker would deliver the same messages."""
    taken: list[bytes] = []

    def handler(message: Any) -> None:
        if message.value() == b"bad":
            raise AttributeError("no attribute \x1b[31m")
        taken.append(message.value())

    reader = KafkaTopics(KafkaSettings(bootstrap_servers="127.0.0.1:1"), {"t": handler}, {}, "o")
    try:
        with caplog.at_level(logging.WARNING):
            for value in (b"one", b"bad", b"two"):
                reader._hand_over(Message("t", value))
    finally:
        reader.close()
    assert taken == [b"one", b"two"]
    assert "leaves out t[0] offset 7: AttributeError" in caplog.text
    assert "\x1b" not in caplog.text


class Collector:
    """What pages need of a collector; the snapshot says what Redis knows."""

    def __init__(self, *known: str, ok: bool = True) -> None:
        table = SeriesTable(60)
        table.put([row(name) for name in known])
        self.watched_series = WatchedSeries(1000)
        fields: Any = {
            "number": 1, "at": 1, "series": table.view(1), "incidents": IncidentStore(3).view(),
            "models": ModelStore().view(), "dead_letters": None, "rates": None, "totals": {}, "job": None,
            "sources": (SimpleNamespace(ok=ok),),
        }  # fmt: skip
        self.snapshot = Snapshot(**fields)


def test_no_thread_waits_for_a_name_that_does_not_exist_and_few_are_looked_for(monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(threading.Condition, "wait_for", lambda self, done, seconds: waits.append(seconds))
    collector: Any = Collector("pump-1")
    live, watched = Live(collector), collector.watched_series
    live._points(Query("series", "pump-1", {}))
    assert len(waits) == 1, "for the first points of a series that exists"
    for number in range(1000):
        live._points(Query("series", f"junk-{number}", {}))
    assert len(waits) == 1
    last = {f"junk-{number}" for number in range(1000 - watched_series._MAX_UNKNOWN, 1000)}
    assert set(watched.names()) == {"pump-1", *last}, "and they push out no series that exists"
    assert watched.is_known("pump-1")
    assert not watched.is_known("junk-999")
    away: Any = Collector(ok=False)
    assert away.snapshot.knows("anything"), "while Redis is away, nobody can tell"


def test_history_of_an_unknown_name_is_a_short_look():
    found = History(Readers(Settings()), 5_000_000)
    found.want("pump-1")
    found.want("junk", known=False)
    assert [scan.left for scan in found._scans.values()] == [5_000_000, history._UNKNOWN_MESSAGES]


def test_addresses_leave_nothing_behind(monkeypatch):
    live = Live(Collector())  # type: ignore[arg-type]
    monkeypatch.setattr(live, "_parts", lambda *_: {})
    for number in range(1000):
        live.answer(Query("overview", "", {"q": str(number)}), "dark")
    assert len(live._bodies) <= 256
    assert len(live._busy) <= 256


def test_store_of_incidents_is_bounded_whatever_comes(monkeypatch):
    monkeypatch.setattr(incidents, "_MAX_OPEN", 5)
    monkeypatch.setattr(incidents, "_MAX_MESSAGES", 7)
    store = IncidentStore(3)
    for k in range(50):
        store.put(alert(f"s{k}", start=k, detected_at=k))
        store.note_feedback(Feedback(f"id-{k}", "s", "m", "ack", "me", NOW, 0, 0).to_json())
        store.put(alert("same", "update", start=NOW, end=NOW + k, detected_at=NOW + k))
    assert len(store.view().newest) == 5
    assert "same" in {one.alert.series for one in store.view().newest}, "the newest stay"
    assert len(store._verdicts) == 5
    assert max(len(seen) for seen in store._seen.values()) == 7


def test_refused_version_is_not_called_in_use():
    store = ModelStore()
    store.put_current("z", published(version=2), NOW)
    store.put_event(json.dumps({"ts": NOW - 5, "event": "model-refused", "model": "z", "reason": "old"}).encode())
    assert store.view().refusal("z") == "", "that was the version before"
    assert "in use" in shown(store)
    store.put_event(json.dumps({"ts": NOW + 5, "event": "model-refused", "model": "z", "reason": "damaged"}).encode())
    store.put_event(
        json.dumps({"ts": NOW + 6, "event": "model-loaded", "model": "z", "version": 1, "reason": ""}).encode()
    )
    assert store.view().refusal("z") == "damaged", "the version before stays in use"
    assert "in use" not in shown(store)
    assert "refused" in shown(store)
    store.put_event(json.dumps({"ts": NOW + 9, "event": "model-loaded", "model": "z", "version": 2}).encode())
    assert "in use" in shown(store)


def shown(store: ModelStore) -> str:
    view = store.view()
    section = models_page._model("z", view.versions["z"], view.current["z"], view.refusal("z"))
    return json.dumps(section.to_plotly_json(), default=lambda node: node.to_plotly_json())


@pytest.mark.parametrize("event", [{}, {"ts": "x"}, {"ts": NOW, "event": ["model-refused"], "model": {}}])
def test_events_that_are_none_refuse_nothing(event):
    assert refusal([event], "z", 1, 0) == ""


def test_series_without_a_score_is_not_ok():
    table = SeriesTable(60)
    table.put([row("a", state="unscored"), row("b")])
    view = table.view(10_000)
    assert view.counts() == {"ok": 1, "anomalous": 0, "open": 0, "silent": 0, "warming": 0, "unscored": 1}
    assert [view.names[k] for k in view.select(state="unscored")] == ["a"]
