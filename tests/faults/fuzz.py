"""Messages as they must never come, by the million: mutated in structure and in bytes.

``python -m tests.faults.fuzz --messages 1000000`` sends them through a running job on a stack of its own and counts:
every one is scored or a dead letter, the job does not restart, memory is level. Prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from benchmarks.processes import Watch
from cli.job_targets import submit_locally
from eddy.configuration import Configuration, load
from eddy.connections import librdkafka_client
from eddy.settings import Settings
from eddy.topic_reader import TopicReader
from flink_job.cluster import Cluster
from stack.local import Stack, isolated
from tests.integration import harness

Message = tuple[bytes | None, bytes | None]
SERIES = 50
YEAR_MS = 365 * 86_400_000
LARGE, VERY_LARGE = 100_000, 10_000_000
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
    "s-1 ",
    "S-1",
    "../../x",
    "\ud800",
    "💥",
    "a" * 600,
    "${env:PATH}",
    "%s%n",
]
TIMES: list[Any] = [
    0, -1, 1e18, 2**63, -(2**63), 253402300800000, "2025-01-01T00:00:00Z", "2025-01-01", "yesterday", 1735689600000.5,
    "2025-13-01T00:00:00", "9999-12-31T23:59:59+00:00", True, [1], "１７３５６８９６０００００",
]  # fmt: skip


class Fuzz:
    """A stream of messages from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._ts = dict.fromkeys(range(SERIES), harness.START)
        self._ways: list[Callable[[dict[str, Any]], Message]] = [
            self._field, self._number, self._identity, self._time, self._lacking, self._nested, self._cut, self._key,
            self._encoding, self._twice, self._large, self._shape, self._bytes, self._bytes, self._bytes,
        ]  # fmt: skip

    def messages(self, count: int) -> Iterator[Message]:
        """Half of them sound, half mutated."""
        for number in range(count):
            sound = self._sound()
            if number % VERY_LARGE_EVERY == VERY_LARGE_EVERY // 2:
                yield sound["series"].encode(), _dump({**sound, "note": "x" * VERY_LARGE})
            elif self.rng.random() < 0.5:
                yield sound["series"].encode(), _dump(sound)
            else:
                yield self.rng.choice(self._ways)(sound)

    def _sound(self) -> dict[str, Any]:
        series = self.rng.randrange(SERIES)
        self._ts[series] += self.rng.choice([1000, 1000, 1000, 0, 5000])
        return {"series": f"s-{series}", "ts": self._ts[series], "value": self.rng.gauss(0, 1)}

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
        return self.rng.choice([b"s-1", None]), _dump(sound)

    def _nested(self, sound: dict[str, Any]) -> Message:
        depth = self.rng.choice([3, 300, 20_000])
        opening, closing = self.rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
        inner = opening * depth + b"1" + closing * depth * self.rng.randrange(2)
        return sound["series"].encode(), b'{"series": "s-1", "ts": 1735689600000, "value": %s}' % inner

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
        keys = [None, b"", b"s-1", b"\xff\xfe", b"a" * 5000, sound["series"].encode() + b"\x00"]
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
        if self.rng.random() < 0.95:  # the rest of the time something small: these are slow to send
            return self._field(sound)
        values = {f"f{k}": k for k in range(self.rng.choice([1000, 1500]))}
        more = self.rng.choice([{"note": "x" * LARGE}, {"values": values}, {"series": "s" * LARGE}])
        return sound["series"].encode(), _dump({**sound, **more})

    def _shape(self, sound: dict[str, Any]) -> Message:
        shapes: list[Any] = [[sound], "text", 7, None, [[[]]], {"observation": sound}, list(sound.values())]
        return sound["series"].encode(), _dump(self.rng.choice(shapes))


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def send(settings: Settings, count: int, seed: int) -> int:
    """Send them; returns how many the broker took."""
    options = {**librdkafka_client(settings.kafka), "message.max.bytes": 2 * VERY_LARGE, "linger.ms": 20}
    failed: Counter[str] = Counter()
    producer = Producer(options)
    topic = settings.topics.name("observations")
    for key, value in Fuzz(seed).messages(count):
        while True:
            try:
                producer.produce(topic, key=key, value=value, on_delivery=lambda error, _: _count(failed, error))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush(300)
    assert not failed, failed
    return count


