"""Break what a recovery needs: the transactions of a commit, the newest checkpoint, the store of artifacts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from eddy.ops.job_checkpoints import complete_checkpoints
from tests.faults import record
from tests.faults.conftest import SEED
from tests.faults.injuries import kill_worker, pid_of
from tests.faults.trial import attempt
from tests.faults.world import Stream, World
from tests.integration import harness
from tests.integration.harness import until
from tests.models.artifact_server import ArtifactServer, body, status

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

TRANSACTION_MS = 15_000
BROKER_LOOKS_SECONDS = 10  # after which the broker ends transactions that have lasted too long, at the latest
OUTAGES = 3


def crash(world: World, wait: Callable[[], None] = lambda: None) -> None:
    """``kill -9`` Flink's parts, as soon as ``wait`` returns; nothing starts them again until ``world.keep``."""
    world.unkeep()
    pids = [pid_of(world, service) for service in ("taskmanager", "jobmanager")]
    wait()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", range(OUTAGES))
def test_alerts_lost_by_an_outage_longer_than_their_transactions_are_told(world: World, number: int) -> None:
    """The job ends between the two steps of a commit; when it is back, the broker has ended the transaction."""
    seconds = TRANSACTION_MS / 1000 + BROKER_LOOKS_SECONDS + 5
    stream = Stream(
        world, f"outage{number}", f"{SEED}-outage{number}",
        delivery="exactly-once", transaction_timeout_ms=TRANSACTION_MS, checkpoint_interval_ms=15_000,
    )  # fmt: skip

    def outage(world: World, stream: Stream) -> str:
        kill_within_a_commit(world, stream)
        time.sleep(seconds)
        world.keep()
        return f"Flink away for {seconds:g} s"

    stream.publish()
    stream.start()
    try:
        attempt(world, [stream], "outage longer than the transactions", outage, SEED)
    except AssertionError as missing:  # alerts, or dead letters only
        told = until(lambda: world.cluster.transactions_lost(stream.job), f"told that {missing}", 60)
        record.note(
            "outage longer than the transactions, alerts lost and reported (exactly once)", SEED, recovery=None,
            events=len(stream.observations), expected=0, seen=0, doubled=0, what=str(missing), told=told,
        )  # fmt: skip
    stream.cancel()


def kill_within_a_commit(world: World, stream: Stream) -> None:
    """End Flink when a checkpoint is complete that holds alerts whose transaction is still open."""
    settings = stream.settings

    def written_and_not_committed() -> bool:
        return len(harness.read(settings, "alerts")) > len(harness.read(settings, "alerts", "read_committed"))

    until(written_and_not_committed, "alerts of an open transaction")
    folder = world.stack.folder / "flink" / "checkpoints" / stream.job

    def next_checkpoint() -> None:
        before, limit = set(folder.glob("chk-*/_metadata")), time.monotonic() + 60
        while not set(folder.glob("chk-*/_metadata")) - before:  # no pause: the second step follows in milliseconds
            assert time.monotonic() < limit, "a checkpoint"

    crash(world, next_checkpoint)


def cut_short(path: Path) -> None:
    """Leave the first half, as a full disk does."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    """Leave nothing, as a machine that crashed before the file was written may."""
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_short, emptied])
def test_job_goes_on_from_the_checkpoint_before_a_damaged_one(world: World, damage: Callable[[Path], None]) -> None:
    stream = Stream(world, f"damaged{damage.__name__}", f"{SEED}-{damage.__name__}")

    def injure(world: World, stream: Stream) -> str:
        job = stream.job
        until(lambda: len(complete_checkpoints(world.stack, job)) > 1, "two checkpoints")
        crash(world)
        newest = Path(unquote(urlsplit(complete_checkpoints(world.stack, job)[0]).path))
        damage(newest / "_metadata")
        world.keep()
        return f"{newest.name}/_metadata {damage.__name__}"

    stream.publish()
    stream.start()
    attempt(world, [stream], f"newest checkpoint {damage.__name__.replace('_', ' ')}", injure, SEED)
    stream.cancel()


def test_store_of_artifacts_is_away_while_workers_start(world: World, tmp_path: Path) -> None:
    """New versions and restarted workers fetch their artifact when it is back; until then events wait."""
    store = ArtifactServer(tmp_path)
    stream = Stream(world, "store", f"{SEED}-store", uri=store.at("/z"), max_pending_per_series=10_000)
    registry = {"registry": store.settings(fetch_timeout_ms=2000)}
    stream.settings = stream.settings.model_copy(update=registry)
    stream.by_proxy = stream.by_proxy.model_copy(update=registry)
    there = body(stream.model.inline_artifact() or b"")

    def away(world: World, stream: Stream) -> str:
        store.answers["/z"] = status(503)
        kill_worker(world, stream)
        time.sleep(20)
        store.answers["/z"] = there
        return "store of artifacts away for 20 s, kill -9 Python worker"

    store.answers["/z"] = there
    try:
        stream.publish()
        stream.start()
        for _ in range(2):
            attempt(world, [stream], "store of artifacts away, kill -9 Python worker", away, SEED)
        stream.cancel()
    finally:
        store.close()
