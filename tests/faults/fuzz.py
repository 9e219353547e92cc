"""Generate messages that break the format, by the million: mutated in structure and in bytes.

``python -m tests.faults.fuzz --messages 1000000`` sends them through a running job on a stack of its own and counts:
every message is scored or a dead letter, the job does not restart, memory is level. Prints a line of JSON. All codecs
of Kafka, sizes of up to 100 MB after decompression, odd keys, headers and Kafka timestamps are among them; a hundredth
of the number goes to each of the other input topics (:mod:`tests.faults.fuzz_topics`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPlace

from benchmarks.measuring.memory import Memory
from eddy.configuration import Configuration, load
from eddy.connections import kafka_client, librdkafka_client
from eddy.flink_job.client.cluster import Cluster
from eddy.ops.job_targets import submit_locally
from eddy.settings import Settings
from eddy.stack.local import Stack, isolated
from tests.integration import harness

Message = tuple[bytes | None, bytes | None]
SERIES = 50  # of each kind
SOUND, MUTATED = "s", "m"
YEAR_MS = 365 * 86_400_000
LARGE, VERY_LARGE = 100_000, (10_000_000, 40_000_000, 100_000_000)
COLLECT_EVERY_SECONDS = 10.0
VERY_LARGE_EVERY = 50_000  # messages: 200 MB of them in a million
ODD: list[Any] = [
    None, True, False, 0, -1, 1e308, -1e308, 5e-324, 10**30, -(10**400), "", "1", "NaN", [], {}, [1], {"a": 1}, [[]],
]  # fmt: skip
RAW = [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"0x10", b"01", b"1.", b".5", b"+1", b"1e", b"\xff", b"'a'"]
IDS = [
    "",
    " ",
    "\x00",
    "a\nb",
    "\u202e",
    "é" * 300,
    "m-1 ",
    "M-1",
    "../../x",
    "\ud800",
    "💥",
    "a" * 600,
    "${env:PATH}",
    "%s%n",
]
HEADERS: list[list[tuple[str, bytes | None]]] = [
    [("trace", b"1")],
    [("", b"")],
    [("reason", b"late"), ("eddy.cut.value", b"\x00" * 36)],
    [("h" * 5000, None)],
    [(f"h{k}", b"\xff" * 9) for k in range(500)],
    [("large", b"x" * 100_000)],
]
TIMES: list[Any] = [
    0, -1, 1e18, 2**63, -(2**63), 253402300800000, "2025-01-01T00:00:00Z", "2025-01-01", "yesterday", 1735689600000.5,
    "2025-13-01T00:00:00", "9999-12-31T23:59:59+00:00", True, [1], "１７３５６８９６０００００",
]  # fmt: skip


class Fuzz:
    """Generate a stream of messages from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._ts = {f"{kind}-{number}": harness.START for kind in (SOUND, MUTATED) for number in range(SERIES)}
        self._ways: list[Callable[[dict[str, Any]], Message]] = [
            self._field, self._number, self._identity, self._time, self._lacking, self._nested, self._cut, self._key,
            self._encoding, self._twice, self._large, self._shape, self._bytes, self._bytes, self._bytes,
        ]  # fmt: skip

    def messages(self, count: int) -> Iterator[Message]:
        """Yield half valid, half mutated messages of other series: a wrong time makes all later points late."""
        for number in range(count):
            mutated = self.rng.random() < 0.5
            sound = self._sound(MUTATED if mutated else SOUND)
            if number % VERY_LARGE_EVERY == VERY_LARGE_EVERY // 2:
                yield b"m-1", _dump({**sound, "series": "m-1", "note": "x" * self.rng.choice(VERY_LARGE)})
            elif mutated:
                yield self.rng.choice(self._ways)(sound)
            else:
                yield sound["series"].encode(), _dump(sound)

    def _sound(self, kind: str) -> dict[str, Any]:
        series = f"{kind}-{self.rng.randrange(SERIES)}"
        self._ts[series] += self.rng.choice([1000, 1000, 1000, 0, 5000])
        return {"series": series, "ts": self._ts[series], "value": self.rng.gauss(0, 1)}

    def _field(self, sound: dict[str, Any]) -> Message:
        name = self.rng.choice(["series", "ts", "value", "values", "schema"])
        return sound["series"].encode(), _dump({**sound, name: self.rng.choice(ODD)})

    def _number(self, sound: dict[str, Any]) -> Message:
        raw = self.rng.choice(RAW)
        text = b'{"series": "%s", "ts": %d, "value": %s}' % (sound["series"].encode(), sound["ts"], raw)
        return sound["series"].encode(), text

    def _identity(self, sound: dict[str, Any]) -> Message:
        series = self.rng.choice(IDS)
        return series.encode("utf-8", "surrogatepass"), _dump({**sound, "series": series})

    def _time(self, sound: dict[str, Any]) -> Message:
        times = [*TIMES, sound["ts"] + 2 * YEAR_MS, sound["ts"] - YEAR_MS]
        return sound["series"].encode(), _dump({**sound, "ts": self.rng.choice(times)})

    def _lacking(self, sound: dict[str, Any]) -> Message:
        del sound[self.rng.choice(list(sound))]
        return self.rng.choice([b"m-1", None]), _dump(sound)

    def _nested(self, sound: dict[str, Any]) -> Message:
        depth = self.rng.choice([3, 300, 20_000])
        opening, closing = self.rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
        inner = opening * depth + b"1" + closing * depth * self.rng.randrange(2)
        return sound["series"].encode(), b'{"series": "m-1", "ts": 1735689600000, "value": %s}' % inner

    def _bytes(self, sound: dict[str, Any]) -> Message:
        content = bytearray(_dump(sound))
        for _ in range(self.rng.randint(1, 4)):
            at = self.rng.randrange(len(content))
            match self.rng.randrange(3):
                case 0:
                    content[at] = self.rng.randrange(256)
                case 1:
                    del content[at]
                case _:
                    content.insert(at, self.rng.randrange(256))
        return sound["series"].encode(), bytes(content)

    def _cut(self, sound: dict[str, Any]) -> Message:
        content = _dump(sound)
        return sound["series"].encode(), content[: self.rng.randrange(len(content))] or None

    def _key(self, sound: dict[str, Any]) -> Message:
        keys = [None, b"", b"m-1", b"\xff\xfe", b"a" * 5000, sound["series"].encode() + b"\x00"]
        if self.rng.random() < 0.001:
            keys = [b"k" * LARGE, b"k" * VERY_LARGE[0]]
        return self.rng.choice(keys), _dump(sound)

    def _encoding(self, sound: dict[str, Any]) -> Message:
        text = json.dumps(sound)
        encodings = ["utf-16", "utf-32", "utf-8-sig", "cp037", "utf-7"]
        return sound["series"].encode(), text.encode(self.rng.choice(encodings))

    def _twice(self, sound: dict[str, Any]) -> Message:
        content = _dump(sound)
        doubled = content[:-1] + b', "value": 7, "ts": "x"}'
        return sound["series"].encode(), self.rng.choice([content * 2, content + b"\n" + content, doubled])

    def _large(self, sound: dict[str, Any]) -> Message:
        if self.rng.random() < 0.95:  # the rest of the time something small, since these are slow to send
            return self._field(sound)
        values = {f"f{k}": k for k in range(self.rng.choice([1000, 1500]))}
        more: dict[str, Any] = self.rng.choice([{"note": "x" * LARGE}, {"values": values}, {"series": "s" * LARGE}])
        return sound["series"].encode(), _dump({**sound, **more})

    def _shape(self, sound: dict[str, Any]) -> Message:
        shapes: list[Any] = [[sound], "text", 7, None, [[[]]], {"observation": sound}, list(sound.values())]
        return sound["series"].encode(), _dump(self.rng.choice(shapes))


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()


