"""Publish unusable models while the stream flows: each is refused with a reason, the current one stays."""

from __future__ import annotations

import base64
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from eddy.models.artifacts import artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.serving.pending_versions import OBSERVATIONS
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness

pytestmark = pytest.mark.stack

GOOD = harness.model(limit=2.8)


def with_artifact(content: bytes, **changes: object) -> Manifest:
    fields = {"artifact": base64.b64encode(content).decode(), "sha256": artifact.sha256(content), **changes}
    return replace(GOOD, **fields)  # type: ignore[arg-type]


def not_a_number(sound: bytes) -> bytes:
    """An artifact with a weight that is NaN, its checksum right."""
    length = int.from_bytes(sound[:8], "little")
    header = json.loads(sound[8 : 8 + length])["__metadata__"]
    return bytes(save({"weights": np.array([1.0, np.nan])}, metadata=header))


@pytest.mark.own_stack("the workers read files of this machine")
def test_each_bad_model_is_refused_with_a_reason_and_the_previous_one_stays(
    stack: Stack, unique_topics: Settings, tmp_path: Path
) -> None:
    sound = artifact.dump(RollingZScore(WindowSpec(10)))
    large, pipe = tmp_path / "large", tmp_path / "pipe"
    with large.open("wb") as file:
        file.truncate(500 * 1024 * 1024)
    os.mkfifo(pipe)
    bad: dict[str, tuple[Manifest | bytes, str]] = {
        "truncated": (with_artifact(sound[:40]), "truncated"),
        "checksum": (replace(GOOD, sha256="0" * 64), "sha256"),
        "shapes": (with_artifact(artifact.dump(RollingZScore(WindowSpec(11)))), "the manifest says"),
        "nan": (with_artifact(not_a_number(sound)), "array 'weights' holds NaN"),
        "pickle": (with_artifact(pickle.dumps({"weights": [1.0]})), "not an Eddy artifact"),
        "large": (replace(GOOD, artifact="", uri=str(large)), "524288000 bytes; at most 268435456"),
        "pipe": (replace(GOOD, artifact="", uri=str(pipe)), "expected a regular file"),
        "elsewhere": (replace(GOOD, artifact="", uri="http://127.0.0.1:9/m"), "registry.uri_schemes"),
        "upwards": (replace(GOOD, artifact="", uri=f"{tmp_path}/../../m"), "without '..'"),
        "schema": (GOOD.to_json().replace(b'"schema": 1', b'"schema": 99'), "upgrade the job first"),
        "detector": (replace(GOOD, detector="oracle"), "the artifact is"),
        "features": (with_artifact(artifact.dump(RollingZScore(WindowSpec(10, 1, ("a", "a"))))), "expected each once"),
        "json": (b"{", "not JSON"),
    }
    observations = harness.noise(["a", "b"], 60, {("a", 30): 9.0, ("b", 50): -9.0})
    events = [harness.event(*o) for o in observations]
    harness.publish(unique_topics, GOOD)
    with harness.running(stack, unique_topics) as (cluster, number):
        harness.send(unique_topics, events[:40])
        harness.handled(cluster, number, 40)  # a worker that starts reads the newest version, and then all of them
        with harness.producer(unique_topics) as client:
            for version, (model, _) in enumerate(bad.values(), 2):
                value = model if isinstance(model, bytes) else replace(model, version=version).to_json()
                client.send(unique_topics.topics.name("models"), key=b"z", value=value)
        harness.send(unique_topics, events[40:])
        harness.handled(cluster, number, len(events))

        def refusals() -> list[str]:
            return [event["reason"] for event in harness.events(unique_topics, "model-refused")]

        harness.until(lambda: len(refusals()) == len(bad), "all refused")
        for (name, (_, said)), reason in zip(bad.items(), refusals(), strict=True):
            assert said in reason, f"{name}: {reason}"
        harness.until(lambda: cluster.metrics(number)["models_refused"] == len(bad), "counted")
        metrics = cluster.metrics(number)
        assert (metrics["models"], metrics["model_version"]) == (1, 1)
        assert cluster.exceptions(number) == [], "no restart"
        cluster.stop(number, drain=True)
    expected = harness.offline([GOOD], observations)
    assert harness.plain(harness.alerts(unique_topics)) == harness.plain(expected)


def test_version_with_unsent_features_is_refused_and_a_restart_keeps_the_previous_one(
    stack: Stack, unique_topics: Settings
) -> None:
    lacking = with_artifact(artifact.dump(RollingZScore(WindowSpec(10, 1, ("load",)))), features=("load",), version=2)
    broken = replace(GOOD, sha256="0" * 64, version=3)
    points = OBSERVATIONS + 40
    spikes = {("a", 30): 9.0, ("b", points - 20): -9.0, ("a", points + 20): 9.0}
    observations = harness.noise(["a", "b"], points + 40, spikes)
    events = [harness.event(*o) for o in observations]

    def refused() -> list[str]:
        return [event["reason"] for event in harness.events(unique_topics, "model-refused")]

    harness.publish(unique_topics, GOOD)
    with harness.running(stack, unique_topics) as (cluster, number):
        harness.send(unique_topics, events[:40])
        harness.handled(cluster, number, 40)
        harness.publish(unique_topics, lacking)
        harness.send(unique_topics, events[40 : 2 * points])
        harness.until(refused, "refused")
        assert refused()[0].startswith("model z version 2: features load: found in none of ")
        harness.publish(unique_topics, broken)
        harness.until(lambda: len(refused()) == 2, "the broken one, too")
        path = cluster.stop(number)
    with harness.running(stack, unique_topics, savepoint=path) as (cluster, number):
        harness.send(unique_topics, events[2 * points :])
        harness.handled(cluster, number, len(events) - 2 * points)
        assert cluster.metrics(number)["model_version"] == 1
        cluster.stop(number, drain=True)
    expected = harness.offline([GOOD], observations)
    assert {(a.series, a.start) for a in expected} >= {(s, harness.START + i * harness.STEP) for s, i in spikes}
    assert harness.plain(harness.alerts(unique_topics)) == harness.plain(expected)
