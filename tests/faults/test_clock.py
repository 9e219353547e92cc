"""Step the wall clock of the workers while the stream flows."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from eddy.settings import Settings
from eddy.stack import local
from eddy.stack.process import Launch
from tests.faults.conftest import SEED
from tests.faults.trial import attempt
from tests.faults.world import Stream, World

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

STEPS = (3600, -3600, 86_400, -60)  # seconds away from the machine's clock, one after the other
BETWEEN_SECONDS = 5

Step = Callable[[int], None]


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> tuple[Step, Mapping[str, str]]:
    """Return what sets the clock, by seconds from the machine's, and the variables of processes that follow it."""
    assert shutil.which("cc"), "a C compiler is missing: apt-get install gcc libc6-dev"
    folder = tmp_path_factory.mktemp("clock")
    library, offset = folder / "clock.so", folder / "offset"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    offset.write_bytes(struct.pack("q", 0))

    def step(seconds: int) -> None:
        with offset.open("r+b") as file:  # in place: the processes have it in their memory
            file.write(struct.pack("q", seconds * 10**9))

    return step, {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, clock: tuple[Step, Mapping[str, str]]) -> Iterator[World]:
    """Start a stack whose TaskManager, and so its Python workers, follow the stepped clock."""
    plain, problem = local.SERVICES["flink"]

    def launches(settings: Settings, folder: Path) -> list[Launch]:
        found = plain(settings, folder)
        return [replace(one, env={**one.env, **clock[1]}) if "taskmanager" in one.name else one for one in found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(local.SERVICES, "flink", (launches, problem))
        with World(tmp_path_factory.mktemp("clock-stack")) as world:
            yield world


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_steps_of_the_clock_stop_and_forget_nothing(
    world: World, clock: tuple[Step, Mapping[str, str]], delivery: str
) -> None:
    step, _ = clock
    stream = Stream(world, f"clock-{delivery}", f"{SEED}-clock-{delivery}", delivery=delivery)

    def steps(world: World, stream: Stream) -> str:
        for seconds in STEPS:
            step(seconds)
            time.sleep(BETWEEN_SECONDS)
        step(0)
        return f"clock of the workers off by {', '.join(f'{seconds:+d}' for seconds in STEPS)} s"

    stream.publish()
    stream.start()
    for _ in range(2):
        attempt(world, [stream], "clock of the workers steps by up to a day", steps, SEED)
    stream.cancel()
    tomorrow = time.strftime("%Y-%m-%d", time.localtime(time.time() + max(STEPS)))
    assert f"\n{tomorrow}" in (world.stack.folder / "logs" / "taskmanager-1.log").read_text(), "the clock did step"
