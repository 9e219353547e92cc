"""Check the contract of sinks: subclass :class:`SinkContract` in a test file, and pytest runs every check.

.. code-block:: python

    from eddy.testing.sinks import SinkContract

    class TestMine(SinkContract):
        name = "mine"

        def delivered(self):
            return [(line["id"], line["state"]) for line in what_the_other_side_has()]

The sink is found by its name, as the job finds it: as an entry point of the group ``eddy.sinks``, or because
``eddy.flink_job.sinks.registry.SINKS.register`` was called.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from eddy.alert import Alert, incident_id, severity_level
from eddy.feedback import Feedback
from eddy.flink_job.sinks.base import Sink
from eddy.flink_job.sinks.fan_out import make_sink
from eddy.flink_job.sinks.registry import SINKS
from eddy.redis_layout import Point
from eddy.settings import Settings

__all__ = ["SinkContract", "make_alert", "make_feedback", "make_point"]

_START = 1_700_000_000_000
_AT_ONCE_S = 1.0  # for a thousand alerts, on a busy machine


def make_alert(series: str = "pump-1", state: str = "open", start: int = _START, **fields: Any) -> Alert:
    """Make an alert as the job sends it."""
    values: dict[str, Any] = {
        "id": incident_id(series, "demo", start), "series": series, "state": state, "start": start, "end": start,
        "detected_at": start + 5, "score": 4.5, "threshold": 3.0, "severity": 60, "severity_word": severity_level(60),
        "points": 1, "imputed": 0, "values": {"value": 9.0}, "expected": {"value": 1.0}, "lower": {"value": -2.0},
        "upper": {"value": 4.0}, "attribution": {"value": 1.0}, "detector": "zscore",
        "model": {"name": "demo", "version": 1, "sha256": "0" * 64},
    }  # fmt: skip
    return Alert(**(values | fields))


def make_point(series: str = "pump-1", ts: int = _START) -> Point:
    """Make a scored point as the job reports it."""
    one: dict[str, float | None] = {"value": 1.0}
    return Point(
        series=series, ts=ts, values=one, expected=one, lower=one, upper=one, score=0.5, limit=3.0, state="ok",
        model="demo", version=1, imputed=0,
    )  # fmt: skip


def make_feedback(alert: Alert) -> Feedback:
    """Make somebody's acknowledgement of an incident."""
    return Feedback(alert.id, alert.series, alert.model["name"], "ack", "ann", alert.start, alert.start, alert.end)


class SinkContract:
    """Every sink must pass these checks. Each test needs another side that is empty: clean it in a fixture.

    Attributes:
        name, argument: of the sink, as in ``job.sinks``.
        seconds: how long a delivery may take.
        once: whether an alert that is put a second time is stored once; False where the other side keeps both.
    """

    name: ClassVar[str] = ""
    argument: str = ""
    seconds: ClassVar[float] = 10.0
    once: ClassVar[bool] = True

    def delivered(self) -> Sequence[tuple[str, str]]:
        """Return (id, state) of the alerts that the other side has, in order. Every subclass defines it."""
        raise NotImplementedError

    def settings(self) -> Settings:
        """Return the settings of the job."""
        return Settings()

    def make(self) -> Sink:
        """Make and open the sink as the job does."""
        sink = make_sink(f"{self.name}:{self.argument}" if self.argument else self.name, self.settings())
        sink.open()
        return sink

    def wait_for(self, expected: Sequence[Alert]) -> None:
        """Wait until the other side has just these alerts, in this order."""
        wanted = [(alert.id, alert.state) for alert in expected]
        self._until(lambda: list(self.delivered()) == wanted)
        assert list(self.delivered()) == wanted

    def _until(self, condition: Callable[[], bool]) -> None:
        limit = time.monotonic() + self.seconds
        while not condition() and time.monotonic() < limit:
            time.sleep(0.02)

    def test_sink_is_found_by_its_name(self) -> None:
        """The class says the name under which it is announced."""
        assert SINKS.get(self.name).name == self.name

    def test_alerts_arrive_in_order(self) -> None:
        """Openings, updates and closings of a series arrive as they were put."""
        sink, alerts = self.make(), [make_alert(state=state) for state in ("open", "update", "closed")]
        for alert in alerts:
            sink.put(0, [alert])
        self.wait_for(alerts)
        sink.close()

    def test_put_takes_whatever_a_micro_batch_leads_to(self) -> None:
        """Live state, points and feedback are taken, and so is nothing at all."""
        sink, alert = self.make(), make_alert()
        sink.put(0)
        sink.put(3, [alert], [make_point()], [make_point()], [make_feedback(alert)])
        sink.put(3, live=[make_point("pump-2")], feedback=[make_feedback(alert)])
        self.wait_for([alert])
        assert sink.refused == 0
        sink.close()

    def test_put_returns_at_once(self) -> None:
        """Scoring waits while ``put`` runs."""
        sink, alerts = self.make(), [make_alert(f"pump-{k}") for k in range(1000)]
        began = time.monotonic()
        sink.put(0, alerts)
        assert time.monotonic() - began < _AT_ONCE_S
        sink.close()

    def test_nothing_is_lost_when_a_worker_is_killed(self) -> None:
        """What a checkpoint did not hold was delivered; the rest comes back from the checkpoint."""
        before, alerts = self.make(), [make_alert(f"pump-{k}") for k in range(5)]
        before.put(4, alerts)
        pending = before.pending(4)
        assert before.pending(7) == b"", "another shard has nothing"
        after = self.make()
        if pending:
            after.restore(4, pending)
        wanted = {(alert.id, alert.state) for alert in alerts}
        self._until(lambda: set(self.delivered()) >= wanted)
        assert set(self.delivered()) >= wanted
        for sink in (before, after):
            sink.close()

    def test_second_delivery_changes_nothing(self) -> None:
        """After a restart alerts come again."""
        sink, alerts = self.make(), [make_alert(state=state) for state in ("open", "closed")]
        sink.put(0, alerts)
        sink.put(0, alerts)
        sink.close()
        self.wait_for(alerts if self.once else alerts * 2)

    def test_close_delivers_what_waits_and_ends_all_threads(self) -> None:
        """A worker that stops leaves nothing behind."""
        before = set(threading.enumerate())
        sink, alert = self.make(), make_alert()
        sink.put(0, [alert])
        sink.close()
        assert list(self.delivered()) == [(alert.id, alert.state)]
        self._until(lambda: set(threading.enumerate()) <= before)
        assert set(threading.enumerate()) <= before

    def test_sink_that_delivers_is_not_away(self) -> None:
        """The gauges say 0 while all is well."""
        sink, alert = self.make(), make_alert()
        sink.put(0, [alert])
        self.wait_for([alert])
        assert (sink.away_seconds, sink.refused) == (0, 0)
        sink.close()
