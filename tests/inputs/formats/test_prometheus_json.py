"""Check that the JSON of prometheus-kafka-adapter is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eddy.testing.message_formats import MessageFormatContract
from tests.inputs.formats.reading import T, read, seen


def sample(value: str = "1.5", name: str = "up", **labels: str) -> dict[str, Any]:
    return {"timestamp": "2025-01-01T00:00:00Z", "value": value, "name": name, "labels": {"__name__": name, **labels}}


class TestPrometheusJson(MessageFormatContract):
    name = "prometheus-json"
    good = [
        (json.dumps(sample(job="a")).encode(), [{**sample(job="a"), "series": 'up{job="a"}'}]),
        (
            json.dumps([sample(z='q"\\\n', a=""), 7, {"name": 1}, {"name": "a", "labels": {"x": 1}}]).encode(),
            [
                {**sample(z='q"\\\n', a=""), "series": r'up{a="",z="q\"\\\n"}'},
                "not-an-object",
                "bad-format",
                "bad-format",
            ],
        ),
        (b'{"labels": {"__name__": "up"}}', [{"labels": {"__name__": "up"}, "name": "up", "series": "up"}]),
    ]
    bad = [b"", b"up 1", json.dumps([sample()] * 10_001).encode()]


@pytest.mark.parametrize(("value", "expected"), [("1.5", 1.5), ("1e+06", 1e6), ("NaN", None), ("-0", 0.0)])
def test_a_value_is_a_number_as_text(value: str, expected: float | None) -> None:
    result = read({"format": "prometheus-json"}, json.dumps(sample(value, job="a", instance="h:9")).encode())
    assert seen(result) == [('up{instance="h:9",job="a"}', T, {"value": expected})]


@pytest.mark.parametrize("value", ["+Inf", "-Inf", "high", ""])
def test_what_is_no_finite_number_is_refused(value: str) -> None:
    result = read({"format": "prometheus-json"}, json.dumps(sample(value)).encode())
    assert [one.reason for one in result.refusals] == ["bad-value"]


def test_labels_make_the_series_where_the_source_says_so() -> None:
    source = {"format": "prometheus-json", "where": {"name": "up"}, "series": "{labels.job}/{labels.instance}"}
    assert seen(read(source, json.dumps(sample(job="a", instance="h/1")).encode())) == [("a/h%2F1", T, {"value": 1.5})]
    assert read(source, json.dumps(sample(name="down")).encode()).skipped == 1
