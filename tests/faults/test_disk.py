"""Fill the broker's disk while the stream flows."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.conftest import SEED
from tests.faults.trial import attempt
from tests.faults.world import Stream, World

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

DISK_MB = 400


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system is mounted for it: only as root")
def test_nothing_is_lost_when_the_broker_disk_is_full(tmp_path: Path) -> None:
    """The broker stops when it cannot write; it is started again once there is room."""
    log = tmp_path / "stack" / "kafka" / "log"
    log.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(log)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        with World(tmp_path / "stack") as world:
            stream = Stream(world, "full", f"{SEED}-full")
            stream.publish()
            stream.start()
            world.keep()

            def fill(world: World, stream: Stream) -> str:
                filler = log / "filler"
                # no buffer: what is left in one would fail when it is closed
                with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * 65536)
                time.sleep(20)
                assert shutil.disk_usage(log).free < 65536
                filler.unlink()
                return "no room for the broker for 20 s"

            for _ in range(2):
                attempt(world, [stream], "disk of the broker full, 20 s", fill, SEED)
            assert len([line for line in world.told if "not running: kafka" in line]) >= 2, "it ended both times"
            stream.cancel()
    finally:
        subprocess.run(["umount", "-l", str(log)], check=False)
