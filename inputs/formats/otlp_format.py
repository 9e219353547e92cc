"""Read metrics of OpenTelemetry as its collectors write them to Kafka: Protobuf, or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation, shown
from eddy.inputs import json_message
from eddy.inputs.formats.base import MessageFormat
from eddy.inputs.formats.bounds import content, limited
from eddy.inputs.formats.options import check_names, library
from eddy.inputs.formats.otlp_points import points
from eddy.inputs.record import Record

MAX_BYTES = 4 * 1024 * 1024  # what OTLP's receivers take by gRPC; a parsed request takes up to 32 times its bytes
_DEFAULTS: Mapping[str, Any] = {
    "time": {"field": "time_unix_nano", "unit": "ns"},
    "values": {"value": "value", "count": "count", "sum": "sum", "mean": "mean"},
    "split": True,
    "missing": "skip",
}
_EXPECTED = "an ExportMetricsServiceRequest"


class OtlpProto(MessageFormat):
    """Read each data point of a request (or ``MetricsData``, the same bytes) as one message.

    ``name``, ``unit``, ``kind`` (gauge, sum, histogram, exponential_histogram, summary), ``resource``, ``attributes``
    and ``scope.attributes`` (by name: ``resource["service.name"]``), ``scope.name``, ``time_unix_nano`` (where a point
    has none, the record's timestamp), ``temporality`` (delta, cumulative), ``monotonic``. Gauges and sums have a
    ``value``; the others ``count``, ``sum``, ``mean`` of it and, where they are given, ``min``, ``max``, ``quantiles``.
    Points without a recorded value have missing values.

    ``series`` is ``name{attribute="value",…}`` of resource and point, without the resource's attributes
    ``telemetry.*``, ``process.*``, ``os.*`` and ``service.version``. Each number is a series of
    its own: ``<series>/value``.
    """

    name: ClassVar[str] = "otlp-proto"
    defaults: ClassVar[Mapping[str, Any]] = _DEFAULTS

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        check_names(self.name, options, ())
        self._metrics = library("opentelemetry.proto.metrics.v1.metrics_pb2", self.name).MetricsData
        self._broken: type[Exception] = library("google.protobuf.message", self.name).DecodeError

    def messages(self, record: Record) -> Iterable[Any]:
        """Return a dict for each data point."""
        metrics = self._parsed(content(record, _EXPECTED, MAX_BYTES))
        if not metrics.resource_metrics:
            raise BadObservation("bad-format", f"found no resource metrics, expected {_EXPECTED}")
        return limited(points(metrics, record.timestamp))

    def _parsed(self, value: bytes) -> Any:
        try:
            return self._metrics.FromString(value)
        except self._broken as error:
            raise BadObservation("bad-format", f"{error}; expected {_EXPECTED}") from None


class OtlpJson(OtlpProto):
    """Read the same as JSON: the same messages, defaults and series.

    Field names are in lower camel case, whole numbers of 64 bits are texts. Fields that are unknown are left out.
    """

    name: ClassVar[str] = "otlp-json"

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        super().__init__(options, registry)
        self._read = library("google.protobuf.json_format", self.name).ParseDict

    def _parsed(self, value: bytes) -> Any:
        found = json_message.parse(value)
        if not isinstance(found, dict):
            raise BadObservation("not-an-object", f"found {shown(found)}, expected {_EXPECTED}")
        try:
            return self._read(found, self._metrics(), ignore_unknown_fields=True)
        except Exception as error:  # ParseError of most faults, what Python raises of others
            raise BadObservation("bad-format", f"{error}; expected {_EXPECTED}") from None