class Sender:
    """Send messages with one producer for each codec, in turn; odd timestamps and headers with mutated ones."""

    def __init__(self, settings: Settings, seed: int = 1) -> None:
        size = {"message.max.bytes": 2 * VERY_LARGE[-1], "linger.ms": 20, "queue.buffering.max.kbytes": 1_000_000}
        common = {**librdkafka_client(settings.kafka), **size}
        self._producers = [Producer({**common, "compression.type": codec}) for codec in harness.CODECS]
        self._rng = random.Random(seed)
        self._failed: Counter[str] = Counter()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        for producer in self._producers:
            producer.flush(300)
        assert not self._failed, self._failed

    def send(self, topic: str, key: bytes | None, value: bytes | None, odd: bool = False) -> None:
        """Send one message; a series keeps its codec, since each producer has an order of its own."""
        large = len(key or b"") + len(value or b"") > LARGE
        number = 4 if large else zlib.crc32(key or b"") % len(harness.CODECS)  # zstd: 64 MB as it is
        more: dict[str, Any] = {}
        if odd and self._rng.random() < 0.1:
            more["headers"] = self._rng.choice(HEADERS)
        if odd and self._rng.random() < 0.02:
            more["timestamp"] = self._rng.choice([1, 2, harness.START, 1_000_000_000_000])
        while True:
            try:
                self._producers[number].produce(topic, key=key, value=value, on_delivery=self._note, **more)
                break
            except BufferError:
                self._producers[number].poll(0.1)
        self._producers[number].poll(0)

    def _note(self, error: Any, _: Any) -> None:
        if error is not None:
            self._failed[str(error)] += 1


