"""Check the clocks in frames of the JVM: ``jvm/…/FrameClocksTest.java`` writes what is sent in 17 seconds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from eddy.connection_settings import SchemaRegistrySettings
from eddy.flink_job.graph.input_plan import plan
from eddy.flink_job.wire.frames import CHECKPOINT, DATA, TICK, Frame, read_frame
from eddy.flink_job.wire.parsing import series_names, shard_of
from eddy.flink_job.wire.raw_events import read_raw
from eddy.input_settings import InputSource
from eddy.inputs.mapping import Mapping

NOW = 1_735_689_600_000
NONE = -(1 << 63)
WEB, SLOW = 3, 5  # numbers of sources
SOURCES = {
    f"input.{WEB}": {"topics": "web", "aggregate": {"every": "1m", "values": {"ms": "sum of ms", "n": "count of x"}}},
    f"input.{SLOW}": {"topics": "slow", "format": "csv"},
}


def write_clocked_plan(folder: Path) -> None:
    """Write the plan of two sources, of which Python reads one."""
    mappings = {name: Mapping(InputSource.model_validate(source), name=name) for name, source in SOURCES.items()}
    (folder / "clocked-plan.json").write_text(plan(mappings, SchemaRegistrySettings()))


def check_clocks(folder: Path) -> None:
    """Check all that was sent in both clusters."""
    for cluster in (0, 1):
        sent = list(_sent((folder / f"clocked-{cluster}").read_bytes()))
        kinds = {frame.kind for _, frame in sent}
        assert kinds == ({DATA, TICK, CHECKPOINT} if cluster == 0 else {DATA, CHECKPOINT})
        assert [frame.checkpoint for _, frame in sent if frame.kind == CHECKPOINT] == [9] * 4
        assert {frame.cluster(2) for _, frame in sent} == {cluster}
        _check_watermarks(sent, cluster)
        _check_events(sent)
        for shard in range(4):
            _check_shard([(at, frame) for at, frame in sent if frame.shard == shard])


def _sent(data: bytes) -> Iterator[tuple[int, Frame]]:
    at = 0
    while at < len(data):
        ms, length = struct.unpack_from("<ii", data, at)
        at += 8 + length
        yield ms, read_frame(data[at - length : at])


def _check_watermarks(sent: list[tuple[int, Frame]], cluster: int) -> None:
    held = NOW - 5_000 + 7_000
    for at, frame in sent:
        clocks = {number: rest for number, *rest in frame.clocks}
        # what leaves while a record is taken has the clocks of the last flush
        assert set(clocks) == {WEB} | ({-1} if cluster == 0 else set())
        watermark, last, active = clocks[WEB]
        if at <= 1_000:
            assert (watermark, last, active) == (NONE, NONE, True), at
            continue
        assert active
        newest = NOW - 5_000 + min(at, 12_900)
        if at < 6_000:
            assert watermark == NONE, "at first another partition may come"
        elif at <= 7_000 or at > 12_100:
            assert newest - 150 <= watermark <= newest, at
        elif at < 12_000:
            assert watermark == held, (at, "while Python reads a record")
        assert NOW + min(at, 12_900) - 150 <= last <= NOW + at
        if cluster == 0 and at > 2_000 + 5_050:
            assert clocks[-1][0] == NOW + 2_000
            assert clocks[-1][2] == (at < 2_000 + 10_000), at


def _check_events(sent: list[tuple[int, Frame]]) -> None:
    times, numbers = [], []
    for _, frame in sent:
        events = frame.of_topics({"web"})
        codes, ts, values = read_raw(frame, events, 2)
        assert {series_names(frame)[code] for code in codes} <= {"s"}
        assert not len(events) or frame.shard == shard_of("s", 4)
        times += ts.tolist()
        numbers += values.tolist()
    assert times == [NOW - 5_000 + at for at in range(1_000, 13_000, 100)]
    assert np.array_equal(numbers, [[at, np.nan] for at in range(1_000, 13_000, 100)], equal_nan=True)


def _check_shard(sent: list[tuple[int, Frame]]) -> None:
    """Check that a shard hears of changed clocks every second, and of no event behind them."""
    heard = [at for at, frame in sent if frame.clocks]
    assert heard[0] <= 2_100
    assert max(after - before for before, after in pairwise([at for at in heard if at < 13_500])) <= 1_100
    watermark = NONE
    for _, frame in sent:
        _, ts, _ = read_raw(frame, frame.of_topics({"web"}), 2)
        assert (ts > watermark).all()
        watermark = next((clock[1] for clock in frame.clocks if clock[0] == WEB), NONE)
