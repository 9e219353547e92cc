"""The sinks and formats that come with Eddy pass the contracts that outsiders run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from eddy.event_times import ANY_TIME
from eddy.flink_job.wire.formats import job_format
from eddy.formats import Format
from eddy.settings import Settings
from eddy.testing.formats import FormatContract
from eddy.testing.sinks import SinkContract
from tests.flink_job.test_redis_sink import Server


class TestRedisSink(SinkContract):
    name = "redis"

    @pytest.fixture(autouse=True)
    def empty_server(self, tmp_path: Path) -> Iterator[None]:
        self.server = Server(tmp_path)
        self.server.start()
        yield
        self.server.stop()

    def settings(self) -> Settings:
        return Settings(redis=self.server.settings)

    def delivered(self) -> Sequence[tuple[str, str]]:
        return [(alert.id, alert.state) for alert in self.server.live().alerts(5000)][::-1]


NAN = float("nan")


class TestJsonFormat(FormatContract):
    name = "json"
    good = [
        (b'{"series":"a","ts":1,"value":1.5}', b"a", ("a", 1, {"value": 1.5})),
        (b'{"series":"a","ts":"1970-01-01T00:00:00Z","value":null}', b"a", ("a", 0, {"value": NAN})),
        (b'{"series":"a","ts":1.0,"values":{"x":1,"y":null}}', None, ("a", 1, {"x": 1.0, "y": NAN})),
        ('{"value":-0.25,"ts":7,"more":"ü","series":"ü"}'.encode(), "ü".encode(), ("ü", 7, {"value": -0.25})),
    ]
    bad = [
        (b"", b"a"),
        (b"{", b"a"),
        (b"[]", b"a"),
        (b'{"series":"","ts":1,"value":1}', b""),
        (b'{"series":"a","ts":true,"value":1}', b"a"),
        (b'{"series":"a","ts":1,"value":Infinity}', b"a"),
        (b'{"series":"a","ts":1}', b"a"),
        (b'{"series":"\\ud800","ts":1,"value":1}', b"a"),
    ]


class TestFastJsonFormat(TestJsonFormat):
    """The shipped format as the job has it: with its fast path."""

    def make(self) -> Format:
        found = job_format("json", ANY_TIME)
        assert type(found).scan is not Format.scan
        return found