def send(settings: Settings, count: int, seed: int) -> int:
    """Send the messages; return how many the broker accepted."""
    topic = settings.topics.name("observations")
    with Sender(settings, seed) as sender:
        for key, value in Fuzz(seed).messages(count):
            sender.send(topic, key, value, odd=not (key or b"").startswith(b"s-"))
    return count


def outcome(settings: Settings, cluster: Cluster, job: str, sent: int, seconds: float = 1200) -> dict[str, Any]:
    """Wait until a checkpoint covers all messages, and account for each."""
    deadline = time.monotonic() + seconds
    while not covered(settings):
        assert time.monotonic() < deadline, f"{cluster.metrics(job)}: {cluster.failure(job)}"
        time.sleep(1)
    reasons: Counter[str] = Counter()
    places: set[tuple[bytes, bytes]] = set()
    sound = 0
    for record in dead_letters(settings):
        headers = dict(record.headers())
        reasons[headers["reason"].decode()] += 1
        places.add((headers["partition"], headers["offset"]))
        sound += (record.key() or b"").startswith(b"s-")
    while (metrics := cluster.metrics(job)).get("events", 0) + reasons["oversized"] < sent:
        assert time.monotonic() < deadline, f"{metrics} and {reasons} of {sent}"
        time.sleep(0.5)  # dead letters come a second or two later
    bad, late = round(metrics.get("bad", 0)), round(metrics.get("late", 0))
    return {
        "sent": sent, "accepted": round(metrics["events"]) - bad - late, "letters": reasons.total(),
        "letters_of_sound_series": sound, "places": len(places), "reasons": dict(reasons.most_common()),
        "bad": bad, "late": late, "duplicates": round(metrics.get("duplicate", 0)),
        "windows": round(metrics.get("windows", 0)), "restarts": len(cluster.exceptions(job)),
    }  # fmt: skip


def covered(settings: Settings) -> bool:
    """Return whether a checkpoint of the job covers the whole topic: then its dead letters are written, too."""
    group = {"group_id": settings.job.name, "enable_auto_commit": False}
    with contextlib.closing(KafkaConsumer(**kafka_client(settings.kafka), **group)) as consumer:
        topic = settings.topics.name("observations")
        places = [KafkaPlace(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        ends = consumer.end_offsets(places)
        return all((consumer.committed(place) or 0) >= end for place, end in ends.items())


def dead_letters(settings: Settings) -> Iterator[Any]:
    """Read all dead letters, by librdkafka, since there may be a million."""
    topic = settings.topics.name("dlq")
    options = {**librdkafka_client(settings.kafka), "group.id": "fuzz", "enable.auto.commit": False}
    with contextlib.closing(Consumer(options)) as consumer:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        consumer.assign([TopicPartition(topic, 0, 0)])
        read = 0
        while read < end:
            for message in consumer.consume(10_000, timeout=1.0):
                assert message.error() is None, message.error()
                read = message.offset() + 1
                yield message


def check(found: dict[str, Any]) -> None:
    """Check that every message is accounted for, once, and that nothing restarted."""
    assert found["restarts"] == 0
    assert found["accepted"] + found["letters"] == found["sent"], found
    assert found["letters"] == found["places"], "one letter for each place in the topic"
    assert found["letters"] == found["bad"] + found["late"] + found["reasons"].get("oversized", 0)
    assert found["letters_of_sound_series"] == 0, "no sound message is thrown away"
    assert found["accepted"] > 0.45 * found["sent"]
    assert found["letters"] > 0.3 * found["sent"], "the mutations do something"


def main() -> None:
    from tests.faults import fuzz_topics  # it uses what is here

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = isolated(load(["stack.dashboard=false", "job.max_pending_per_series=8"]).settings, Path(folder))
        with Stack(settings, owned=True) as stack:
            harness.publish(settings, harness.model(limit=6.0))
            cluster = Cluster(stack.flink_address)
            job = submit_locally(Configuration(settings, {}))
            memory = Memory(stack.folder, COLLECT_EVERY_SECONDS)
            began = time.monotonic()
            others = chosen.messages // 100
            fuzz_topics.send(settings, others, chosen.seed)
            sent = send(settings, chosen.messages, chosen.seed)
            found = outcome(settings, cluster, job, sent)
            found["others"] = fuzz_topics.outcome(settings, others)
            seconds = round(time.monotonic() - began)
            memory.close()
            found |= {"seed": chosen.seed, "seconds": seconds, "memory_mb": memory.figures()}
    print(json.dumps(found), flush=True)
    check(found)
    fuzz_topics.check(found["others"], others)


if __name__ == "__main__":
    main()
