"""Check the trainer with a real broker: better models are published, worse ones refused, no request served twice."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eddy.models.core.detector import Series, WindowSpec
from eddy.settings import Settings
from eddy.training.fitting.fit import ThresholdRule, Trained, fit_model
from eddy.training.registry.registry import Registry
from eddy.training.trainer.service import Trainer
from eddy.training_request import TrainingRequest
from tests.integration import harness
from tests.integration.harness import START, STEP

pytestmark = pytest.mark.stack

DAY = 48
CHANGED = 700  # point from which the series lies elsewhere


def wave(points: int, level: float, seed: int, begin: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return level + np.sin(2 * np.pi * (begin + np.arange(points)) / DAY) + rng.normal(0, 0.05, points)


def segment(values: np.ndarray, name: str) -> Series:
    ts = START + np.arange(len(values), dtype=np.int64) * STEP
    return Series(name, ts, values[:, None], np.zeros(len(ts), np.bool_))


def model(name: str, values: np.ndarray, *series: str) -> Trained:
    return fit_model(
        name, "dmd", [segment(values, series[0])], WindowSpec(DAY, interval_ms=STEP), patterns=series,
        params={"rank": 8, "online": False}, rule=ThresholdRule(),
    )  # fmt: skip


def learning(settings: Settings, **more: object) -> Settings:
    return settings.model_copy(update={"learning": settings.learning.model_copy(update=more)})


def ask(settings: Settings, *requests: TrainingRequest | bytes) -> None:
    with harness.producer(settings) as client:
        for request in requests:
            value = request if isinstance(request, bytes) else request.to_json()
            client.send(settings.topics.name("training"), key=b"m", value=value).get(30)


def serve(settings: Settings, data: Path | None = None) -> tuple[int, list[str]]:
    lines: list[str] = []
    trainer = Trainer(settings, data, report=lines.append)
    try:
        return trainer.run(threading.Event(), once=True), lines
    finally:
        trainer.close()


def events(settings: Settings) -> list[tuple[str, str]]:
    return [(event["event"], event["model"]) for event in harness.events(settings)]


def test_better_model_is_published_worse_one_refused_and_a_failure_blocks_nothing(
    stack: object, unique_topics: Settings
) -> None:
    settings = learning(unique_topics, min_seconds_between_trainings=0)
    registry = Registry(settings)
    before, after = wave(CHANGED, 0.0, 1), wave(1500, 9.0, 2, CHANGED)
    for name in ("worn", "fine", "gone"):
        trained = model(name, wave(2500, 0.0, 7) if name == "fine" else before, "none" if name == "gone" else name)
        registry.publish(trained.manifest, trained.content)
    fine = np.concatenate([before, wave(1500, 0.0, 3, CHANGED)])
    streams = {"worn": np.concatenate([before, after]), "fine": fine}
    harness.send(
        settings,
        [
            harness.event(name, START + i * STEP, float(v))
            for name, values in streams.items()
            for i, v in enumerate(values)
        ],
    )
    since = {"worn": START + CHANGED * STEP}
    ask(
        settings,
        b"{broken",
        TrainingRequest("gone", "manual", 1),
        TrainingRequest("worn", "drift", 1, since),
        TrainingRequest("fine", "manual", 1),
        TrainingRequest("worn", "drift", 2, since),
    )

    served, lines = serve(settings)
    assert served == 3, lines  # the repeat joined
    said = events(settings)
    assert ("training-refused", "m") in said
    assert ("training-failed", "gone") in said
    assert ("challenger-published", "worn") in said
    assert ("challenger-refused", "fine") in said, lines
    now = registry.read().current
    assert {name: one.version for name, one in now.items()} == {"worn": 2, "fine": 1, "gone": 1}
    assert now["worn"].metrics["trial_f1"] >= now["worn"].metrics["champion_f1"] + settings.learning.min_f1_gain
    assert now["worn"].training["params"] == {"rank": 8, "online": False}

    assert serve(settings)[0] == 0  # offsets are committed
    ask(settings, TrainingRequest("worn", "drift", 2, since))  # a job that restarted says it again
    assert serve(settings)[0] == 0
    ask(settings, TrainingRequest("gone", "manual", 5), TrainingRequest("fine", "manual", 5))
    with pytest.raises(KeyboardInterrupt):
        die_at_work(settings)
    assert events(settings)[-1][0] == "training-started"
    assert serve(settings)[0] == 1  # 'gone' failed before the end, 'fine' was not served: its message comes again
    assert events(settings)[-1] == ("challenger-refused", "fine")


def die_at_work(settings: Settings) -> None:
    """End as a killed process does, in the middle of the second training."""

    def stop(line: str) -> None:
        if line.startswith("training-started fine"):
            raise KeyboardInterrupt

    trainer = Trainer(settings, report=stop)
    try:
        trainer.run(threading.Event(), once=True)
    finally:
        trainer.close()


def test_training_beyond_its_time_or_memory_is_ended_and_reported(
    stack: object, unique_topics: Settings, tmp_path: Path
) -> None:
    settings = learning(unique_topics, min_seconds_between_trainings=0, max_fit_memory_mb=512)
    registry = Registry(settings)
    greedy = fit_model(
        "greedy", "isolation-forest", [segment(wave(2000, 0.0, 1), "greedy")], WindowSpec(1200, interval_ms=STEP),
        patterns=("greedy",), params={"trees": 2, "samples": 64, "features": "raw"},
    )  # fmt: skip
    for trained in (greedy, model("small", wave(CHANGED, 0.0, 1), "small")):
        registry.publish(trained.manifest, trained.content)
    file = tmp_path / "history.csv"  # 19,000 windows of 1,200 points are 180 MB
    rows = {"greedy": wave(20_000, 0.0, 2), "small": wave(CHANGED, 0.0, 2)}
    lines = [f"{START + i * STEP},{name},{v:.4f}" for name, values in rows.items() for i, v in enumerate(values)]
    file.write_text("\n".join(["timestamp,series,value", *lines]) + "\n")
    requests = [TrainingRequest("greedy", "manual", 1), TrainingRequest("small", "manual", 1)]
    ask(settings, *requests)
    assert serve(settings, file)[0] == 2
    ended = [e for e in harness.events(settings) if e["event"] != "training-started"]
    assert [(e["event"], e["model"]) for e in ended] == [("training-failed", "greedy"), ("challenger-refused", "small")]
    assert "out of memory at 512 MB (learning.max_fit_memory_mb)" in ended[0]["reason"]
    ask(settings, *requests)  # after a restart: both are remembered
    assert serve(settings, file)[0] == 0

    ask(settings, TrainingRequest("small", "manual", 2))
    assert serve(learning(settings, max_fit_seconds=0.5), file)[0] == 1
    assert "did not end within 0.5 s" in harness.events(settings)[-1]["reason"]


def test_hostile_messages_on_all_topics_of_the_trainer_stop_nothing(stack: object, unique_topics: Settings) -> None:
    settings = learning(unique_topics, min_seconds_between_trainings=0, max_pending_requests=3)
    small = model("small", wave(CHANGED, 0.0, 1), "small")
    Registry(settings).publish(small.manifest, small.content)
    values = wave(CHANGED, 0.0, 2)
    harness.send(settings, [harness.event("small", START + i * STEP, float(v)) for i, v in enumerate(values)])
    junk = [
        b"", b"\xff", b"[" * 50_000, b'{"schema":1,"model":"\\ud800","reason":"drift","ts":1}',
        b'{"schema":1,"model":"m","reason":"drift","ts":9000000000000000000}',
        b'{"schema":1,"model":"m","reason":"drift","ts":1735689600}',
        b'{"schema":1,"model":"m","reason":"drift","ts":1e999}',
        b'{"schema":1,"model":"a\\u001b[31m","reason":"drift","ts":1}',
    ]  # fmt: skip
    with harness.producer(settings) as client:
        for value in [*junk, b'{"model":"small","request_ts":1e999,"done_at":1,"outcome":"x"}']:
            client.send(settings.topics.name("trainer"), key=b"\xff\x1b", value=value).get(30)
        for value in junk:
            client.send(settings.topics.name("training"), key=b"\x1b[31m\xff", value=value).get(30)
    lines: list[str] = []
    trainer = Trainer(settings, report=lines.append)
    try:
        with harness.producer(settings) as client:
            for value in [*junk, b'{"model":"small","version":1,"windows":1e999,"alarms":0,"silent":0}']:
                client.send(settings.topics.name("figures"), key=None, value=value).get(30)
        ask(settings, *(TrainingRequest(f"junk-{k}", "manual", 1) for k in range(8)))
        ask(settings, TrainingRequest("small", "manual", 1))
        assert trainer.run(threading.Event(), once=True) == 4, "the job's model and three unknown ones"
    finally:
        trainer.close()
    said = events(settings)
    assert said.count(("training-refused", "junk-7")) == 1
    assert ("challenger-refused", "small") in said
    assert said.index(("challenger-refused", "small")) < said.index(("training-failed", "junk-0"))
    assert [name for name, _ in said].count("figures-refused") == 1
    refused = [event for event in harness.events(settings) if event["event"] == "training-refused"]
    assert len(refused) == len(junk) + 5
    assert any("looks like epoch seconds" in event["reason"] for event in refused)
    assert all(line.isprintable() for line in lines), lines
    assert serve(settings)[0] == 0, "all of it is behind the committed offset"


def test_first_model_is_trained_for_series_without_one(stack: object, unique_topics: Settings) -> None:
    settings = learning(unique_topics, min_seconds_between_trainings=0, cold_start_model="new")
    values = wave(1500, 3.0, 4)
    harness.send(settings, [harness.event("new", START + i * STEP, float(v)) for i, v in enumerate(values)])
    ask(settings, TrainingRequest("new", "cold-start", 1, detector="novelty", series=("new",), interval_ms=STEP))
    assert serve(settings)[0] == 1
    manifest = Registry(settings).read().current["new"]
    assert (manifest.version, manifest.detector, manifest.series) == (1, "novelty", ("new",))
    assert replace(manifest, artifact="").metrics["trained_for"] == "cold-start"
