"""Check the whole learning loop: drift leads to a better model, and a bad version is rolled back automatically."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from eddy.models.artifacts.manifest import Manifest
from eddy.settings import Settings
from eddy.stack.local import Stack
from eddy.training.registry.candidates import publish_candidate
from eddy.training.registry.registry import Registry
from eddy.training.trainer.requests import send_request
from eddy.training.trainer.service import Trainer
from tests.integration import harness
from tests.integration.harness import START, STEP
from tests.integration.test_trainer import learning, model, wave

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

CALM, DRIFTED, LATER = 900, 1700, 1900


@contextlib.contextmanager
def trainer(settings: Settings) -> Iterator[list[str]]:
    """A trainer beside the job; what it says."""
    stop, lines = threading.Event(), list[str]()
    service = Trainer(settings, report=lines.append)
    thread = threading.Thread(target=service.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        stop.set()
        thread.join(60)
        service.close()


def told(settings: Settings, role: str = "events") -> list[dict[str, object]]:
    return [json.loads(r.value) for r in harness.read(settings, role)]


def send(settings: Settings, values: np.ndarray, begin: int, series: str = "a") -> None:
    harness.send(settings, [harness.event(series, START + (begin + i) * STEP, float(v)) for i, v in enumerate(values)])


def test_drifting_stream_gets_a_better_model_and_alerts_stop(stack: Stack, unique_topics: Settings) -> None:
    settings = learning(
        unique_topics, drift=True, min_seconds_between_trainings=0, retrain_after_points=150, min_drift_points=48
    )
    registry = Registry(settings)
    trained = model("worn", wave(CALM, 0.0, 1), "a")
    registry.publish(trained.manifest, trained.content)
    with harness.running(stack, settings) as (cluster, number), trainer(settings) as lines:
        send(settings, wave(CALM, 0.0, 2), 0)
        harness.handled(cluster, number, CALM)
        assert told(settings, "drift") == []
        send(settings, 5 * wave(DRIFTED - CALM, 0.0, 3, CALM) + 9.0, CALM)
        harness.handled(cluster, number, DRIFTED)
        drifts = [d for d in told(settings, "drift") if d["stream"] == "score"]
        assert drifts[0]["series"] == "a"
        assert abs(int(str(drifts[0]["since"])) - START - CALM * STEP) <= 48 * STEP
        assert harness.read(settings, "training")
        harness.until(lambda: registry.read().current["worn"].version >= 2, f"a better version: {lines}", 180)
        version = registry.read().current["worn"].version
        loaded = {"event": "model-loaded", "version": version}
        harness.until(lambda: any(loaded.items() <= e.items() for e in told(settings)), "the job took it over")
        before = len(harness.alerts(settings))
        calm = 5 * wave(LATER - DRIFTED, 0.0, 4, DRIFTED) + 9.0
        calm[150] += 60
        send(settings, calm, DRIFTED)
        harness.handled(cluster, number, LATER)
        cluster.stop(number, drain=True)
        late = harness.alerts(settings)[before:]
        opened = {a.start for a in late if a.state == "open"}
        assert opened == {START + (DRIFTED + 150) * STEP}  # the anomaly, and nothing else
        assert {a.model["version"] for a in late if a.state == "open"} == {version}
    assert harness.read(settings, "dlq") == []


def poisoned(values: np.ndarray) -> np.ndarray:
    """What an attacker, or a broken meter, would have the model learn: leaps everywhere."""
    spoilt = values.copy()
    spoilt[::7] += np.random.default_rng(9).choice([-60.0, 60.0], len(spoilt[::7]))
    return spoilt


def test_bad_version_is_rolled_back_and_poisoned_training_is_refused(stack: Stack, unique_topics: Settings) -> None:
    settings = learning(unique_topics, min_seconds_between_trainings=0)
    registry = Registry(settings)
    trained = model("m", wave(2000, 0.0, 1), "a")
    good = registry.publish(trained.manifest, trained.content)

    def loaded(version: int) -> bool:
        return any(e["event"] == "model-loaded" and e["version"] == version for e in told(settings))

    with harness.running(stack, settings) as (cluster, number), trainer(settings) as lines:
        send(settings, wave(300, 0.0, 3), 0)
        harness.until(lambda: sum(int(str(f["windows"])) for f in told(settings, "figures")) >= 200, "figures")
        bad: Manifest = replace(trained.manifest, threshold={"policy": "fixed", "default": 1e-6})
        forced = registry.publish(bad, trained.content)
        harness.until(lambda: loaded(forced.version), "the bad version is in use")
        send(settings, wave(300, 0.0, 4, 300), 300)
        harness.until(lambda: registry.read().current["m"].version > forced.version, f"rolled back: {lines}", 180)
        back = registry.read().current["m"]
        assert back.metrics["rollback_to"] == good.version
        assert back.threshold == good.threshold
        (event,) = [e for e in told(settings) if e["event"] == "version-rolled-back"]
        assert "alarm rate" in str(event["reason"])
        harness.until(lambda: loaded(back.version), "the job is back")
        before = len(harness.alerts(settings))
        send(settings, wave(100, 0.0, 5, 600), 600)
        harness.handled(cluster, number, 700)
        assert [a for a in harness.alerts(settings)[before:] if a.state == "open"] == []

        send(settings, poisoned(wave(700, 0.0, 2, 700)), 700)
        send(settings, wave(700, 0.0, 6, 1400), 1400)
        harness.handled(cluster, number, 2100)
        send_request(settings, "m")
        harness.until(lambda: any("challenger-" in line for line in lines), "a verdict", 180)
        assert any(line.startswith("challenger-refused m") for line in lines), lines
        assert registry.read().current["m"].version == back.version


def test_candidate_moves_from_shadow_to_canary_to_production(stack: Stack, unique_topics: Settings) -> None:
    settings = learning(unique_topics, min_seconds_between_trainings=0, windows_per_stage=150, canary_share=0.5)
    registry = Registry(settings)
    trained = model("m", wave(2000, 0.0, 1), "a", "b")
    registry.publish(trained.manifest, trained.content)
    shrill = replace(trained.manifest, threshold={"policy": "fixed", "default": 1e-6})
    with harness.running(stack, settings) as (cluster, number), trainer(settings) as lines:
        send(settings, wave(200, 0.0, 2), 0)
        harness.handled(cluster, number, 200)
        publish_candidate(registry, shrill, trained.content, "m", "shadow", 0.5)
        harness.until(lambda: any(e.get("model") == "m.candidate" for e in told(settings)), "the shadow is loaded")
        send(settings, wave(200, 0.0, 3, 200), 200)
        harness.until(
            lambda: any(line.startswith("rollout-stopped m.candidate") for line in lines), f"stopped: {lines}"
        )
        assert "m.candidate" not in registry.read().current
        assert harness.read(settings, "shadow")
        assert harness.alerts(settings) == []

        publish_candidate(registry, trained.manifest, trained.content, "m", "shadow", 0.5)
        sent = 400
        for _ in range(40):  # a stage needs figures, and figures need points
            if registry.read().current["m"].version == 2:
                break
            send(settings, wave(100, 0.0, 4, sent), sent)
            sent += 100
            harness.handled(cluster, number, sent)
        harness.until(lambda: registry.read().current["m"].version == 2, f"in use: {lines}", 180)

        def stages() -> list[str]:
            return [line.split("now ")[1] for line in lines if line.startswith("rollout-advanced")]

        harness.until(lambda: len(stages()) > 1, "told of both")  # after it was published
        assert stages() == ["canary", "in use"]
