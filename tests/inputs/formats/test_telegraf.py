"""Check that Telegraf's JSON is read: one metric, and a batch of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eddy.errors import SettingsError
from eddy.testing.message_formats import MessageFormatContract
from tests.inputs.formats.reading import T, read, seen

S = T // 1000


def metric(name: str = "cpu", time: float = S, **fields: Any) -> dict[str, Any]:
    return {"name": name, "tags": {"host": "a/b", "core": "0"}, "fields": fields, "timestamp": time}


def raw(*metrics: Any, batch: bool = False) -> bytes:
    return json.dumps({"metrics": metrics} if batch else metrics[0]).encode()


class TestTelegraf(MessageFormatContract):
    name = "telegraf-json"
    good = [
        (raw(metric(idle=1.5)), [{**metric(idle=1.5), "series": "cpu,core=0,host=a/b"}]),
        (
            raw(metric(idle=1), metric("mem", used=2), batch=True),
            [
                {**metric(idle=1), "series": "cpu,core=0,host=a/b"},
                {**metric("mem", used=2), "series": "mem,core=0,host=a/b"},
            ],
        ),
        (
            b'[{"name": "up time", "fields": {"s": "x"}}]',
            [{"name": "up time", "fields": {"s": "x"}, "series": r"up\ time"}],
        ),
        (
            raw(7, {"name": 1, "fields": {}}, {"name": "a"}, {"name": "a", "fields": {}, "tags": {"t": 1}}, batch=True),
            ["not-an-object", "bad-format", "bad-format", "bad-format"],
        ),
        (b'{"metrics": []}', []),
    ]
    bad = [b"", b"{", raw(*[{}] * 10_001, batch=True), b'{"metrics": ' + b"[" * 100 + b"]" * 100 + b"}"]


class TestTelegrafWithUnits(MessageFormatContract):
    name = "telegraf-json"
    options = {"timestamp_units": "1ms"}
    good = [(raw(metric(idle=1)), [{**metric(idle=1), "series": "cpu,core=0,host=a/b"}])]
    bad = [b"", b"7 8"]


def test_a_batch_becomes_a_series_for_each_field_without_further_settings() -> None:
    value = raw(
        metric(idle=1.5, user=2, os="linux", up=True), metric("system", uptime=7), metric("s", t="x"), batch=True
    )
    result = read({"format": "telegraf-json"}, value)
    assert seen(result) == [
        ("cpu,core=0,host=a%2Fb/fields.idle", T, {"value": 1.5}),
        ("cpu,core=0,host=a%2Fb/fields.user", T, {"value": 2.0}),
        ("system,core=0,host=a%2Fb/fields.uptime", T, {"value": 7.0}),
    ]
    assert result.skipped == 1, "a metric of texts alone"


@pytest.mark.parametrize(
    ("options", "time"),
    [
        ({}, S),
        ({}, T),
        ({}, T * 1000),
        ({}, T * 1_000_000),
        ({"timestamp_units": "1s"}, S),
        ({"timestamp_units": "1ms"}, T),
    ],
)
def test_times_have_the_unit_of_the_option_or_of_their_size(options: Any, time: int) -> None:
    source = {"format": {"name": "telegraf-json", **options}}
    assert [ts for _, ts, _ in seen(read(source, raw(metric(x=1, time=time))))] == [T]


def test_an_option_is_not_overruled_by_the_size() -> None:
    result = read({"format": {"name": "telegraf-json", "timestamp_units": "1ms"}}, raw(metric(x=1)))
    assert "bad-time" in str(result.refusals)
    assert "looks like epoch seconds" in str(result.refusals)


def test_tags_make_the_series_where_the_source_says_so() -> None:
    source = {"format": "telegraf-json", "series": "{tags.host}", "values": {"idle": "fields.idle"}, "split": False}
    assert seen(read(source, raw(metric(idle=1)))) == [("a/b", T, {"idle": 1.0})]


def test_a_bad_metric_refuses_only_itself() -> None:
    result = read({"format": "telegraf-json"}, raw(metric(x=1), {"name": "x"}, metric(x=3), batch=True))
    assert [one.values["value"] for one in result.observations] == [1.0, 3.0]
    assert [str(one) for one in result.refusals] == [
        "bad-format: [1]: found name 'x' and fields None, expected a text and an object"
    ]


def test_a_wrong_unit_is_refused() -> None:
    with pytest.raises(SettingsError, match="timestamp_units: found '10ms', expected 1s, 1ms, 1us, 1ns"):
        read({"format": {"name": "telegraf-json", "timestamp_units": "10ms"}}, b"")
