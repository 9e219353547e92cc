"""Queue messages for a store that may be away, and remember those that it has taken but may yet forget."""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from eddy.alert import Alert
from eddy.feedback import Feedback
from eddy.models.engine.state.codec import pack_text, unpack_text

log = logging.getLogger(__name__)

MAX_WAITING = 20_000  # messages; Kafka has them all, and while they wait they are part of each checkpoint
NO_SHARD = -1  # of a message that no state has to remember
_MAX_REMEMBERED = 2_000
_CHUNK = 64  # messages that are encoded for keyed state together, once
_MAGIC = b"EDQ1"
_LENGTH_BYTES = 4
_MISSED = "missed_since"


@dataclass(eq=False)
class _Chunk:
    """Messages of one shard that came one after the other; encoded when a checkpoint finds them here."""

    messages: list[Message] = field(default_factory=list)
    left: int = 0  # of the messages, those that are not forgotten
    packed: bytes | None = None


@dataclass(eq=False)
class Message:
    """An alert or feedback of a shard, and when it was handed over (wall clock, epoch ms)."""

    shard: int
    message: Alert | Feedback
    at: int = 0
    chunk: _Chunk | None = None


@dataclass(eq=False)
class _Shard:
    chunks: deque[_Chunk] = field(default_factory=deque)
    missed_since: int | None = None  # epoch ms
    packed: bytes | None = b""  # what pending() gives; None where the messages have changed since


class MessageQueue:
    """Messages of all shards in order: waiting, then taken by the store, then forgotten. The caller holds the lock.

    What finds the queue full of newer messages is dropped: the topics have it, and :attr:`missed_since` tells from when
    on to read them again. That time is part of the state of its shard until :meth:`refilled`.

    A checkpoint costs the scoring thread the encoding of what came since the last one, however much waits: messages are
    encoded in chunks of :data:`_CHUNK`, once; the newest chunk of a shard again until it is full. A chunk stays whole
    in the state until all of it is forgotten, so some messages may be written a second time after a restart.

    Attributes:
        dropped: messages that found the queue full of newer ones.
        dropped_at: wall clock, epoch ms, of the last of them; 0: none.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.dropped_at = 0
        self._waiting: deque[Message] = deque()
        self._taken: deque[tuple[float, Message]] = deque()  # with the time at which the store took each
        self._shards: dict[int, _Shard] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._waiting)

    @property
    def unsure(self) -> bool:
        """Whether the store may yet forget anything that it has taken."""
        return bool(self._taken)

    @property
    def missed_since(self) -> int | None:
        """When the oldest dropped message was handed over (wall clock, epoch ms); None: all were read again."""
        return min((own.missed_since for own in self._shards.values() if own.missed_since is not None), default=None)

    def refilled(self, dropped: int) -> None:
        """Note that the topics were read from :attr:`missed_since` on, when so many messages had been dropped."""
        if dropped == self.dropped:
            for own in self._shards.values():
                if own.missed_since is not None:
                    own.missed_since = own.packed = None

    def extend(self, shard: int, messages: Iterable[Alert | Feedback]) -> None:
        """Add messages of a shard; where too many wait, the oldest of all shards are dropped."""
        own, now = self._shards.setdefault(shard, _Shard()), _now()
        for message in messages:
            if not own.chunks or len(own.chunks[-1].messages) >= _CHUNK:
                own.chunks.append(_Chunk())
            chunk = own.chunks[-1]
            item = Message(shard, message, _seen(message, now), chunk)
            chunk.messages.append(item)
            chunk.left += 1
            chunk.packed = own.packed = None
            self._waiting.append(item)
        while len(self._waiting) > MAX_WAITING:
            self._drop(self._waiting.popleft(), now)

    def next(self, count: int) -> list[Message]:
        """Return the oldest waiting messages, which stay in the queue."""
        return [self._waiting[k] for k in range(min(count, len(self._waiting)))]

    def took(self, messages: Iterable[Message], now: float) -> None:
        """Note that the store has taken messages, the oldest that wait."""
        for message in messages:
            # The queue may have dropped it meanwhile, being full.
            if self._waiting and self._waiting[0] is message:
                self._taken.append((now, self._waiting.popleft()))
        while len(self._taken) > _MAX_REMEMBERED:
            self._forget(self._taken.popleft()[1])

    def forget_before(self, before: float) -> None:
        """Forget what the store took before a time: it has outlived the moment at which it could have lost it."""
        while self._taken and self._taken[0][0] < before:
            self._forget(self._taken.popleft()[1])

    def wait_again(self) -> None:
        """Put back, before all that wait, what the store may have forgotten."""
        self._waiting.extendleft(item for _, item in reversed(self._taken))
        self._taken.clear()

    def pending(self, shard: int) -> bytes:
        """Encode the messages of a shard that wait or may be forgotten, for keyed state; empty: none."""
        own = self._shards.get(shard)
        if own is None:
            return b""
        if own.packed is None:
            parts = [_pack(chunk) for chunk in own.chunks]
            if own.missed_since is not None:
                parts.insert(0, pack_text(json.dumps([{_MISSED: own.missed_since}])))
            own.packed = _MAGIC + b"".join(_framed(part) for part in parts) if parts else b""
        return own.packed

    def restore(self, shard: int, pending: bytes) -> None:
        """Take back what :meth:`pending` gave."""
        for text in _texts(pending):
            raw = json.loads(text)
            if _MISSED in raw:
                own = self._shards.setdefault(shard, _Shard())
                own.missed_since, own.packed = raw[_MISSED], None
            else:
                kind = Feedback if "action" in raw else Alert
                self.extend(shard, [kind.from_json(text.encode())])

    def _drop(self, item: Message, now: int) -> None:
        own = self._shards[item.shard]
        own.missed_since = item.at if own.missed_since is None else min(own.missed_since, item.at)
        self.dropped += 1
        self.dropped_at = now
        self._forget(item)

    def _forget(self, item: Message) -> None:
        own, chunk = self._shards[item.shard], item.chunk
        if chunk is None:
            return
        item.chunk = None
        chunk.left -= 1
        if not chunk.left:  # in most cases the oldest: messages are forgotten in the order in which they came
            own.chunks.remove(chunk)
            own.packed = None


def _now() -> int:
    return int(time.time() * 1000)


def _seen(message: Alert | Feedback, now: int) -> int:
    """When the job saw a message first: one that comes from the state is older than now."""
    at = message.detected_at if isinstance(message, Alert) else message.ts
    return min(at, now) if at > 0 else now


def _pack(chunk: _Chunk) -> bytes:
    if chunk.packed is None:
        texts = []
        for item in chunk.messages:
            try:
                texts.append(item.message.to_json().decode())
            except (ValueError, TypeError):  # nothing could read it back; the store's own thread counts it
                log.debug("a message of shard %d cannot be encoded", item.shard)
        chunk.packed = pack_text(json.dumps(texts))
    return chunk.packed


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(_LENGTH_BYTES, "little") + part


def _texts(pending: bytes) -> Iterator[str]:
    """Decode what :meth:`MessageQueue.pending` gave; in earlier versions that was one part, without a frame."""
    if pending[: len(_MAGIC)] != _MAGIC:
        yield from json.loads(unpack_text(pending))
        return
    at = len(_MAGIC)
    while at < len(pending):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(pending[at:start], "little")
        for one in json.loads(unpack_text(pending[start:at])):
            yield one if isinstance(one, str) else json.dumps(one)
