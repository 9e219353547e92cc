"""Run a shard without Flink: frames in, decoded records out, state in a dict that survives a restart."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eddy.feedback import Feedback
from eddy.flink_job.operators.shard import Shard
from eddy.flink_job.operators.shard_options import ShardOptions
from eddy.flink_job.operators.steady_clock import SteadyClock
from eddy.flink_job.sinks.base import Sink
from eddy.flink_job.sinks.fan_out import FanOut
from eddy.flink_job.wire.frames import ALERTS, CHECKPOINT, DATA, DLQ, END, EVENTS, FEEDBACK, SCORES, TICK, Records
from eddy.formats import Format
from eddy.models.engine.options import EngineOptions
from eddy.models.serving.model_set import ModelSet
from eddy.settings import Settings
from tests.flink_job.frame_bytes import NOW, Message, frame
from tests.flink_job.test_frames import taken_apart


class State(dict[str, bytes]):
    """Flink's MapState, as far as a shard uses it; remembers the keys that were written since it was last asked."""

    def __init__(self, *entries: Any) -> None:
        super().__init__(*entries)
        self.written: list[str] = []

    def put(self, key: str, value: bytes) -> None:
        self[key] = value
        self.written.append(key)

    def remove(self, key: str) -> None:
        self.pop(key, None)
        self.written.append(key)


@dataclass(frozen=True)
class Sent:
    """One record that a shard sent."""

    role: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]

    @property
    def message(self) -> Any:
        return json.loads(self.value or b"null")


class Memory(Sink):
    """A sink that keeps what it gets, and gives it as pending until it is told that it is delivered."""

    name = "memory"

    def __init__(self, settings: Settings | None = None, argument: str = "") -> None:
        super().__init__(settings or Settings(), argument)
        self.taken: list[tuple[int, str, Any]] = []
        self.undelivered: list[str] = []

    def open(self) -> None:
        pass

    def put(self, shard, alerts=(), live=(), points=(), feedback=()) -> None:
        for kind, items in (("alert", alerts), ("live", live), ("point", points), ("feedback", feedback)):
            self.taken += [(shard, kind, item) for item in items]
        self.undelivered += [f"{alert.id} {alert.state}" for alert in alerts]

    def pending(self, shard: int) -> bytes:
        return "\n".join(self.undelivered).encode()

    def restore(self, shard: int, pending: bytes) -> None:
        self.undelivered = pending.decode().split("\n") + self.undelivered

    def close(self) -> None:
        pass

    def of(self, kind: str) -> list[Any]:
        return [item for _, found, item in self.taken if found == kind]


class Harness:
    """One shard with its state.

    Args:
        models: that it starts with.
        sink, form: as the job would have them.
        state: of an earlier run.
        engine: fields of EngineOptions; other fields are those of ShardOptions.
    """

    def __init__(
        self,
        models: ModelSet,
        sink: Sink | None = None,
        form: Format | None = None,
        state: State | None = None,
        engine: EngineOptions | None = None,
        **fields: Any,
    ) -> None:
        self.models, self.state, self.now = models, State() if state is None else state, NOW
        base: dict[str, Any] = {"max_ahead_ms": 0, "pending_per_series": 100, "mark": True}
        self.options = ShardOptions(0, 16, "eddy.observations", engine=engine or EngineOptions(), **(base | fields))
        sinks = FanOut({sink.name: sink} if sink is not None else {})
        self.elapsed = 0  # ms, by the monotonic clock
        self.shard = Shard(self.options, models, sinks, form=form, clock=SteadyClock(lambda: self.elapsed / 1000))
        self.shard.restore(self.state)

    def send(self, *messages: Message, kind: int = DATA, source: int = 1, **header: int) -> list[Sent]:
        """Hand over one frame; ``source`` is the subtask that it is from, of two unless ``sources`` says otherwise."""
        one, out = frame(*messages, kind=kind, now=self.now, source=source, **header), Records()
        self.state.written.clear()
        self.shard.handle(one, self.state, out)
        return [Sent(role, key, value, headers) for role, _, key, value, headers in taken_apart(out.take())]

    def data(self, *values: float | None, series: str = "s", start: int = 0) -> list[Sent]:
        """Hand over a frame of points of one series, a millisecond apart, from NOW + start on."""
        return self.send(*[observation(series, NOW + start + k, value) for k, value in enumerate(values)])

    def tick(self, ms: int = 1000) -> list[Sent]:
        self.now += ms
        self.elapsed += ms
        return self.send(kind=TICK)

    def step(self, ms: int) -> None:
        """Set the wall clock, in either direction; no time passes."""
        self.now += ms

    def checkpoint(self) -> list[Sent]:
        return self.send(kind=CHECKPOINT)

    def end(self, source: int) -> list[Sent]:
        return self.send(kind=END, source=source)

    def feedback(self, *messages: Feedback | bytes, key: bytes = b"s") -> list[Sent]:
        raw = [one if isinstance(one, bytes) else one.to_json() for one in messages]
        return self.send(*[(key, one) for one in raw], kind=FEEDBACK)

    def restarted(self, models: Callable[[], ModelSet], sink: Sink | None = None) -> Harness:
        """A new process with the state as it was last written."""
        fields = {
            "max_ahead_ms": self.options.max_ahead_ms,
            "pending_per_series": self.options.pending_per_series,
            "mark": self.options.mark,
        }
        return Harness(models(), sink, None, State(self.state), self.options.engine, **fields)


def observation(series: str, ts: int, value: float | None) -> Message:
    return series.encode(), json.dumps({"series": series, "ts": ts, "value": value}).encode()


def of(sent: Sequence[Sent], role: int) -> list[Any]:
    """The messages of a role; of dead letters their headers."""
    return [one.headers if role == DLQ else one.message for one in sent if one.role == role]


__all__ = ["ALERTS", "DLQ", "EVENTS", "NOW", "SCORES", "Harness", "Memory", "Sent", "State", "observation", "of"]
