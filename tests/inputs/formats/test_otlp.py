"""Check that metrics of OpenTelemetry are read, as its own SDK encodes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from eddy.inputs.formats.otlp_format import MAX_BYTES
from eddy.testing.message_formats import MessageFormatContract
from tests.inputs.formats.reading import T, read, seen

NS = T * 1_000_000
METRICS: Any = metrics_pb2.MetricsData  # as dicts make it, which its types do not say
TRACES: Any = trace_pb2.TracesData
RESOURCE = {"service.name": "cart", "host.name": "h", "service.version": "2", "process.pid": 7, "telemetry.x": "y"}
IDENTITY = 'host.name="h",service.name="cart"'
AROUND = {"resource": RESOURCE, "scope": {"name": "lib", "version": "1", "attributes": {"s": "t"}}}


def values(**found: Any) -> list[Any]:
    def value(one: Any) -> AnyValue:
        if isinstance(one, dict):
            return AnyValue(kvlist_value=KeyValueList(values=values(**one)))
        if isinstance(one, list):
            return AnyValue(array_value=ArrayValue(values=map(value, one)))
        name = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value"}
        return AnyValue() if one is None else AnyValue(**{name[type(one)]: one})

    return [KeyValue(key=name, value=value(one)) for name, one in found.items()]


def request(*metrics: dict[str, Any]) -> Any:
    scope = {"name": "lib", "version": "1", "attributes": values(s="t")}
    of_scope = {"scope": scope, "metrics": metrics}
    return METRICS(resource_metrics=[{"resource": {"attributes": values(**RESOURCE)}, "scope_metrics": [of_scope]}])


def gauge(name: str = "g", **point: Any) -> dict[str, Any]:
    return {"name": name, "unit": "Cel", "gauge": {"data_points": [{"time_unix_nano": NS, **point}]}}


def tree(name: str, kind: str, labels: str = "", unit: str = "", **more: Any) -> dict[str, Any]:
    found = {"name": name, "kind": kind, "unit": unit, **AROUND, "attributes": {}, "time_unix_nano": NS}
    return {"series": f"{name}{{{IDENTITY}{labels}}}", **found, **more}


EVERY_KIND = request(
    gauge(as_double=1.5, attributes=values(**{"pump.id": "7", "n": 7, "ok": True})),
    gauge(as_int=-(2**63), attributes=values(f=0.5, l=["a", None, 1], d={"x": [{}]}, b=b"\x00\xff", none=None)),
    gauge("stale", flags=1),
    gauge("empty"),
    {"name": "nothing"},
    {
        "name": "s",
        "sum": {
            "aggregation_temporality": 1,
            "is_monotonic": True,
            "data_points": [{"as_int": 3, "start_time_unix_nano": 5}],
        },
    },
    {
        "name": "h",
        "histogram": {
            "aggregation_temporality": 2,
            "data_points": [
                {
                    "time_unix_nano": NS,
                    "count": 2,
                    "sum": 3,
                    "min": 1,
                    "max": 2,
                    "bucket_counts": [1, 1],
                    "explicit_bounds": [1.5],
                },
                {"time_unix_nano": NS, "count": 0, "sum": 0},
                {"time_unix_nano": NS, "count": 2},
                {"time_unix_nano": NS, "flags": 1},
            ],
        },
    },
    {"name": "e", "exponential_histogram": {"data_points": [{"time_unix_nano": NS, "count": 4, "sum": 2, "max": 9}]}},
    {
        "name": "q",
        "summary": {
            "data_points": [
                {
                    "time_unix_nano": NS,
                    "count": 2,
                    "sum": 5,
                    "quantile_values": [{"quantile": 0.5, "value": 1}, {"quantile": 1.0, "value": 4}],
                }
            ]
        },
    },
)
D = {"temporality": "delta"}
C = {"temporality": "cumulative"}
NESTED = {"f": 0.5, "l": ["a", None, 1], "d": {"x": [{}]}, "b": "AP8=", "none": None}
NESTED_LABELS = ',b="AP8=",d="{\\"x\\": [{}]}",f="0.5",l="[\\"a\\", null, 1]",none="null"'
TREES = [
    tree(
        "g", "gauge", ',n="7",ok="true",pump.id="7"', "Cel", value=1.5, attributes={"pump.id": "7", "n": 7, "ok": True}
    ),
    tree("g", "gauge", NESTED_LABELS, "Cel", value=-(2**63), attributes=NESTED),
    tree("stale", "gauge", "", "Cel", value="NaN"),
    tree("empty", "gauge", "", "Cel"),
    tree("s", "sum", value=3, monotonic=True, start_time_unix_nano=5, **D),
    tree("h", "histogram", count=2, sum=3.0, mean=1.5, min=1.0, max=2.0, **C),
    tree("h", "histogram", count=0, sum=0.0, mean="NaN", **C),
    tree("h", "histogram", count=2, **C),
    tree("h", "histogram", count="NaN", sum="NaN", mean="NaN", **C),
    tree("e", "exponential_histogram", count=4, sum=2.0, mean=0.5, max=9.0, temporality=""),
    tree("q", "summary", count=2, sum=5.0, mean=2.5, quantiles={"0.5": 1.0, "1": 4.0}),
]


def as_json(found: Any) -> bytes:
    return json.dumps(MessageToDict(found)).encode()


#: trace ids are in hexadecimal, not in Base64 as all other bytes
EXEMPLAR = {"traceId": "5b8aa5a2d2c872e8321cf37308d69df2", "spanId": "051581bf3cb55c13", "asDouble": 1}
POINT = {"asInt": "7", "timeUnixNano": str(NS), "exemplars": [EXEMPLAR]}
METRIC = {"name": "g", "gauge": {"dataPoints": [POINT]}}
WITH_EXEMPLAR = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [METRIC]}]}]}).encode()
NO_SCOPE = {"name": "", "version": "", "attributes": {}}


class TestOtlpProto(MessageFormatContract):
    name = "otlp-proto"
    good = [
        (EVERY_KIND.SerializeToString(), TREES),
        (METRICS(resource_metrics=[{}, {"scope_metrics": [{"metrics": [{"gauge": {}}]}]}]).SerializeToString(), []),
    ]
    bad = [
        b"",
        b"no Protobuf",
        b"\x7a\x01x",  # another message
        EVERY_KIND.SerializeToString()[:-1],
        request(*[gauge(as_int=1)] * 10_001).SerializeToString(),
        request(gauge("g" * MAX_BYTES)).SerializeToString(),
        as_json(EVERY_KIND),
    ]


class TestOtlpJson(MessageFormatContract):
    name = "otlp-json"
    good = [
        (as_json(EVERY_KIND), TREES),
        (b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"gauge": {}}]}], "later": [1]}]}', []),
        (WITH_EXEMPLAR, [{**tree("g", "gauge", value=7), "resource": {}, "series": "g", "scope": NO_SCOPE}]),
    ]
    bad = [
        b"",
        b"{",
        b"7",
        b"{}",
        b'{"resourceMetrics": [7]}',
        b'{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"gauge": {"dataPoints": [{"asInt": "1.5"}]}}]}]}]}',
        as_json(request(*[gauge(as_int=1)] * 10_001)),
        EVERY_KIND.SerializeToString(),
    ]


@pytest.mark.parametrize(("name", "write"), [("otlp-proto", METRICS.SerializeToString), ("otlp-json", as_json)])
def test_each_number_of_each_kind_is_a_series_without_further_settings(name: str, write: Any) -> None:
    result = read({"format": name}, write(EVERY_KIND))
    h, e, q = (f"{one}{{{IDENTITY}}}" for one in "heq")
    assert {(series, ts, value) for series, ts, found in seen(result)[3:] for value in found.values()} == {
        (f"s{{{IDENTITY}}}/value", T, 3.0),
        *[(f"{h}/{kind}", T, value) for kind, value in (("count", 2.0), ("sum", 3.0), ("mean", 1.5))],
        *[(f"{h}/{kind}", T, value) for kind, value in (("count", 0.0), ("sum", 0.0), ("mean", None))],
        *[(f"{h}/{kind}", T, None) for kind in ("count", "sum", "mean")],
        *[(f"{e}/{kind}", T, value) for kind, value in (("count", 4.0), ("sum", 2.0), ("mean", 0.5))],
        *[(f"{q}/{kind}", T, value) for kind, value in (("count", 2.0), ("sum", 5.0), ("mean", 2.5))],
    }
    assert result.skipped == 1, "the gauge without a number"


def measured() -> Any:
    """Measure with the SDK, and encode with its exporter."""
    reader = InMemoryMetricReader()
    exponential = View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())
    resource = Resource.create({"service.name": "cart", "service.instance.id": "i/1"})
    meter = MeterProvider([reader], resource=resource, views=[exponential]).get_meter("lib", "1")
    meter.create_counter("http.requests").add(3, {"http.route": "/x", "http.status_code": 200})
    meter.create_up_down_counter("queue").add(-2.5)
    meter.create_observable_gauge("temp", [lambda _: []])
    for size in (1, 3):
        meter.create_histogram("duration", unit="s").record(size / 2)
        meter.create_histogram("size").record(size)
    return encode_metrics(reader.get_metrics_data())


@pytest.mark.parametrize("name", ["otlp-proto", "otlp-json"])
def test_what_the_sdk_measures_becomes_observations(name: str) -> None:
    found = measured()
    value = found.SerializeToString() if name == "otlp-proto" else as_json(found)
    service = 'service.instance.id="i%2F1",service.name="cart"'
    result = seen(read({"format": name}, value))
    assert {series: found["value"] for series, _, found in result} == {
        f'http.requests{{{service},http.route="%2Fx",http.status_code="200"}}/value': 3.0,
        f"queue{{{service}}}/value": -2.5,
        f"duration{{{service}}}/count": 2.0,
        f"duration{{{service}}}/sum": 2.0,
        f"duration{{{service}}}/mean": 1.0,
        f"size{{{service}}}/count": 2.0,
        f"size{{{service}}}/sum": 4.0,
        f"size{{{service}}}/mean": 2.0,
    }
    source = {
        "format": name, "where": {"name": "http.*", 'attributes["http.status_code"]': 200}, "split": False,
        "series": '{resource["service.name"]}:{attributes["http.route"]}', "values": {"requests": "value"},
    }  # fmt: skip
    ((series, ts, one),) = seen(read(source, value))
    (point,) = found.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    assert (series, ts, one) == ("cart:/x", (point.time_unix_nano + 500_000) // 1_000_000, {"requests": 3.0})


def test_a_point_without_time_has_that_of_its_record() -> None:
    value = request({"name": "g", "gauge": {"data_points": [{"as_int": 1}]}}).SerializeToString()
    assert [ts for _, ts, _ in seen(read({"format": "otlp-proto"}, value, timestamp=T + 3))] == [T + 3]


def test_traces_are_refused() -> None:
    spans = [{"trace_id": bytes(range(240, 256)), "span_id": b"\xfe" * 8, "name": "s"}]
    value = TRACES(resource_spans=[{"scope_spans": [{"spans": spans}]}]).SerializeToString()
    assert [one.reason for one in read({"format": "otlp-proto"}, value).refusals] == ["bad-format"]
