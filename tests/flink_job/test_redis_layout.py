"""Keys and bytes in Redis, pinned: other programs read them, and a new release meets what an old one wrote."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eddy.connections import redis_client
from eddy.dashboard.sources.redis_live import RedisLive
from eddy.feedback import Feedback
from eddy.flink_job.sinks.redis import RedisSink
from eddy.redis_layout import decode_newest, decode_series
from eddy.settings import Settings
from tests.cli.alerts_at_hand import START, STEP, alert, point
from tests.flink_job.test_redis_sink import Server

OPEN, QUIET = alert(), alert("s-2", suppressed="maintenance: plant")
GROUP = alert("group:1", kind="group", member_count=5)
SAID = [
    Feedback(OPEN.id, "s-1", "z", "ack", "ann", 1, START, START),
    Feedback(OPEN.id, "s-1", "z", "dismiss", "bob", 1, START, START),
]
START_MS, STEP_MS = 1735689600000, 60_000
MODEL_Z = (
    b'{"ts":1735689600000,"score":0.5,"threshold":3.0,"state":"ok","version":2,'
    b'"expected":{"value":1.0},"lower":{"value":null},"upper":{"value":4.0}}'
)
MODEL_Y = MODEL_Z.replace(b"0.5", b"null").replace(b"3.0", b"null").replace(b'"ok"', b'"anomalous"')
SERIES = {
    b"ts": b"1735689600000", b"values": b'{"value":null}', b"score": b"", b"threshold": b"", b"state": b"anomalous",
    b"model": b"y", b"model:y": MODEL_Y, b"model:z": MODEL_Z,
}  # fmt: skip
RECENT = {
    b"values": b'{"value":null}', b"expected": b'{"value":1.0}', b"lower": b'{"value":null}',
    b"upper": b'{"value":4.0}', b"score": b"0.5", b"threshold": b"3.0", b"imputed": b"1",
}  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    one.start()
    writer = RedisSink(Settings(redis=one.settings))
    writer.open()
    live = [point(), point(model="y", score=None, limit=None, state="anomalous", value=None)]
    writer.put(0, [OPEN, QUIET, GROUP], live, [point(ts=START + STEP, value=None), point("tüv", score=None)])
    for said in SAID:
        writer.put(0, feedback=[said])
    writer.close()
    yield one
    one.stop()


def content(server: Server) -> dict[str, Any]:
    with redis_client(server.settings) as client:
        read = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            b"stream": client.xrange,
        }
        return {key.decode(): read[client.type(key)](key) for key in client.scan_iter()}


def test_keys_and_bytes(server: Server) -> None:
    found = content(server)
    (written,) = found.pop("eddy:live")
    assert written[0] == b"s-1"
    entries = [fields for _, fields in found.pop("eddy:alerts")]
    names = [(b"incident", b"0"), (b"incident", b"1"), (b"group", b"0")]
    for entry, one, (kind, suppressed) in zip(entries, (OPEN, QUIET, GROUP), names, strict=True):
        wanted = {b"id": one.id.encode(), b"state": b"open", b"alert": one.to_json()}
        assert entry == wanted | {b"kind": kind, b"suppressed": suppressed}
    assert (START, STEP) == (START_MS, STEP_MS)
    assert found == {
        "eddy:alert:3f4615dc8017c1aa": OPEN.to_json(),
        "eddy:alert:207df0f2c73a7b79": QUIET.to_json(),
        "eddy:alert:7c6e58963a1a972d": GROUP.to_json(),
        "eddy:open": [(b"3f4615dc8017c1aa", 1735689600000.0)],
        "eddy:suppressed": [(b"207df0f2c73a7b79", 1735689600000.0)],
        "eddy:groups": [(b"7c6e58963a1a972d", 1735689600000.0)],
        "eddy:written:3f4615dc8017c1aa:open:1735689600000:60": b"1",
        "eddy:written:207df0f2c73a7b79:open:1735689600000:60:suppressed": b"1",
        "eddy:written:7c6e58963a1a972d:open:1735689600000:60:5": b"1",
        "eddy:feedback:3f4615dc8017c1aa": {b"acknowledged": SAID[0].to_json(), b"verdict": SAID[1].to_json()},
        "eddy:series:s-1": SERIES,
        "eddy:recent:s-1:z": [(b"1735689660000-1", RECENT)],
        "eddy:recent:tüv:z": [(b"1735689600000-1", RECENT | {b"values": b'{"value":1.0}', b"score": b""})],
    }


def test_the_client_and_the_dashboard_read_the_same(server: Server) -> None:
    live, dashboard = server.live(), RedisLive(server.settings)
    state, (row,) = live.series("s-1"), dashboard.changed()
    assert state is not None
    same = ("series", "ts", "values", "score", "threshold", "state", "model")
    assert [getattr(state, name) for name in same] == [getattr(row, name) for name in same]
    assert (row.series, row.ts, row.values, row.score, row.model) == ("s-1", START, {"value": None}, None, "y")
    assert dashboard.alerts() == live.alerts()[::-1] == [OPEN, QUIET, GROUP]
    assert dashboard.open_alerts({}) == live.open_incidents() == [OPEN]
    assert (live.suppressed_incidents(), live.open_groups()) == ([QUIET], [GROUP])
    feedback = live.feedback(OPEN.id)
    assert [feedback.acknowledged, feedback.verdict] == SAID
    points = dashboard.points("s-1", {})
    assert points["z"] == live.recent("s-1", "z")
    assert [(p.ts, p.values, p.score) for p in points["y"]] == [(START, {"value": None}, None)]
    assert dashboard.points("s-1", {"z": START + STEP, "y": START}) == {"z": [], "y": []}
    assert dashboard.points("nobody", {}) == {}


def test_taking_an_acknowledgement_back_removes_it(server: Server) -> None:
    writer = RedisSink(Settings(redis=server.settings))
    writer.open()
    writer.put(0, feedback=[Feedback(OPEN.id, "s-1", "z", "unack", "ann", 2, START, START)])
    writer.close()
    feedback = server.live().feedback(OPEN.id)
    assert (feedback.acknowledged, feedback.verdict) == (None, SAID[1])


def test_what_is_not_there_is_none() -> None:
    assert decode_newest([None] * 6) is None
    assert decode_series("s-1", {}) is None


def test_the_layout_needs_no_numpy() -> None:
    """Consumers of alerts install the client alone."""
    program = "import eddy.redis_layout, sys; assert not {'numpy', 'redis', 'kafka', 'models'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
