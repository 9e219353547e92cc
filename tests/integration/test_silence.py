"""Check that the real job notices silent series and sources, in a replay of weeks and live."""

from __future__ import annotations

import itertools
import threading
import time
from datetime import date

import numpy as np
import pytest

from eddy.alert import Alert
from eddy.alert_settings import AlertSettings
from eddy.flink_job.wire.parsing import shard_of
from eddy.models.engine.engine import EngineOptions
from eddy.models.engine.replay import replay
from eddy.models.serving.model_set import ModelSet
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness
from tests.models.silence.streams import DAY, HOUR, MINUTE, MONDAY, epoch, opening_hours
from tests.models.silence.test_pauses import business, without

pytestmark = pytest.mark.stack


def silent(settings: Settings, **entry: str) -> Settings:
    alerts = AlertSettings.model_validate({"silent": entry})
    return settings.model_copy(update={"alerts": alerts})


def of_silence(settings: Settings) -> list[Alert]:
    return [alert for alert in harness.alerts(settings) if alert.kind == "silent"]


def test_replay_of_four_weeks_raises_one_silence_and_that_on_the_dead_wednesday(
    stack: Stack, unique_topics: Settings
) -> None:
    """Beside the office a flow around the clock that stops for two hours, and one whose clock is five hours behind."""
    settings = silent(harness.changed(unique_topics, parallelism=2))
    dead = date(2025, 1, 22)
    office = without(opening_hours(MONDAY, 4, business), dead)
    flow = np.arange(epoch(MONDAY), epoch(MONDAY) + 28 * DAY, MINUTE)
    stop = epoch(date(2025, 1, 29), 3)
    stops = flow[(flow < stop) | (flow >= stop + 2 * HOUR)]
    series = {"office": office, "flow": flow, "stops": stops, "behind": flow}
    order = flow[0] - HOUR  # all in order of when they happened, "behind" five hours later
    sent = sorted(
        (int(ts) + (5 * HOUR if name == "behind" else 0) - order, name, int(ts))
        for name, every in series.items()
        for ts in every
    )
    harness.send(settings, (harness.event(name, ts, 1.0) for _, name, ts in sent))
    harness.run_to_end(stack, settings)

    found = of_silence(settings)
    opened = {alert.series: alert for alert in found if alert.state == "open"}
    assert set(opened) == {"office", "stops"}
    assert len([alert for alert in found if alert.state == "open"]) == 2
    assert opened["office"].end == epoch(dead, 9) + 3 * MINUTE
    assert (opened["stops"].start, opened["stops"].end) == (stop - MINUTE, stop + 2 * MINUTE)
    closed = {alert.series: alert.end for alert in found if alert.state == "closed"}
    assert closed == {"office": epoch(date(2025, 1, 23), 8), "stops": stop + 2 * HOUR}

    names = [*series]
    offline = replay(
        ModelSet(),
        EngineOptions(alerts=settings.alerts),
        names,
        np.array([names.index(name) for _, name, _ in sent]),
        np.array([ts for *_, ts in sent]),
        np.ones((len(sent), 1)),
    )
    assert harness.plain(found) == harness.plain(a for a in offline if a.kind == "silent")


def test_live_series_that_stops_is_one_alert_and_then_the_whole_source_another(
    stack: Stack, unique_topics: Settings
) -> None:
    settings = silent(unique_topics, after="8s")
    names = [f"s-{k}" for k in range(20)]
    topic = settings.topics.name("observations")
    source = f"source:{topic}"
    flowing, ended = set(names), threading.Event()

    def produce() -> None:
        with harness.producer(settings) as client:
            for _ in itertools.count():
                now = round(time.time() * 1000)
                for name in sorted(flowing):
                    key, value = harness.event(name, now, 1.0)
                    client.send(topic, key=key.encode(), value=value)
                client.flush()
                if ended.wait(0.5):
                    return

    with harness.running(stack, settings) as (cluster, number):
        sender = threading.Thread(target=produce)
        sender.start()
        try:
            harness.handled(cluster, number, 20 * 20)
            assert of_silence(settings) == []
            flowing.remove("s-7")
            harness.until(lambda: of_silence(settings), "the series that stopped")
            time.sleep(10)  # what would alert besides has had the time to
            assert [(a.series, a.state) for a in of_silence(settings)] == [("s-7", "open")]
            everyone = set(flowing)
            flowing.clear()
            harness.until(lambda: any(a.series == source for a in of_silence(settings)), "the source that stopped")
            time.sleep(10)
            opened = [a.series for a in of_silence(settings) if a.state == "open"]
            assert opened == ["s-7", source]
            flowing.update(everyone, {"s-7"})
            harness.until(
                lambda: {a.series for a in of_silence(settings) if a.state == "closed"} == {"s-7", source}, "both speak"
            )
            time.sleep(10)
            assert [a.series for a in of_silence(settings) if a.state == "open"] == ["s-7", source]
        finally:
            ended.set()
            sender.join()
    assert shard_of("s-7", settings.job.shards) != shard_of(source, settings.job.shards)
