"""Check that a job with other shards than its savepoint fails visibly, in place of running without an alert."""

from __future__ import annotations

import pytest

from eddy.errors import SettingsError, StackError
from eddy.ops.savepoints import check_savepoint
from eddy.settings import Settings
from eddy.stack.local import Stack
from tests.given_stack import GivenStack
from tests.integration import harness

pytestmark = pytest.mark.stack


def test_savepoint_of_16_shards_is_refused_with_8(stack: Stack, unique_topics: Settings) -> None:
    settings = harness.changed(unique_topics, shards=16)
    model = harness.model(limit=2.5)
    harness.publish(settings, model)
    series = [f"s-{k}" for k in range(6)]
    spikes = {(name, point): 9.0 for name in series for point in (20, 40)}
    observations = harness.noise(series, 60, spikes)
    half = len(observations) // 2
    with harness.running(stack, settings) as (cluster, number):
        harness.send(settings, [harness.event(*o) for o in observations[:half]])
        harness.handled(cluster, number, half)
        place = cluster.stop(number)
    with pytest.raises(StackError, match=r"FAILED: .*job\.shards is 8.*written with job\.shards=16"):
        harness.submit(stack, harness.changed(settings, shards=8), place)
    if not isinstance(stack, GivenStack):  # its disk is not ours
        with pytest.raises(SettingsError, match=r"found 8, expected 16"):
            check_savepoint(place, harness.changed(settings, shards=8).job)
    harness.send(settings, [harness.event(*o) for o in observations[half:]])
    with harness.running(stack, settings, place) as (cluster, number):
        expected = {alert.id for alert in harness.offline([model], observations) if alert.kind == "incident"}
        assert len(expected) >= len(series)
        harness.until(
            lambda: {a.id for a in harness.alerts(settings) if a.kind == "incident"} == expected, "all alerts"
        )
