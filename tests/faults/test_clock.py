"""Step the wall clock of the workers while the stream flows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import SEED
from tests.faults.trial import attempt
from tests.faults.world import Stream, World

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

STEPS = (3600, -3600, 86_400, -60)  # seconds away from the machine's clock, one after the other
LIBRARIES = "/usr/lib"


@pytest.fixture(scope="module")
def offset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that says how far the clock of the TaskManager and its workers is off."""
    path = tmp_path_factory.mktemp("clock") / "offset"
    path.write_text("+0")
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, offset: Path) -> Iterator[World]:
    library = next(Path(LIBRARIES).glob("*/faketime/libfaketimeMT.so.1"), None)
    assert library, "libfaketime is missing: apt-get install faketime"
    variables = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",  # seconds; without a cache each look at the clock reads the file
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with World(tmp_path_factory.mktemp("clock-stack"), workers=variables) as world:
        yield world


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_steps_of_the_clock_stop_and_forget_nothing(world: World, offset: Path, delivery: str) -> None:
    def step(world: World, stream: Stream) -> str:
        for seconds in STEPS:
            offset.write_text(f"{seconds:+d}")
            time.sleep(5)
        offset.write_text("+0")
        return f"clock of the workers off by {', '.join(f'{seconds:+d}' for seconds in STEPS)} s"

    stream = Stream(world, f"clock-{delivery}", f"{SEED}-clock-{delivery}", delivery=delivery)
    stream.publish()
    stream.start()
    attempt(world, [stream], "clock of the workers steps by up to a day", step, SEED)
    stream.cancel()
