"""Generate broken messages for the input topics beside the observations: models, feedback, training, figures, labels.

The job reads models and feedback, the trainer requests and figures; all of them are read here as those do.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from eddy.errors import DataError
from eddy.feedback import Feedback
from eddy.learning_settings import LearningSettings
from eddy.settings import Settings
from eddy.topic_reader import whole_topic
from eddy.training.registry.registry import Registry
from eddy.training.trainer.rollout_monitor import RolloutWatch
from eddy.training_request import TrainingRequest
from tests.faults import fuzz
from tests.integration import harness

ROLES = ("models", "feedback", "training", "figures", "labels")
LARGE_EVERY = 500  # messages of a topic
LARGEST = 20_000_000


def sound(role: str) -> dict[str, Any]:
    """Return a message of a topic that can be used."""
    if role == "models":
        return json.loads(harness.model("fuzzed").to_json())
    if role == "feedback":
        one = Feedback("0" * 16, "m-1", "z", "dismiss", "fuzz", ts=1, start=harness.START, end=harness.START + 1)
        return json.loads(one.to_json())
    if role == "training":
        return json.loads(TrainingRequest("fuzzed", "drift", 1, {"m-1": harness.START}).to_json())
    if role == "figures":
        return {"schema": 1, "ts": 1, "model": "z", "version": 1, "shard": 0, "windows": 9, "alarms": 1, "silent": 0}
    return {"schema": 1, "series": "m-1", "start": harness.START, "end": harness.START + 1, "kind": "spike"}


def messages(role: str, count: int, seed: int) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Yield (key, value): each field of a sound message in turn holds what it should not."""
    rng = random.Random(f"{role} {seed}")
    whole = sound(role)
    key = {"feedback": b"m-1", "labels": b"m-1"}.get(role, b"fuzzed")
    odd = [*fuzz.ODD, *fuzz.IDS, *fuzz.TIMES, 1e18, 2**70, "\ud800" * 9, [["x"] * 9] * 9, {"\ud800": "\x00"}]
    for number in range(count):
        fields = {**whole, rng.choice(list(whole)): rng.choice(odd)}
        content = bytearray(json.dumps(fields).encode())
        name: bytes | None = rng.choice([key, key, key, b"", None, b"\xff\xed\xa0\x80", b"k" * 2000, b"a\nb"])
        value: bytes | None = bytes(content)
        if number % LARGE_EVERY == LARGE_EVERY // 2:
            name, value = rng.choice([(key, b"x" * LARGEST), (b"x" * LARGEST, value)])
        elif rng.random() < 0.3:
            del content[rng.randrange(len(content)) :]
            value = rng.choice(
                [bytes(content), bytes(content).replace(b"1", b"1e999"), b"\xff" + content, b"[" * 50_000]
            )
        if role == "models" and name is None:
            name = b""  # a compacted topic takes no message without a key
        yield name, value or (b"" if role == "models" else None)  # a tombstone withdraws a model: no mutation


def send(settings: Settings, count: int, seed: int) -> None:
    """Send messages to each of the topics, in all codecs."""
    with fuzz.Sender(settings) as sender:
        for role in ROLES:
            for key, value in messages(role, count, seed):
                sender.send(settings.topics.name(role), key, value)


def outcome(settings: Settings, count: int, seconds: float = 300) -> dict[str, Any]:
    """Wait until the job has told of every message of feedback, and read the other topics as the trainer does."""
    told: Counter[str] = Counter()

    def all_told() -> bool:
        told.clear()
        told.update(json.loads(record.value)["event"] for record in whole_topic(settings, "events"))
        return told["feedback-refused"] + told["feedback-taken"] >= count

    harness.until(all_told, f"events of {count} messages of feedback", seconds)
    watch = RolloutWatch(Registry(settings), LearningSettings(), lambda *_, **__: None)
    refused = 0
    for record in whole_topic(settings, "training"):
        try:
            TrainingRequest.from_json(record.value or b"")
        except DataError:
            refused += 1
    for record in whole_topic(settings, "figures"):
        watch.take(record.value)
    read = {role: sum(1 for _ in whole_topic(settings, role)) for role in ROLES}
    return {"events": dict(told.most_common()), "requests_refused": refused, "read": read}


def check(found: dict[str, Any], count: int) -> None:
    """Check that every message was read, and that the mutations did something."""
    assert all(read == count for role, read in found["read"].items() if role not in ("models", "figures")), found
    assert found["events"]["feedback-refused"] + found["events"].get("feedback-taken", 0) == count, found
    assert found["events"]["model-refused"] > 0.2 * count, found
    assert found["requests_refused"] > 0.2 * count, found
