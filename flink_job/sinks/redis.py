"""Writes alerts and live state to Redis from a thread of its own, so that Redis can never hold scoring back.

Delivery: at least once, and each write is idempotent. Alerts and feedback are kept, in order, until Redis has taken
them; those that it has not taken at a checkpoint go into keyed state (:meth:`RedisWriter.pending`) and come back from
there. Live state keeps only the newest of each series; recent points are dropped while Redis is away (Kafka has them).

A Redis that is killed forgets the last second or two of what it has taken (``appendfsync everysec``, a replica that
takes over). So what it took in the last :data:`_UNSURE_S` is remembered, and written again once a connection is lost.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import redis

from eddy.alert import Alert
from eddy.connections import redis_client
from eddy.feedback import Feedback
from eddy.models.engine.state.codec import pack_text, unpack_text
from eddy.redis_layout import Keys, Point, encode_recent, encode_series, feedback_field, recent_id
from eddy.settings import RedisSettings

log = logging.getLogger(__name__)

_BATCH = 500  # writes per round trip
_POINTS_WAITING = 20_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_IDLE_S = 0.5
_GATHER_S = 0.02  # a round trip costs as much as ten alerts: what several micro-batches bring goes together
_UNSURE_S = 3.0  # Redis lets its file lag by two seconds where the disk is slow
_REMEMBERED = 2_000  # messages at most: they are part of each checkpoint

_ALERTS_AT_ONCE = 100  # per call of the script, which holds Redis up meanwhile

# Transitions of incidents, each once; marked when all else is done, for a failure in between to be tried again.
# KEYS stream, then for each: marker, alert, the open set that it belongs to, that which it may have been in before.
# ARGV ttl, cap, then for each: id, state, start, json, kind, suppressed (0 or 1).
_ALERTS_SCRIPT = """
for n = 0, (#KEYS - 1) / 4 - 1 do
  local marker, alert, now, before = unpack(KEYS, 4 * n + 2, 4 * n + 5)
  local id, state, start, json, kind, suppressed = unpack(ARGV, 6 * n + 3, 6 * n + 8)
  if redis.call('EXISTS', marker) == 0 then
    redis.call('SET', alert, json, 'EX', ARGV[1])
    redis.call('ZREM', before, id)
    if state == 'closed' then redis.call('ZREM', now, id) else redis.call('ZADD', now, start, id) end
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'id', id, 'state', state, 'alert', json,
      'kind', kind, 'suppressed', suppressed)
    redis.call('SET', marker, '1', 'EX', ARGV[1])
  end
