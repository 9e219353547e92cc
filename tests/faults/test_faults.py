"""Something breaks while the stream flows; afterwards everything is as if it had not."""

from __future__ import annotations

import pytest

from tests.faults.conftest import SEED
from tests.faults.injuries import INJURIES
from tests.faults.trial import attempt
from tests.faults.world import Stream, World

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def stream(world: World) -> Stream:
    """One job for all tries, at least once; what each try leaves is what the next one begins with."""
    stream = Stream(world, "atleast", f"{SEED}-at-least-once", parallelism=2)
    stream.publish()
    stream.start()
    world.keep()
    return stream


@pytest.fixture(scope="module")
def exact(world: World) -> Stream:
    """The same in exactly-once mode."""
    stream = Stream(world, "exact", f"{SEED}-exactly-once", delivery="exactly-once", transaction_timeout_ms=120_000)
    stream.publish()
    stream.start()
    world.keep()
    return stream


@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", ["kill -9 Python worker", "kill -9 JobManager"])
def test_two_faults_of_the_full_run(world: World, stream: Stream, fault: str) -> None:
    attempt(world, [stream], fault, INJURIES[fault][0], SEED)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", INJURIES)
def test_faults(world: World, stream: Stream, exact: Stream, fault: str) -> None:
    injury, times = INJURIES[fault]
    for _ in range(times):
        attempt(world, [stream, exact], fault, injury, SEED)
