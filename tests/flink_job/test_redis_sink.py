"""Check the Redis writer with a redis-server of its own: idempotent, in order, no loss during an outage."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from eddy.alert import Alert
from eddy.client import LiveState
from eddy.connections import redis_client
from eddy.feedback import Feedback
from eddy.flink_job.sinks import message_queue
from eddy.flink_job.sinks.message_queue import MessageQueue
from eddy.flink_job.sinks.redis import RedisSink
from eddy.models.engine.state.codec import pack_text
from eddy.settings import RedisSettings, Settings
from eddy.stack.ports import free_ports
from tests.cli.alerts_at_hand import START, STEP, alert, point, unwritten


def until(condition, what, seconds=30):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Server:
    """A redis-server that can go away and come back with its data."""

    def __init__(self, folder: Path, keeps: str = "yes") -> None:
        (port,) = free_ports(1)
        self.settings = RedisSettings(port=port, timeout_ms=500, max_recent_points=100, max_alerts=1000)
        self._folder, self._keeps = folder, keeps
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.settings.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        options = ["--save", "", "--appendonly", self._keeps, "--appendfsync", "always"]
        self.stop()
        self._process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        try:
            until(self._answers, "Redis answers")
        except BaseException:  # no fixture would end it
            self.stop()
            raise

    def _answers(self) -> bool:
        try:
            with redis_client(self.settings) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def live(self) -> LiveState:
        return LiveState(Settings(redis=self.settings))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Server]:
    """It keeps nothing on disk."""
    one = Server(tmp_path, keeps="no")
    one.start()
    yield one
    one.stop()


@pytest.fixture
def writer(server: Server) -> Iterator[RedisSink]:
    one = RedisSink(Settings(redis=server.settings))
    one.open()
    yield one
    one.close(0.1)


LIFE = [alert(state="open"), alert(state="update", severity=80, end=START + STEP), alert(state="closed", severity=80)]


def taken(writer: RedisSink, shard: int = 0) -> None:
    until(lambda: not unwritten(writer, shard), "Redis has taken the alerts")


def test_incident_is_listed_as_open_until_it_closes(server: Server, writer: RedisSink) -> None:
    live = server.live()
    for count, one in enumerate(LIFE, 1):
        writer.put(0, [one], [], [])
        taken(writer)
        assert live.alerts()[0] == one
        assert len(live.alerts()) == count
        assert live.open_incidents() == ([] if one.state == "closed" else [one])


def test_suppressed_incidents_and_groups_have_lists_of_their_own(server: Server, writer: RedisSink) -> None:
    live = server.live()
    quiet = alert("s-2", suppressed="maintenance: plant")
    group = alert("group:1", kind="group", member_count=5)
    writer.put(0, [LIFE[0], quiet, group], [], [])
    taken(writer)
    found = live.open_incidents(), live.suppressed_incidents(), live.open_groups()
    assert found == ([LIFE[0]], [quiet], [group])
    released = replace(quiet, suppressed=None)
    larger = replace(group, state="update", member_count=20)
    writer.put(0, [released, larger], [], [])
    taken(writer)
    assert {one.id for one in live.open_incidents()} == {LIFE[0].id, quiet.id}
    assert (live.suppressed_incidents(), live.open_groups()) == ([], [larger])
    writer.put(0, [quiet, group], [], [])  # a replay
    writer.put(0, [replace(one, state="closed") for one in (LIFE[0], released, larger)], [], [])
    taken(writer)
    assert live.open_incidents() == live.suppressed_incidents() == live.open_groups() == []


def test_writing_twice_stores_once(server: Server, writer: RedisSink) -> None:
    points = [point(ts=START + k * STEP) for k in range(5)]
    for _ in range(2):
        writer.put(0, LIFE, [point()], points)
        taken(writer)
    until(lambda: writer.written >= 2 * (len(LIFE) + len(points) + 1), "all written")
    assert server.live().alerts() == LIFE[::-1]
    assert server.live().open_incidents() == [], "the replayed opening does not open it again"
    assert [p.ts for p in server.live().recent("s-1", "z")] == [p.ts for p in points]


def test_alerts_stay_in_order(server: Server, writer: RedisSink) -> None:
    sent = [alert(f"s-{k}", start=START + k) for k in range(1200)]  # more than one round trip
    for start in range(0, len(sent), 100):
        writer.put(0, sent[start : start + 100], [], [])
    taken(writer)
    found = [one.series for one in server.live().alerts(5000)][::-1]
    assert found == [one.series for one in sent][-len(found) :]
    assert server.settings.max_alerts <= len(found) < 1200, "capped"


def test_only_the_newest_live_state_is_written(server: Server) -> None:
    writer = RedisSink(Settings(redis=server.settings))
    writer.put(0, [], [point(ts=START + k, value=float(k)) for k in range(100)], [])
    writer.open()
    until(lambda: writer.written, "written")
    writer.close()
    assert writer.written == 1
    state = server.live().series("s-1")
    assert state is not None
    assert state.values == {"value": 99.0}


def test_writes_resume_after_a_redis_outage(server: Server, writer: RedisSink) -> None:
    writer.put(0, LIFE[:1], [], [])
    taken(writer)
    server.stop()
    began = time.monotonic()
    writer.put(0, LIFE[1:], [point()], [point(ts=START + k) for k in range(3)])
    writer.put(7, [alert("t-1")], [], [])
    assert time.monotonic() - began < 0.5, "it never holds the caller back"
    until(lambda: writer.away_since is not None, "it is noticed")
    assert unwritten(writer, 0)
    assert writer.pending(7)
    assert not writer.pending(3)
    server.start()
    until(lambda: writer.away_since is None, "it is back")
    taken(writer)
    taken(writer, 7)
    assert server.live().alerts() == [alert("t-1"), *LIFE[::-1]]
    until(lambda: server.live().series("s-1"), "the live state came, too")


def test_unwritten_records_are_restored_from_the_state(server: Server) -> None:
    server.stop()
    before = RedisSink(Settings(redis=server.settings))
    before.open()
    before.put(5, LIFE, [], [])
    kept = before.pending(5)
    before.close(0.1)
    server.start()
    after = RedisSink(Settings(redis=server.settings))
    after.restore(5, kept)
    assert after.pending(5) == kept
    after.open()
    taken(after, 5)
    after.restore(5, kept)  # an older checkpoint: written a second time
    taken(after, 5)
    after.close()
    assert server.live().alerts() == LIFE[::-1]


@pytest.mark.parametrize("while_idle", [True, False])
def test_records_lost_by_a_killed_redis_are_written_again(forgetful: Server, while_idle: bool) -> None:
    """A killed Redis loses what it had not yet saved to its file; here it loses everything."""
    server = forgetful
    writer = RedisSink(Settings(redis=server.settings))
    writer.open()
    writer.put(0, LIFE[:2], [point()], [])
    writer.put(0, feedback=[Feedback(LIFE[0].id, "s-1", "z", "ack", "ann", 1, START, START)])
    taken(writer)
    until(lambda: server.live().series("s-1"), "the live state is there")
    server.stop()
    if while_idle:  # there and back before the writer looks: only the connection tells
        server.start()
    writer.put(0, LIFE[2:], [], [])
    if not while_idle:
        until(lambda: writer.away_since is not None, "it is noticed")
        server.start()
    until(lambda: server.live().alerts() == LIFE[::-1], "all of the incident, in order")
    until(lambda: server.live().series("s-1"), "its live state")
    assert server.live().open_incidents() == []
    with redis_client(server.settings) as client:
        assert client.hget(f"eddy:feedback:{LIFE[0].id}", "acknowledged")
    assert writer.pending(0), "and it is part of the state for as long as it could be forgotten"
    until(lambda: not writer.pending(0), "which ends")
    writer.close()


def test_close_flushes_pending_writes(server: Server) -> None:
    writer = RedisSink(Settings(redis=server.settings))
    writer.open()
    writer.put(0, LIFE, [], [])
    writer.close()
    assert server.live().alerts() == LIFE[::-1]


def test_refused_alert_is_left_out_unmarked_and_holds_up_nobody(
    server: Server, writer: RedisSink, caplog: pytest.LogCaptureFixture
) -> None:
    """A script that fails in the middle must not mark the alert as written: the next time it counts."""
    others = [alert(f"s-{k}", start=START + k) for k in range(300)]
    with redis_client(server.settings) as client:
        client.set("eddy:open", "in the way")
        writer.put(0, LIFE[:1], [point()], [])
        until(lambda: writer.refused == 1, "it is left out")
        assert (writer.away_since, writer.pending(3)) == (None, b"")
        client.delete("eddy:open")
        client.rpush("eddy:feedback:bad", "of another type")
        client.rpush("eddy:series:s-7", "of another type")
        bad = Feedback("bad", "s-1", "z", "ack", "ann", 1, START, START)
        live = [point(f"s-{k}") for k in range(20)]
        writer.put(0, others[:150], live, feedback=[bad])
        writer.put(0, [*others[150:], *LIFE[:1]])
        taken(writer)
        until(lambda: writer.refused == 3, "two more are left out")
        until(lambda: server.live().series("s-19"), "live state behind them is there")
        assert len(server.live().open_incidents()) == 301
    assert writer.away_since is None
    (line,) = [record.getMessage() for record in caplog.records if "leaves out" in record.getMessage()]
    assert f'alert="{LIFE[0].id}" series="s-1"' in line
    assert "WRONGTYPE" in line
    until(lambda: not writer.pending(0), "and no checkpoint holds them")


def test_server_that_takes_no_writes_loses_nothing(server: Server, writer: RedisSink) -> None:
    with redis_client(server.settings) as client:
        client.config_set("maxmemory", 1)
        writer.put(0, LIFE, [], [])
        until(lambda: writer.away_since is not None, "its memory is full")
        time.sleep(0.5)
        assert (writer.refused, unwritten(writer, 0)) == (0, 3)
        client.config_set("maxmemory", 0)
        taken(writer)
    assert server.live().alerts() == LIFE[::-1]
    until(lambda: writer.away_seconds == 0, "it is back")


def test_unexpected_failure_of_the_thread_counts_as_away_and_passes(
    server: Server, writer: RedisSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = [True]
    real = MessageQueue.next
    monkeypatch.setattr(MessageQueue, "next", lambda queue, n: 1 // 0 if fail else real(queue, n))
    writer.put(0, LIFE, [], [])
    until(lambda: writer.away_seconds > 0, "it is counted as away")
    fail.clear()
    taken(writer)
    until(lambda: writer.away_since is None, "it is back")
    assert server.live().alerts() == LIFE[::-1]


def test_alert_that_cannot_be_encoded_is_left_out(server: Server, writer: RedisSink) -> None:
    writer.put(0, [replace(LIFE[0], id="\ud800"), *LIFE])
    taken(writer)
    assert writer.refused == 1
    assert server.live().alerts() == LIFE[::-1]


def test_checkpoint_encodes_only_what_came_since_the_last_one() -> None:
    queue = MessageQueue()
    encoded: list[str] = []

    class Counted(Alert):
        def to_json(self) -> bytes:
            encoded.append(self.series)
            return super().to_json()

    for shard in range(4):
        queue.extend(shard, [Counted(**vars(alert(f"s-{shard}", start=START + k))) for k in range(1000)])
    first = [queue.pending(shard) for shard in range(4)]
    assert [queue.pending(shard) for shard in range(4)] == first
    assert len(encoded) == 4000
    queue.extend(2, [Counted(**vars(alert("more")))])
    queue.took(queue.next(1), 0.0)
    assert [queue.pending(shard) == before for shard, before in enumerate(first)] == [True, True, False, True]
    assert len(encoded[4000:]) <= 64, "the newest chunk of the shard that changed"
    again = MessageQueue()
    again.restore(2, queue.pending(2))
    assert [item.message.series for item in again] == ["s-2"] * 1000 + ["more"]


def test_message_that_cannot_be_encoded_stops_no_checkpoint() -> None:
    queue = MessageQueue()
    queue.extend(0, [replace(LIFE[0], id="\ud800"), LIFE[0]])
    again = MessageQueue()
    again.restore(0, queue.pending(0))
    assert [item.message for item in again] == LIFE[:1]


def test_pending_messages_of_an_earlier_version_are_restored() -> None:
    queue = MessageQueue()
    queue.restore(0, pack_text(json.dumps([one.to_json().decode() for one in LIFE])))
    assert [item.message for item in queue] == LIFE


def test_queue_of_messages_is_bounded_and_its_state_tells_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_queue, "MAX_WAITING", 10)
    queue = MessageQueue()
    queue.extend(0, [alert(f"s-{k}", detected_at=START + k) for k in range(8)])
    sent = queue.next(5)
    missed = [queue.missed_since]
    queue.extend(1, [alert(f"t-{k}") for k in range(5)])
    assert [queue.dropped, *missed, queue.missed_since] == [3, None, START]
    queue.took(sent, 1.0)  # of which three were dropped meanwhile
    assert [item.message.series for item in queue] == ["s-5", "s-6", "s-7", *(f"t-{k}" for k in range(5))]
    queue.wait_again()
    assert [item.message.series for item in queue][:3] == ["s-3", "s-4", "s-5"]
    queue.took(queue.next(10), 2.0)
    queue.forget_before(3.0)
    assert (queue.pending(1), len(queue)) == (b"", 0)
    again = MessageQueue()
    again.restore(0, queue.pending(0))
    assert (again.missed_since, len(again)) == (START, 0), "the job restarts before it has read them again"
    queue.refilled(2)
    kept = queue.missed_since
    assert kept == START, "one more was dropped meanwhile"
    queue.refilled(3)
    assert [queue.missed_since, queue.pending(0)] == [None, b""]


def test_older_message_that_comes_late_changes_no_newer_state(server: Server, writer: RedisSink) -> None:
    """Those that are read from Kafka again come after newer ones."""
    live = server.live()
    other = [alert("s-2", state="open"), alert("s-2", state="update", severity=90, end=START + STEP)]
    for one in (LIFE[2], *LIFE[:2], *other[::-1]):
        writer.put(0, [one])
        taken(writer)
    assert (live.open_incidents(), live.alert(LIFE[0].id)) == (other[1:], LIFE[2])
    assert len(live.alerts()) == 5, "the stream has them all"


def test_open_incident_outlives_the_time_to_live_with_its_feedback(server: Server, writer: RedisSink) -> None:
    ack = Feedback(LIFE[0].id, "s-1", "z", "ack", "ann", 1, START, START)
    keys = [f"eddy:alert:{LIFE[0].id}", f"eddy:feedback:{LIFE[0].id}"]
    with redis_client(server.settings) as client:
        writer.put(0, LIFE[:1], feedback=[ack])
        taken(writer)
        assert [client.ttl(key) for key in keys] == [-1, -1]
        writer.put(0, LIFE[1:])
        taken(writer)
        assert all(0 < client.ttl(key) <= server.settings.ttl_seconds for key in keys)
        writer.put(0, feedback=[replace(ack, action="unack"), replace(ack, action="dismiss")])
        taken(writer)
        assert 0 < client.ttl(keys[1]) <= server.settings.ttl_seconds
        assert client.hkeys(keys[1]) == [b"verdict"]
