"""Check that the job scores counters by their increase, as the offline replay does, and so after a savepoint, too."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eddy.alert import Alert
from eddy.connections import redis_client
from eddy.models.artifacts.manifest import Manifest
from eddy.models.core.detector import Floats
from eddy.models.engine.cold_start import cold_model
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.integration import harness
from tests.integration.harness import START, STEP
from tests.integration.test_trainer import learning

pytestmark = pytest.mark.stack

POINTS, HALF = 900, 500  # in the second half: resets, the gap, and what is to be found
RESETS = {"cpu": 640, "switches": 660, "transmitted": 620}
GAP = range(700, 712)  # nobody scrapes
ODD = {"switches": range(800, 812), "received": range(820, 850), "transmitted": range(780, 790)}
Observation = tuple[str, int, float]


def increases() -> dict[str, Floats]:
    """Return what counters of a node exporter rise by in a minute."""
    rng = np.random.default_rng(1)
    found = {
        "cpu": np.round(rng.normal(42, 1.5, POINTS), 2),  # node_cpu_seconds_total, to a hundredth
        "switches": rng.poisson(900, POINTS).astype(float),  # node_context_switches_total
        "received": rng.poisson(400, POINTS) * 1500.0,  # node_network_receive_bytes_total, whole packets
        "transmitted": rng.poisson(400, POINTS) * 1500.0,  # of which a published model says that it is a counter
    }
    found["switches"][ODD["switches"]] *= 4
    found["received"][ODD["received"]] = 0  # it stands still
    found["transmitted"][ODD["transmitted"]] *= 4
    return found


def observations() -> list[Observation]:
    """Return the samples of all counters, in order of time."""
    totals = {}
    for name, rises in increases().items():
        total = 1e6 + np.cumsum(rises)
        if reset := RESETS.get(name):
            total[reset:] -= total[reset] - rises[reset] / 10  # scraped soon after: the increase from 0 is unusual
        totals[name] = np.round(total, 2)
    return [
        (name, START + i * STEP, float(total[i]))
        for i in range(POINTS)
        if i not in GAP
        for name, total in totals.items()
    ]


def published() -> Manifest:
    return harness.model("network", limit=6.0, window=60, series=("transmitted",), value_type="counter")


def place(alert: Alert) -> int:
    return (alert.start - START) // STEP


def test_counters_alert_as_offline_over_resets_a_gap_and_a_savepoint(stack: Stack, unique_topics: Settings) -> None:
    settings = learning(unique_topics, cold_start="auto")
    sent = observations()
    half = HALF * len(increases())
    client, prefix = redis_client(settings.redis), settings.redis.prefix

    def scored_by_increase() -> set[str]:
        live = {name: client.hgetall(f"{prefix}:series:{name}") for name in increases()}
        said = {name: [json.loads(v) for k, v in own.items() if k.startswith(b"model:")] for name, own in live.items()}
        return {name for name, own in said.items() if any(one.get("increases") == ["value"] for one in own)}

    harness.publish(settings, published())
    harness.send(settings, [harness.event(*o) for o in sent[:half]])
    with harness.running(stack, settings) as (cluster, number):
        harness.handled(cluster, number, half)
        harness.until(lambda: scored_by_increase() == set(increases()), "all four are found to be counters")
        path = cluster.stop(number)
    harness.send(settings, [harness.event(*o) for o in sent[half:]])
    with harness.running(stack, settings, savepoint=path) as (cluster, number):
        harness.handled(cluster, number, len(sent) - half)
        cluster.stop(number, drain=True)

    found = harness.alerts(settings)
    offline = harness.offline([published()], sent, cold=cold_model("auto", 0))
    assert harness.plain(found) == harness.plain(offline)
    assert {(a.series, place(a)) for a in found} == {(name, odd[0]) for name, odd in ODD.items()}
    assert {a.model["name"] for a in found} == {"network", "cold-start"}
    assert all(a.reason.startswith("increase of value ") for a in found)
    assert harness.read(settings, "dlq") == []
