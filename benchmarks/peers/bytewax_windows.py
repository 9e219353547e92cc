"""Fold raw events into intervals of a minute on Bytewax, with its ``fold_window``, ``EventClock`` and recovery store.

    python -m bytewax.run benchmarks.peers.bytewax_windows:flow -r RECOVERY -s 10 -i I -a ADDRESSES (PEER_CONFIG=FILE)

Two kinds: ``event`` is what its documentation teaches, one item per event. ``batch`` folds the events of one poll by
host and minute first (``flat_map_batch``), so that windows get a few items instead of each event. Two documented
options make both faster: ``ordered=False``, as its own ``count_window`` has it, and a clock that wakes no window by
system time, since the events are from the past and newer ones close the windows.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from confluent_kafka import OFFSET_BEGINNING

from benchmarks.peers.config import Config
from benchmarks.peers.totals import FOLDS, GRACE, MINUTE

POLL_MESSAGES = 10_000

config = Config.read(os.environ["PEER_CONFIG"])
fold = FOLDS[config.form]
epoch = datetime.fromtimestamp(0, UTC)
Part = tuple[int, Any]  # newest event time in s, and what was folded


def by_host(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, dict[str, Any]]:
    """Parse one event."""
    event = orjson.loads(message.value)
    return event["host"], event


def by_host_and_minute(messages: list[KafkaSourceMessage[bytes, bytes]]) -> list[tuple[str, Part]]:
    """Parse the events of one poll; fold those of a host and minute into one item."""
    parts: dict[tuple[str, int], Part] = {}
    for message in messages:
        event = orjson.loads(message.value)
        at = event["at"]
        key = event["host"], at * 1000 // MINUTE
        newest, state = parts.get(key) or (at, fold.empty())
        parts[key] = max(newest, at), fold.add(state, event)
    return [(host, part) for (host, _), part in parts.items()]


def encoded(found: tuple[str, tuple[int, Any]]) -> KafkaSinkMessage[bytes, bytes]:
    host, (number, state) = found
    value = {"host": host, "w": number * MINUTE} | fold.result(state)
    return KafkaSinkMessage(host.encode(), orjson.dumps(value))


def clock(seconds: Any) -> win.EventClock[Any]:
    return win.EventClock(
        ts_getter=lambda item: datetime.fromtimestamp(seconds(item), UTC),
        wait_for_system_duration=timedelta(milliseconds=GRACE),
        to_system_utc=lambda _: None,
    )


flow = Dataflow("eddy-peer-intervals")
source: Any = KafkaSource(
    [config.bootstrap], [config.topic], tail=False, starting_offset=OFFSET_BEGINNING, batch_size=POLL_MESSAGES,
    add_config={"fetch.queue.backoff.ms": "10"},  # as in the plain loop: otherwise it pauses for a second now and then
)  # fmt: skip
messages = op.input("events", flow, source)
minutes = win.TumblingWindower(length=timedelta(milliseconds=MINUTE), align_to=epoch)
if config.kind == "batch":
    parts = op.flat_map_batch("parts", messages, by_host_and_minute)
    windows = win.fold_window(
        "minutes", parts, clock(lambda part: part[0]), minutes,
        fold.empty, lambda state, part: fold.merge(state, part[1]), fold.merge, ordered=False,
    )  # fmt: skip
else:
    events = op.map("parse", messages, by_host)
    windows = win.fold_window(
        "minutes", events, clock(lambda event: event["at"]), minutes, fold.empty, fold.add, fold.merge, ordered=False
    )
op.output("results", op.map("encode", windows.down, encoded), KafkaSink([config.bootstrap], config.alerts))
