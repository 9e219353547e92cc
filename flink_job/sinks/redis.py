"""Write alerts and live state to Redis from a thread of its own, so that Redis can never hold scoring back.

Delivery: at least once, and each write is idempotent. Alerts and feedback are kept, in order, until Redis has taken
them; those that it has not taken at a checkpoint go into keyed state (:meth:`RedisSink.pending`) and come back from
there. Live state keeps only the newest of each series; recent points are dropped while Redis is away (Kafka has them).

A Redis that is killed forgets the last second or two of what it has taken (``appendfsync everysec``, a replica that
takes over). So what it took in the last :data:`_UNSURE_S` is remembered, and written again once a connection is lost.

What waits is bounded (:data:`~eddy.flink_job.sinks.message_queue.MAX_WAITING`): an outage that brings more is made up
for from Kafka's topics once Redis is back (:mod:`eddy.flink_job.sinks.topic_refill`).

An item that Redis refuses for what is under its key (``WRONGTYPE``) or that cannot be encoded is left out, with a line
in the log and a count: it never holds up those behind it. Kafka has it.

Redis Cluster is not supported: the keys that one script writes lie in several hash slots.
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
from eddy.flink_job.sinks.base import Sink
from eddy.flink_job.sinks.message_queue import NO_SHARD, Message, MessageQueue
from eddy.flink_job.sinks.redis_scripts import ALERTS, FEEDBACK
from eddy.flink_job.sinks.topic_refill import TopicRefill
from eddy.redis_layout import Keys, Point, encode_recent, encode_series, feedback_field, recent_id
from eddy.settings import Settings

log = logging.getLogger(__name__)

_BATCH = 500  # writes per round trip
_POINTS_WAITING = 20_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_IDLE_S = 0.5
_CLOSE_S = 5.0
_GATHER_S = 0.02  # a round trip costs as much as ten alerts: what several micro-batches bring goes together
_UNSURE_S = 3.0  # Redis lets its file lag by two seconds where the disk is slow
_LOG_EVERY_S = 60.0

_ALERTS_AT_ONCE = 100  # per call of the script, which holds Redis up meanwhile


@dataclass
class _Batch:
    """What goes to Redis in one round trip."""

    messages: list[Message] = field(default_factory=list)
    live: list[Point] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.messages) + len(self.live) + len(self.points)

    def halves(self) -> tuple[_Batch, _Batch]:
        """Cut in two, in order: messages, live state, points."""
        m, v, middle = len(self.messages), len(self.live), len(self) // 2
        cuts = min(middle, m), min(max(middle - m, 0), v), max(middle - m - v, 0)
        first = _Batch(self.messages[: cuts[0]], self.live[: cuts[1]], self.points[: cuts[2]])
        return first, _Batch(self.messages[cuts[0] :], self.live[cuts[1] :], self.points[cuts[2] :])

    def where(self) -> str:
        """Name the first item, quoted: it comes from outside."""
        if self.messages:
            message = self.messages[0].message
            return f"{type(message).__name__.lower()}={json.dumps(message.id)} series={json.dumps(message.series)}"
        return f"point series={json.dumps((self.live or self.points)[0].series)}"


class RedisSink(Sink):
    """See the module's text."""

    name = "redis"

    def __init__(self, settings: Settings, argument: str = "") -> None:
        super().__init__(settings, argument)
        self.redis = settings.redis
        self._keys = Keys(self.redis.prefix)
        self.away_since: float | None = None  # monotonic clock; None while Redis answers
        self.written = 0
        self._refused = 0
        self._refusal_logged = -_LOG_EVERY_S  # monotonic; and how many items were refused by then
        self._refused_logged = 0
        self._client = redis_client(self.redis, self._connected)
        self._alerts_digest = self._client.register_script(ALERTS).sha  # Redis is asked for it by that
        self._feedback_digest = self._client.register_script(FEEDBACK).sha
        self._messages = MessageQueue()
        self._refill = TopicRefill(settings)
        self._live: dict[str, Point] = {}
        self._taken_live: dict[str, tuple[float, Point]] = {}  # what Redis may yet forget, the oldest first
        self._points: deque[Point] = deque(maxlen=_POINTS_WAITING)
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-sink", daemon=True)

    @property
    def away_seconds(self) -> float:
        """For how long Redis has taken nothing; 0 while it answers."""
        since = self.away_since
        return time.monotonic() - since if since is not None else 0.0

    @property
    def refused(self) -> int:
        """Items that were left out so far, because Redis refuses them."""
        return self._refused

    def open(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(
        self,
        shard: int,
        alerts: Iterable[Alert] = (),
        live: Iterable[Point] = (),
        points: Iterable[Point] = (),
        feedback: Iterable[Feedback] = (),
    ) -> None:
        """Take over what a micro-batch led to; returns at once."""
        with self._lock:
            self._messages.extend(shard, alerts)
            self._messages.extend(shard, feedback)
            self._live.update({f"{point.series}\0{point.model}": point for point in live})
            self._points.extend(points)
        self._work.set()

    def pending(self, shard: int) -> bytes:
        """Give alerts and feedback of a shard that Redis has not taken yet or may forget; empty: none."""
        with self._lock:
            return self._messages.pending(shard)

    def restore(self, shard: int, pending: bytes) -> None:
        """Take back what :meth:`pending` gave."""
        with self._lock:
            self._messages.restore(shard, pending)
        self._work.set()

    def close(self, seconds: float = _CLOSE_S) -> None:
        """Write what waits, for at most so long, and end."""
        self._stop.set()
        self._work.set()
        if self._thread.is_alive():
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
                while self._write_some() or self._refill_some():
                    pause = _FIRST_PAUSE_S
                    self._back()
                self._ping()
                self._back()
            except Exception as error:  # a thread that ends would be silent about it: it begins anew instead
                self._gone(error)
                if self._stop.wait(pause):
                    return
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                self._work.set()
                continue
            if self._stop.is_set():
                return

    def _connected(self, connection: Any) -> None:
        """Refuse each connection but the first once: what may be lost has to be written before anything newer."""
        connection.on_connect()
        if self._unsure():
            raise redis.ConnectionError("the connection was lost: what it took last is written again")

    def _unsure(self) -> bool:
        return self._messages.unsure or bool(self._taken_live) or self._refill.unsure

    def _ping(self) -> None:
        """Ask whether Redis lives for as long as it could forget something, though there is nothing to write."""
        if self._unsure() or self.away_since is not None:
            self._client.ping()
            with self._lock:
                self._forget_before(time.monotonic() - _UNSURE_S)

    def _gone(self, error: Exception) -> None:
        self._refill.interrupt()
        if isinstance(error, redis.ConnectionError | redis.TimeoutError):
            self._write_again()
        elif not isinstance(error, redis.RedisError):
            log.error("the Redis sink failed and begins anew", exc_info=error)
        if self.away_since is None:
            self.away_since = time.monotonic()
            where = f"{self.redis.host}:{self.redis.port}"
            log.warning("Redis at %s does not take writes (%s); alerts wait, scoring goes on", where, error)

    def _write_again(self) -> None:
        with self._lock:
            self._messages.wait_again()
            self._live = {key: point for key, (_, point) in self._taken_live.items()} | self._live
            self._taken_live = {}

    def _back(self) -> None:
        if self.away_since is not None:
            log.warning("Redis takes writes again after %.1f s", self.away_seconds)
            self.away_since = None

    def _write_some(self) -> bool:
        """Do one round trip; False if there was nothing to write. Only what was written is taken off the queue."""
        with self._lock:
            live = dict(list(self._live.items())[:_BATCH])
            points = [self._points.popleft() for _ in range(min(_BATCH, len(self._points)))]
            batch = _Batch(self._messages.next(_BATCH), list(live.values()), points)
        if not len(batch):
            return False
        self._deliver(batch)
        now = time.monotonic()
        with self._lock:
            self._messages.took(batch.messages, now)
            for key, point in live.items():
                if self._live.get(key) is point:
                    del self._live[key]
                self._taken_live.pop(key, None)
                self._taken_live[key] = (now, point)
            self._forget_before(now - _UNSURE_S)
        self.written += len(batch)
        return True

    def _refill_some(self) -> bool:
        """Write a batch of what was dropped, from Kafka; False if there is nothing to write, or not yet."""
        with self._lock:
            self._refill.plan(self._messages)
        found = self._refill.take(_BATCH)
        if found:
            self._deliver(_Batch([Message(NO_SHARD, message) for message in found]))
        return bool(found)

    def _forget_before(self, before: float) -> None:
        self._messages.forget_before(before)
        while self._taken_live and self._taken_live[key := next(iter(self._taken_live))][0] < before:
            del self._taken_live[key]

    def _deliver(self, batch: _Batch) -> None:
        """Send a batch; where Redis refuses part of it, find the items by halving, and leave them out."""
        try:
            self._send(batch)
        except (redis.ConnectionError, redis.TimeoutError):
            raise
        except Exception as error:
            if len(batch) > 1:
                for half in batch.halves():
                    self._deliver(half)  # a second time for some, which changes nothing
            elif self._is_about_the_item(error):
                self._leave_out(batch, error)
            else:
                raise

    def _is_about_the_item(self, error: Exception) -> bool:
        """Tell whether only this write fails: one that cannot fail for what is in it is tried.

        Raises:
            redis.RedisError: that fails as well: memory is full, this is a replica …
        """
        if isinstance(error, redis.exceptions.NoPermissionError):
            return False
        self._client.set(self._keys.writable, 1, ex=self.redis.ttl_seconds)
        return True

    def _leave_out(self, item: _Batch, error: Exception) -> None:
        self._refused += 1
        if time.monotonic() - self._refusal_logged >= _LOG_EVERY_S:
            count, self._refused_logged = self._refused - self._refused_logged, self._refused
            self._refusal_logged = time.monotonic()
            reason = json.dumps(f"{type(error).__name__}: {error}"[:300])
            log.warning("Redis sink leaves out %s reason=%s count=%d", item.where(), reason, count)

    def _send(self, batch: _Batch) -> None:
        """Write a batch in one round trip; raise the first refusal."""
        pipeline = self._client.pipeline(transaction=False)
        alerts = [item.message for item in batch.messages if isinstance(item.message, Alert)]
        for first in range(0, len(alerts), _ALERTS_AT_ONCE):
            self._add_alerts(pipeline, alerts[first : first + _ALERTS_AT_ONCE])
        for item in batch.messages:
            if isinstance(item.message, Feedback):
                self._add_feedback(pipeline, item.message)
        for point in batch.live:
            self._add_live(pipeline, point)
        if batch.live:
            self._add_written(pipeline, [point.series for point in batch.live])
        for point in batch.points:
            self._add_recent(pipeline, point)
        for reply in pipeline.execute(raise_on_error=False):
            if isinstance(reply, redis.exceptions.NoScriptError):  # the first call, or Redis has started anew
                for script in (ALERTS, FEEDBACK):
                    self._client.script_load(script)
                return self._send(batch)
            # A point that is already there (a replay) is refused by its id: that is the idempotence wanted.
            if isinstance(reply, redis.RedisError) and "equal or smaller" not in str(reply):
                raise reply
        return None

    def _add_alerts(self, pipeline: Any, alerts: Iterable[Alert]) -> None:
        keys: list[str] = [self._keys.alerts]
        arguments: list[Any] = [self.redis.ttl_seconds, self.redis.max_alerts]
        for alert in alerts:
            keys += [self._keys.written(alert), self._keys.alert(alert.id), *self._keys.open_sets(alert)]
            keys.append(self._keys.feedback(alert.id))
            arguments += [alert.id, alert.state, alert.start, alert.end, alert.to_json(), alert.kind]
            arguments.append(int(alert.suppressed is not None))
        pipeline.evalsha(self._alerts_digest, len(keys), *keys, *arguments)

    def _add_feedback(self, pipeline: Any, feedback: Feedback) -> None:
        """The newest message of each kind on an incident: who has taken it on, and what it was."""
        text = "" if feedback.action == "unack" else feedback.to_json()
        keys = [self._keys.feedback(feedback.id), self._keys.open, self._keys.suppressed, self._keys.groups]
        arguments = [feedback.id, self.redis.ttl_seconds, feedback_field(feedback.action), text]
        pipeline.evalsha(self._feedback_digest, len(keys), *keys, *arguments)

    def _add_live(self, pipeline: Any, point: Point) -> None:
        key = self._keys.series(point.series)
        pipeline.hset(key, mapping=encode_series(point))
        pipeline.expire(key, self.redis.ttl_seconds)

    def _add_written(self, pipeline: Any, names: list[str]) -> None:
        """Note which series was written when (wall clock): a reader asks for those that are new to it."""
        key, now = self._keys.live, int(time.time() * 1000)
        pipeline.zadd(key, dict.fromkeys(names, now))
        pipeline.zremrangebyscore(key, 0, now - 1000 * self.redis.ttl_seconds)

    def _add_recent(self, pipeline: Any, point: Point) -> None:
        if not self.redis.max_recent_points or point.ts < 0:
            return
        key, kept = self._keys.recent(point.series, point.model), self.redis.max_recent_points
        pipeline.xadd(key, encode_recent(point), id=recent_id(point.ts), maxlen=kept, approximate=True)
        pipeline.expire(key, self.redis.ttl_seconds)
