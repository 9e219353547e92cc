"""Check that a series that comes over several partitions loses nothing that arrives within the time-out."""

from __future__ import annotations

import numpy as np
import pytest

from eddy.models.windowing.event_time import EventClock
from eddy.models.windowing.partitions import SPREAD_MS, Origins

START, STEP, TIMEOUT = 1_767_225_600_000, 60_000, 5000
LATER = START + 10**9


class Shard:
    """A clock that is handed batches of (slot, point, partition)."""

    def __init__(self, interval=STEP):
        self.clock = EventClock(hold_timeout_ms=TIMEOUT)
        self.clock.grow(2)
        self.clock.interval[:] = interval
        self.released, self.lost = [], 0

    def send(self, *events, now, keyless=False):
        slots, points, partitions = np.array(events, np.int64).reshape(-1, 3).T
        origins = Origins(np.full(len(slots), START), partitions.astype(np.int32), np.full(len(slots), keyless))
        values = np.zeros((len(slots), 1))
        got = self.clock.admit(slots, START + points * STEP, values, now, worker=LATER, origins=origins)
        self.released += [(int(slot), int((t - START) // STEP)) for slot, t in zip(got.slots, got.ts, strict=True)]
        self.lost += len(got.late) + len(got.ahead)
        return got


@pytest.mark.parametrize("interval", [STEP, 0])
@pytest.mark.parametrize("keyless", [True, False])
def test_partition_that_lags_in_a_backlog_loses_nothing(interval, keyless):
    """As 150 of 300 events, each partition's share read at once, used to be lost."""
    shard = Shard(interval)
    odd, even = [(0, k, 1) for k in range(1, 300, 2)], [(0, k, 0) for k in range(0, 300, 2)]
    shard.send(*odd[:1], *even[:1], now=0, keyless=keyless)
    shard.send(*odd[1:], now=1000, keyless=keyless)
    shard.send(*even[1:], now=TIMEOUT, keyless=keyless)
    shard.send(now=2 * TIMEOUT)
    assert shard.lost == 0
    assert shard.released == [(0, k) for k in range(300)]
    assert shard.clock.waiting == 0


def test_regular_series_in_order_waits_for_nothing():
    shard = Shard()
    shard.send((0, 0, 0), (0, 1, 1), now=0)
    shard.send(now=TIMEOUT)
    for k in range(2, 20):
        shard.send((0, k, k % 2), now=TIMEOUT + k)
        assert shard.released[-1] == (0, k)


def test_series_of_one_partition_is_not_held_and_one_that_moved_only_for_a_while():
    shard = Shard(interval=0)
    shard.send((0, 0, 0), (1, 0, 1), now=0)
    shard.send((0, 1, 0), (1, 1, 1), now=1)
    assert len(shard.released) == 4
    shard.send((0, 2, 1), now=2)
    assert len(shard.released) == 4, "it came over another partition"
    shard.send((0, 3, 1), now=3 + SPREAD_MS)
    shard.send((0, 4, 1), now=4 + SPREAD_MS)
    assert shard.released[4:] == [(0, 2), (0, 3), (0, 4)]


def test_keyless_events_of_one_partition_are_not_held():
    shard = Shard(interval=0)
    shard.send((0, 0, 0), (0, 1, 0), now=0, keyless=True)
    assert len(shard.released) == 2


def test_event_from_the_future_is_parked_in_a_spread_series_too():
    shard = Shard()
    shard.send((0, 0, 0), (0, 1, 1), now=0)
    shard.send(now=TIMEOUT)
    assert len(shard.send((0, 10**9 // STEP + 60, 0), now=TIMEOUT + 1).parked) == 1
