"""Read what Prometheus sends by remote write 1.0: Protobuf, compressed with Snappy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation
from eddy.inputs.formats.base import MessageFormat
from eddy.inputs.formats.bounds import check_bytes, content, limited
from eddy.inputs.formats.options import check_names, choice, library
from eddy.inputs.formats.prometheus_json import NAME
from eddy.inputs.formats.prometheus_messages import check_fields, write_request
from eddy.inputs.formats.series_names import labelled
from eddy.inputs.record import Record

_FRAMED = b"\xff\x06\x00\x00sNaPpY"


class PrometheusWrites(MessageFormat):
    """Read each sample as ``{"name", "labels": {}, "value", "timestamp", "series"}``: the tree of ``prometheus-json``.

    ``timestamp`` is epoch milliseconds, ``series`` is ``name{label="value",…}``. Stale markers are missing values. A
    request without samples, such as one of metadata, counts as skipped. Native histograms are left out: they are
    buckets, no number; their counts are to be had as classic histograms.

    Options:
        compression: snappy (the block format, as in HTTP), or none; ``snappy``.
    """

    name: ClassVar[str] = "prometheus"
    defaults: ClassVar[Mapping[str, Any]] = {"time": {"field": "timestamp", "unit": "ms"}}

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        check_names(self.name, options, ("compression",))
        compressed = choice(options, "compression", "snappy", ("snappy", "none")) == "snappy"
        self._cramjam = library("cramjam", self.name) if compressed else None
        self._request = write_request(self.name)
        self._broken: type[Exception] = library("google.protobuf.message", self.name).DecodeError

    def messages(self, record: Record) -> Iterable[Any]:
        """Return a dict for each sample."""
        value = content(record, "a write request of Prometheus")
        raw = value if self._cramjam is None else self._decompressed(value)
        check_fields(raw)
        try:
            request = self._request.FromString(raw)
        except self._broken as error:
            raise BadObservation("bad-format", f"{error}; expected prometheus.WriteRequest") from None
        if not request.timeseries and not request.metadata and raw:
            found = "remote write 2.0" if request.timeseries2 or request.symbols else "another message"
            raise BadObservation("bad-format", f"found {found}, expected remote write 1.0 (prometheus.WriteRequest)")
        return limited(_samples(request))

    def _decompressed(self, value: bytes) -> bytes:
        assert self._cramjam is not None  # noqa: S101  # for mypy
        if value.startswith(_FRAMED):
            raise BadObservation("bad-format", "found Snappy's stream format, expected its block format")
        try:
            check_bytes(self._cramjam.snappy.decompress_raw_len(value))  # what it says, before anything is made
            return bytes(self._cramjam.snappy.decompress_raw(value))
        except self._cramjam.DecompressionError as error:
            raise BadObservation("bad-format", f"{error}; expected a block of Snappy") from None


def _samples(request: Any) -> Iterator[dict[str, Any]]:
    for series in request.timeseries:
        if not series.samples:
            continue
        labels = {label.name: label.value for label in series.labels}
        name = labels.get(NAME, "")
        text = labelled(name, sorted((label, one) for label, one in labels.items() if label != NAME))
        for sample in series.samples:
            yield {
                "name": name,
                "labels": labels,
                "value": sample.value,
                "timestamp": sample.timestamp,
                "series": text,
            }
