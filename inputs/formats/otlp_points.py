"""Turn parsed metrics of OpenTelemetry into plain trees, one for each data point."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from eddy.inputs.formats.series_names import labelled
from eddy.inputs.record import NO_TIMESTAMP

_NO_RECORDED_VALUE = 1  # flag of a data point
_TEMPORALITY = {1: "delta", 2: "cumulative"}
_NS_PER_MS = 1_000_000
#: attributes of a resource that say which build or process it is: a new one would be a new series after each restart
_NO_IDENTITY = ("telemetry.", "process.", "os.", "service.version")

Tree = dict[str, Any]


def points(metrics: Any, timestamp: int) -> Iterator[Tree]:
    """Yield the tree of each data point.

    Args:
        metrics: a parsed ``MetricsData``.
        timestamp: of the record, epoch ms, for points without a time.
    """
    for of_resource in metrics.resource_metrics:
        resource = _attributes(of_resource.resource.attributes)
        identity = [one for one in _labels(resource) if not one[0].startswith(_NO_IDENTITY)]
        for of_scope in of_resource.scope_metrics:
            scope = of_scope.scope
            around = {
                "resource": resource,
                "scope": {"name": scope.name, "version": scope.version, "attributes": _attributes(scope.attributes)},
            }
            for metric in of_scope.metrics:
                kind = metric.WhichOneof("data")
                if kind is None:
                    continue
                data = getattr(metric, kind)
                about = {"name": metric.name, "unit": metric.unit, "kind": kind, **_counting(kind, data), **around}
                for point in data.data_points:
                    attributes = _attributes(point.attributes)
                    series = labelled(metric.name, [*identity, *_labels(attributes)])
                    times = _times(point, timestamp)
                    yield {"series": series, **about, "attributes": attributes, **times, **_values(kind, point)}


def _counting(kind: str, data: Any) -> Tree:
    """Say how the points of a metric add up."""
    found: Tree = {"monotonic": data.is_monotonic} if kind == "sum" else {}
    if kind not in {"gauge", "summary"}:
        found["temporality"] = _TEMPORALITY.get(data.aggregation_temporality, "")
    return found


def _times(point: Any, timestamp: int) -> Tree:
    found = {"start_time_unix_nano": point.start_time_unix_nano} if point.start_time_unix_nano else {}
    if point.time_unix_nano:
        found["time_unix_nano"] = point.time_unix_nano
    elif timestamp != NO_TIMESTAMP:
        found["time_unix_nano"] = timestamp * _NS_PER_MS
    return found


def _values(kind: str, point: Any) -> Tree:
    """Return the numbers of a data point; of one without a recorded value, missing ones."""
    if kind in {"gauge", "sum"}:
        if point.flags & _NO_RECORDED_VALUE:
            return {"value": math.nan}
        which = point.WhichOneof("value")
        return {"value": getattr(point, which)} if which else {}
    if point.flags & _NO_RECORDED_VALUE:
        return {"count": math.nan, "sum": math.nan, "mean": math.nan}
    found: Tree = {"count": point.count}
    if kind == "summary" or point.HasField("sum"):
        found["sum"] = point.sum
        found["mean"] = point.sum / point.count if point.count else math.nan
    if kind == "summary":
        found["quantiles"] = {f"{one.quantile:g}": one.value for one in point.quantile_values}
    else:
        found |= {name: getattr(point, name) for name in ("min", "max") if point.HasField(name)}
    return found


def _attributes(found: Iterable[Any]) -> Tree:
    return {one.key: _plain(one.value) for one in found}


def _plain(value: Any) -> Any:
    """Return an attribute's value; bytes are Base64, as in JSON."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return None if kind is None else getattr(value, kind)


def _labels(attributes: Tree) -> list[tuple[str, str]]:
    """Return attributes as texts, in order of their names."""
    return sorted((name, one if isinstance(one, str) else json.dumps(one)) for name, one in attributes.items())
