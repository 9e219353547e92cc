"""Check silent series in a shard: what it sends, what happens to other incidents, and what it saves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eddy.alert_settings import AlertSettings
from eddy.feedback import Feedback
from eddy.flink_job.wire.frames import ALERTS, DATA, EVENTS, FEEDBACK, TICK, Clock, Records
from eddy.flink_job.wire.parsing import shard_of
from eddy.input_settings import InputSource
from eddy.models.engine.options import EngineOptions
from eddy.models.serving.model_set import ModelSet
from tests.flink_job.frame_bytes import NOW, Message, frame
from tests.flink_job.shard_harness import Harness, Sent, observation, of
from tests.flink_job.test_frames import taken_apart
from tests.models.small_models import manifest, model_set

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


def options(**entry: str) -> EngineOptions:
    return EngineOptions(alerts=AlertSettings.model_validate({"silent": {"after": "10s", **entry}}))


class Live:
    """A live shard, with the clocks that the JVM says; ``number`` is that of the shard."""

    def __init__(self, models: ModelSet | None = None, number: int = 0, **more: Any) -> None:
        self.harness = Harness(models or ModelSet(), engine=more.pop("engine", options()), **more)
        shard = self.harness.shard
        shard.options = replace(shard.options, number=number)
        if shard._source_silence is not None:
            shard._source_silence._options = shard.options
        self.last = NOW

    def second(self, *series: str, elsewhere: bool = False, value: float = 0.0, **header: Any) -> list[Sent]:
        """Let a second pass in which series send; ``elsewhere``: others of the source do, in another shard."""
        self.harness.now += SECOND
        self.harness.elapsed += SECOND
        now = self.harness.now
        if series or elsewhere:
            self.last = now
        messages: list[Message] = [observation(name, now, value) for name in series]
        one = frame(*messages, kind=DATA if messages else TICK, now=now, **header)
        out = Records()
        clocks = (Clock(-1, self.last, self.last, True),)
        self.harness.shard.handle(replace(one, clocks=clocks), self.harness.state, out)
        return [Sent(role, key, value, headers) for role, _, key, value, headers in taken_apart(out.take())]

    def alerts(self, seconds: int, *series: str, **more: Any) -> list[tuple[str, str, str]]:
        found = [alert for _ in range(seconds) for alert in of(self.second(*series, **more), ALERTS)]
        return [(one["series"], one["state"], one["kind"]) for one in found]


SOURCE = "source:eddy.observations"


def test_series_alone_in_its_shard_is_noticed_while_others_send_elsewhere():
    live = Live()
    assert live.alerts(30, "a") == []
    assert live.alerts(12, elsewhere=True) == [("a", "open", "silent")]
    assert live.alerts(1, "a") == [("a", "closed", "silent")]


def test_whole_source_is_reported_by_the_shard_of_its_name_alone():
    own = shard_of(SOURCE, 16)
    for number in (own, (own + 1) % 16):
        live = Live(number=number)
        assert live.alerts(30, "a", "b") == []
        expected = [(SOURCE, "open", "silent")] if number == own else []
        assert live.alerts(20) == expected
        expected = [(SOURCE, "closed", "silent")] if number == own else []
        assert live.alerts(20, "a", "b") == expected


def test_input_source_is_named_by_its_topics():
    sources = (InputSource(topics="plant", series="{s}"), InputSource(pattern="shop-.*", series="{s}"))
    live = Live(sources=sources)
    silence = live.harness.shard._source_silence
    assert silence is not None
    assert [silence._source(topic) for topic in ("", "plant", "shop-1")] == [-1, 0, 1]
    names = set()
    for number in range(16):
        silence._options = replace(live.harness.options, number=number)
        names |= {silence._reported(source) for source in (-1, 0, 1)}
    assert names == {None, SOURCE, "source:plant", "source:shop-.*"}


def test_bounded_source_that_ends_is_not_silent():
    live = Live(number=shard_of(SOURCE, 16))
    live.alerts(30, "a")
    live.harness.end(1)
    assert live.alerts(60) == []


def test_series_without_a_model_are_followed_and_those_with_one_say_what_is_open():
    models = model_set(manifest())
    live = Live(models)
    live.alerts(6, "s", "other")
    opened = of(live.second("s", value=50.0), ALERTS)
    assert [one["state"] for one in opened] == ["open"]
    found = [a for _ in range(12) for a in of(live.second("other"), ALERTS)]
    assert [(a["kind"], a["series"], a["state"]) for a in found] == [
        ("silent", "s", "open"),
        ("incident", "s", "update"),
    ]
    assert found[1]["id"] == opened[0]["id"]
    assert found[1]["unusual"] == "the series is silent: no event for 10 seconds, allowed are 10 seconds"
    assert found[1]["end"] == found[0]["end"]


def test_open_incident_of_a_silent_series_is_closed_in_time():
    live = Live(model_set(manifest()), engine=options(close_open_after="60s"))
    live.alerts(6, "s", "other")
    number = of(live.second("s", value=50.0), ALERTS)[0]["id"]
    found = [a for _ in range(90) for a in of(live.second("other"), ALERTS) if a["id"] == number]
    assert [a["state"] for a in found] == ["update", "closed"]
    assert found[1]["unusual"].startswith("closed, since the series is silent: no event for 70 seconds")
    assert live.alerts(1, "s") == [("s", "closed", "silent")]


@pytest.mark.parametrize("on", [True, False])
def test_state_survives_a_restart_and_goes_when_the_setting_goes(on):
    live = Live()
    live.alerts(30, "a", "b")
    assert live.alerts(11, "b") == [("a", "open", "silent")]
    live.harness.checkpoint()
    silence = {key for key in live.harness.state if key.startswith("silence/")}
    assert {"silence/0", "silence/open", "silence/feeds", "silence/sources"} <= silence

    engine = options() if on else EngineOptions()
    again = Live(engine=engine)
    again.harness = Harness(ModelSet(), state=live.harness.state, engine=engine)
    again.harness.now = again.last = live.harness.now + 7 * DAY
    if on:
        assert again.alerts(5, "b") == [("a", "update", "silent")] * 2, "neither series nor source for the time between"
        assert again.alerts(1, "a", "b") == [("a", "closed", "silent")]
    else:
        assert again.alerts(1, "b") == [("a", "closed", "silent")]
        again.harness.checkpoint()
        assert not [key for key in again.harness.state if key.startswith("silence/")]


def test_evicted_series_closes_its_silent_incident():
    live = Live(engine=replace(options(), state_ttl_ms=HOUR))
    live.alerts(30, "a", "b")
    live.alerts(15, "b")
    live.harness.elapsed += HOUR
    live.harness.now += HOUR
    live.second("b")
    assert [(a["series"], a["state"]) for a in of(live.harness.tick(), ALERTS)] == [("a", "closed")]
    assert "a" not in live.harness.shard.engine.slot_of


def test_feedback_acknowledges_a_silent_incident_and_makes_no_series_of_a_source():
    live = Live(number=shard_of(SOURCE, 16))
    live.alerts(30, "a")
    opened = next(a for _ in range(20) for a in of(live.second(), ALERTS))
    word = Feedback(opened["id"], SOURCE, "silent", "ack", "ann", NOW, opened["start"], opened["end"])
    out = Records()
    live.harness.shard.handle(
        frame((SOURCE.encode(), word.to_json()), kind=FEEDBACK, now=live.harness.now), live.harness.state, out
    )
    sent = [Sent(role, key, value, headers) for role, _, key, value, headers in taken_apart(out.take())]
    assert [event["event"] for event in of(sent, EVENTS)] == ["feedback-taken"]
    assert SOURCE not in live.harness.shard.engine.slot_of
    closed = of(live.second("a"), ALERTS)
    assert [(a["series"], a["state"], a["acknowledged"]) for a in closed] == [(SOURCE, "closed", True)]


def test_without_the_setting_nothing_is_kept():
    live = Live(engine=EngineOptions())
    live.alerts(30, "a")
    live.harness.checkpoint()
    assert live.harness.shard.engine.silence is None
    assert not [key for key in live.harness.state if key.startswith("silence")]