def _count(failed: Counter[str], error: Any) -> None:
    if error is not None:
        failed[str(error)] += 1


def outcome(settings: Settings, cluster: Cluster, job: str, sent: int, seconds: float = 1200) -> dict[str, Any]:
    """Wait until all are through, and account for each."""
    letters: Counter[str] = Counter()
    places: set[tuple[str, str]] = set()
    oversized = 0

    def count() -> int:
        return round(cluster.metrics(job).get("events", 0))

    reader = TopicReader(settings, "dlq")
    try:
        reader.from_start()
        deadline = time.monotonic() + seconds
        while True:
            assert time.monotonic() < deadline, f"{count()} + {oversized} of {sent}: {cluster.failure(job)}"
            for record in reader.to_end():
                headers = {name: value.decode() for name, value in record.headers}
                letters[headers["reason"]] += 1
                places.add((headers["partition"], headers["offset"]))
            oversized = letters["oversized"]
            if count() + oversized >= sent:
                break
            time.sleep(1)
        wanted = cluster.checkpoints(job)["counts"]["completed"] + 2  # then the last letters are out, too
        while cluster.checkpoints(job)["counts"]["completed"] < wanted:
            time.sleep(0.5)
        for record in reader.to_end():
            headers = {name: value.decode() for name, value in record.headers}
            letters[headers["reason"]] += 1
            places.add((headers["partition"], headers["offset"]))
    finally:
        reader.close()
    metrics = cluster.metrics(job)
    bad, late = round(metrics.get("bad", 0)), round(metrics.get("late", 0))
    handled = round(metrics["events"])
    accepted = handled - bad - late
    return {
        "sent": sent, "accepted": accepted, "duplicates": round(metrics.get("duplicate", 0)),
        "letters": letters.total(), "places": len(places), "reasons": dict(letters.most_common()),
        "handled": handled, "bad": bad, "late": late, "windows": round(metrics.get("windows", 0)),
        "restarts": len(cluster.exceptions(job)),
    }  # fmt: skip


def check(found: dict[str, Any]) -> None:
    """Every message is accounted for, once, and nothing restarted."""
    assert found["restarts"] == 0
    assert found["accepted"] + found["letters"] == found["sent"], found
    assert found["letters"] == found["places"], "one letter for each place in the topic"
    assert found["letters"] == found["bad"] + found["late"] + found["reasons"].get("oversized", 0)
    assert found["accepted"] > 0.4 * found["sent"], "sound messages are not thrown away"
    assert found["letters"] > 0.3 * found["sent"], "the mutations do something"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = isolated(load(["stack.dashboard=false", "job.pending_per_series=8"]).settings, Path(folder))
        with Stack(settings, owned=True) as stack:
            harness.publish(settings, harness.model(limit=6.0))
            cluster = Cluster(stack.flink_address)
            job = submit_locally(Configuration(settings, {}))
            watch = Watch(stack)
            began = time.monotonic()
            sent = send(settings, chosen.messages, chosen.seed)
            found = outcome(settings, cluster, job, sent)
            middle = began + (time.monotonic() - began) / 2
            watch.close()
            found |= {
                "seed": chosen.seed,
                "seconds": round(time.monotonic() - began),
                "peak_rss_mb": {name: round(size) for name, size in sorted(watch.peak_mb.items())},
                "rss_mb_per_minute_second_half": {n: round(v, 1) for n, v in watch.mb_per_minute(middle).items()},
            }
    print(json.dumps(found), flush=True)
    check(found)


if __name__ == "__main__":
    main()
