"""Queue messages for a store that may be away, and remember those that it has taken but may yet forget."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from eddy.alert import Alert
from eddy.feedback import Feedback
from eddy.models.engine.state.codec import pack_text, unpack_text

MAX_WAITING = 20_000  # messages; Kafka has them all, and while they wait they are part of each checkpoint
_MAX_REMEMBERED = 2_000


@dataclass(eq=False)
class Message:
    """An alert or feedback of a shard; encoded for keyed state once, when a checkpoint first finds it here."""

    shard: int
    message: Alert | Feedback
    _text: str = ""

    @property
    def text(self) -> str:
        """The message as JSON."""
        if not self._text:
            self._text = self.message.to_json().decode()
        return self._text


@dataclass
class _Shard:
    messages: dict[int, Message] = field(default_factory=dict)  # in order, by identity
    packed: bytes | None = b""  # what pending() gives; None where the messages have changed since


class MessageQueue:
    """Messages of all shards in order: waiting, then taken by the store, then forgotten. The caller holds the lock.

    Attributes:
        dropped: messages that found the queue full of newer ones.
    """

    def __init__(self) -> None:
        self.dropped = 0
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

    def extend(self, shard: int, messages: Iterable[Alert | Feedback]) -> None:
        """Add messages of a shard; where too many wait, the oldest of all shards are dropped."""
        for message in messages:
            item = Message(shard, message)
            self._waiting.append(item)
            own = self._shards.setdefault(shard, _Shard())
            own.messages[id(item)] = item
            own.packed = None
        while len(self._waiting) > MAX_WAITING:
            self._forget(self._waiting.popleft())
            self.dropped += 1

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
            texts = [item.text for item in own.messages.values()]
            own.packed = pack_text(json.dumps(texts)) if texts else b""
        return own.packed

    def restore(self, shard: int, pending: bytes) -> None:
        """Take back what :meth:`pending` gave."""
        texts = [text.encode() for text in json.loads(unpack_text(pending))]
        kinds = [Feedback if "action" in json.loads(text) else Alert for text in texts]
        self.extend(shard, [kind.from_json(text) for kind, text in zip(kinds, texts, strict=True)])

    def _forget(self, message: Message) -> None:
        own = self._shards[message.shard]
        del own.messages[id(message)]
        own.packed = None
