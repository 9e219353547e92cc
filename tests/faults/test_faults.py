"""Inject faults while the stream flows and check that nothing is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from eddy.errors import EddyError
from tests.faults.conftest import SEED
from tests.faults.injuries import INJURIES
from tests.faults.trial import attempt
from tests.faults.world import Stream, World
from tests.integration.harness import STEP

pytestmark = pytest.mark.stack

JOBS: Mapping[str, Mapping[str, Any]] = {
    # its last events of each series are held through every fault; with a time-out they would be late after some
    "at-least-once": {"parallelism": 2, "out_of_orderness_ms": 3 * STEP, "hold_timeout_ms": 0},
    "exactly-once": {"transaction_timeout_ms": 120_000},
}
MANY = 4000  # series


class Pair:
    """A job of either delivery for all tries: what each try leaves is what the next one begins with.

    After a try that failed, there are new ones: else all that follow would fail for the same reason.
    """

    def __init__(self, world: World) -> None:
        self.world, self._generation = world, 0
        self._made: list[Stream] = []

    @contextlib.contextmanager
    def use(self, *deliveries: str) -> Iterator[list[Stream]]:
        if not self._made:
            self._generation += 1
            self._made = [self._start(delivery) for delivery in deliveries]
            self.world.keep()
        try:
            yield self._made
        except BaseException:
            broken, self._made = self._made, []
            for stream in broken:
                with contextlib.suppress(EddyError):  # the cluster may be what is broken
                    stream.cancel()
            raise

    def _start(self, delivery: str) -> Stream:
        options = JOBS[delivery]
        name = f"{delivery}{self._generation}"
        stream = Stream(self.world, name, f"{SEED}-{name}", delivery=delivery, **options)
        stream.publish()
        stream.start()
        return stream


@pytest.fixture(scope="module")
def pair(world: World) -> Pair:
    return Pair(world)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", ["kill -9 Python worker", "kill -9 JobManager"])
def test_one_injection_of_a_fault_loses_nothing(pair: Pair, fault: str) -> None:
    with pair.use("at-least-once") as streams:
        attempt(pair.world, streams, fault, INJURIES[fault][0], SEED)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", INJURIES)
def test_repeated_faults_lose_nothing(pair: Pair, fault: str) -> None:
    injury, times = INJURIES[fault]
    for _ in range(times):
        with pair.use(*JOBS) as streams:
            attempt(pair.world, streams, fault, injury, SEED)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", ["kill -9 Python worker", "kill -9 TaskManager"])
def test_faults_with_thousands_of_series_lose_nothing(world: World, fault: str) -> None:
    """So many that state fills several pages of each shard."""
    names = [f"many-{k:04}" for k in range(MANY)]
    seed = f"{SEED}-many-{fault}"
    stream = Stream(world, f"many{len(fault)}", seed, series=names, points=30, per_second=3000, parallelism=2)
    stream.publish()
    stream.start()
    world.keep()
    for _ in range(2):
        attempt(world, [stream], f"{fault}, {MANY:,} series", INJURIES[fault][0], seed)
    stream.cancel()