end
"""


@dataclass(frozen=True)
class _Waiting:
    shard: int
    message: Alert | Feedback


@dataclass
class _Taken:
    """What Redis has taken, and may yet forget; with the time at which it did."""

    messages: deque[tuple[float, _Waiting]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    live: dict[str, tuple[float, tuple[int, Point]]] = field(default_factory=dict)  # the oldest first

    def __bool__(self) -> bool:
        return bool(self.messages or self.live)

    def forget(self, before: float) -> None:
        """Redis has outlived the moment at which it could have lost these."""
        while self.messages and self.messages[0][0] < before:
            self.messages.popleft()
        while self.live and self.live[key := next(iter(self.live))][0] < before:
            del self.live[key]


class RedisWriter:
    """See the module's text. Start it with :meth:`start`; every method but that one may be called from one thread."""

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self._keys = Keys(settings.prefix)
        self.away_since: float | None = None  # wall clock; None while Redis answers
        self.written = 0
        self._client = redis_client(settings, self._connected)
        self._alerts_digest = self._client.register_script(_ALERTS_SCRIPT).sha  # Redis is asked for it by that
        self._messages: deque[_Waiting] = deque()  # alerts and feedback
        self._live: dict[str, tuple[int, Point]] = {}
        self._points: deque[Point] = deque(maxlen=_POINTS_WAITING)
        self._taken = _Taken()
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, shard: int, alerts: Iterable[Alert], live: Iterable[Point], points: Iterable[Point]) -> None:
        """Take over what a micro-batch led to; returns at once."""
        with self._lock:
            self._messages.extend(_Waiting(shard, alert) for alert in alerts)
            self._live.update({f"{point.series}\0{point.model}": (shard, point) for point in live})
            self._points.extend(points)
        self._work.set()

    def put_feedback(self, shard: int, feedback: Feedback) -> None:
        """Take over what somebody said of an incident; returns at once."""
        with self._lock:
            self._messages.append(_Waiting(shard, feedback))
        self._work.set()

    def pending(self, shard: int) -> bytes:
        """Alerts and feedback of a shard that Redis has not taken yet or may forget, for keyed state; empty: none."""
        with self._lock:
            items = [*(item for _, item in self._taken.messages), *self._messages]
        texts = [item.message.to_json().decode() for item in items if item.shard == shard]
        return pack_text(json.dumps(texts)) if texts else b""

    def restore(self, shard: int, pending: bytes) -> None:
        """Take back what :meth:`pending` gave."""
        texts = [text.encode() for text in json.loads(unpack_text(pending))]
        kinds = [Feedback if "action" in json.loads(text) else Alert for text in texts]
        with self._lock:
            self._messages.extend(_Waiting(shard, k.from_json(t)) for k, t in zip(kinds, texts, strict=True))
        self._work.set()

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, for at most so long, and end."""
        self._stop.set()
        self._work.set()
        self._thread.join(seconds)
        self._client.close()

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            if self._work.wait(_IDLE_S):
                self._stop.wait(_GATHER_S)
            self._work.clear()
            try:
                while self._write_some():
                    pause = _FIRST_PAUSE_S
                    self._back()
                self._still_there()
            except redis.RedisError as error:
                self._gone(error)
                if self._stop.wait(pause):
                    return
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                self._work.set()
                continue
            if self._stop.is_set():
                return

    def _connected(self, connection: Any) -> None:
        """Each connection but the first is refused once: what may be lost has to be written before anything newer."""
        connection.on_connect()
        if self._taken:
            raise redis.ConnectionError("the connection was lost: what it took last is written again")

    def _still_there(self) -> None:
        """Look whether Redis lives for as long as it could forget something, though there is nothing to write."""
        if self._taken:
            self._client.ping()
            with self._lock:
                self._taken.forget(time.monotonic() - _UNSURE_S)

    def _gone(self, error: redis.RedisError) -> None:
        if isinstance(error, redis.ConnectionError | redis.TimeoutError):
            self._write_again()
        if self.away_since is None:
            self.away_since = time.time()
            where = f"{self.settings.host}:{self.settings.port}"
            log.warning("Redis at %s does not take writes (%s); alerts wait, scoring goes on", where, error)

    def _write_again(self) -> None:
        with self._lock:
            self._messages.extendleft(item for _, item in reversed(self._taken.messages))
            self._live = {key: value for key, (_, value) in self._taken.live.items()} | self._live
            self._taken = _Taken()

    def _back(self) -> None:
        if self.away_since is not None:
            log.warning("Redis takes writes again after %.1f s", time.time() - self.away_since)
            self.away_since = None

    def _write_some(self) -> bool:
        """One round trip; False if there was nothing to write. What was written is only then taken off the queue."""
        with self._lock:
            messages = [self._messages[k] for k in range(min(_BATCH, len(self._messages)))]
            live = dict(list(self._live.items())[:_BATCH])
            points = [self._points.popleft() for _ in range(min(_BATCH, len(self._points)))]
        if not (messages or live or points):
            return False
        pipeline = self._client.pipeline(transaction=False)
        alerts = [item.message for item in messages if isinstance(item.message, Alert)]
        for first in range(0, len(alerts), _ALERTS_AT_ONCE):
            self._add_alerts(pipeline, alerts[first : first + _ALERTS_AT_ONCE])
        for item in messages:
            if isinstance(item.message, Feedback):
                self._add_feedback(pipeline, item.message)
        for _, point in live.values():
            self._add_live(pipeline, point)
        if live:
            self._add_written(pipeline, [point.series for _, point in live.values()])
        for point in points:
            self._add_recent(pipeline, point)
        for reply in pipeline.execute(raise_on_error=False):
            if isinstance(reply, redis.exceptions.NoScriptError):  # the first call, or Redis has started anew
                self._client.script_load(_ALERTS_SCRIPT)
                with self._lock:
                    self._points.extendleft(reversed(points))
                return True  # the same again
            # A point that is already there (a replay) is refused by its id: that is the idempotence wanted.
            if isinstance(reply, redis.RedisError) and "equal or smaller" not in str(reply):
                raise reply
        now = time.monotonic()
        with self._lock:
            self._taken.messages.extend((now, self._messages.popleft()) for _ in messages)
            for key, value in live.items():
                if self._live.get(key) is value:
                    del self._live[key]
                self._taken.live.pop(key, None)
                self._taken.live[key] = (now, value)
            self._taken.forget(now - _UNSURE_S)
        self.written += len(messages) + len(live) + len(points)
        return True

    def _add_alerts(self, pipeline: Any, alerts: Iterable[Alert]) -> None:
        keys: list[str] = [self._keys.alerts]
        arguments: list[Any] = [self.settings.ttl_seconds, self.settings.max_alerts]
        for alert in alerts:
            keys += [self._keys.written(alert), self._keys.alert(alert.id), *self._keys.open_sets(alert)]
            arguments += [alert.id, alert.state, alert.start, alert.to_json(), alert.kind]
            arguments.append(int(alert.suppressed is not None))
        pipeline.evalsha(self._alerts_digest, len(keys), *keys, *arguments)

    def _add_feedback(self, pipeline: Any, feedback: Feedback) -> None:
        """The newest message of each kind on an incident: who has taken it on, and what it was."""
        key, field = self._keys.feedback(feedback.id), feedback_field(feedback.action)
        if feedback.action == "unack":
            pipeline.hdel(key, field)
        else:
            pipeline.hset(key, field, feedback.to_json())
        pipeline.expire(key, self.settings.ttl_seconds)

    def _add_live(self, pipeline: Any, point: Point) -> None:
        key = self._keys.series(point.series)
        pipeline.hset(key, mapping=encode_series(point))
        pipeline.expire(key, self.settings.ttl_seconds)

    def _add_written(self, pipeline: Any, names: list[str]) -> None:
        """Note which series was written when (wall clock): a reader asks for those that are new to it."""
        key, now = self._keys.live, int(time.time() * 1000)
        pipeline.zadd(key, dict.fromkeys(names, now))
        pipeline.zremrangebyscore(key, 0, now - 1000 * self.settings.ttl_seconds)

    def _add_recent(self, pipeline: Any, point: Point) -> None:
        if not self.settings.max_recent_points or point.ts < 0:
            return
        key, kept = self._keys.recent(point.series, point.model), self.settings.max_recent_points
        pipeline.xadd(key, encode_recent(point), id=recent_id(point.ts), maxlen=kept, approximate=True)
        pipeline.expire(key, self.settings.ttl_seconds)
