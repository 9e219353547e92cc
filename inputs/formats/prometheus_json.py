"""Read what prometheus-kafka-adapter writes as JSON: one sample, or an array of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from eddy.formats import BadObservation, shown
from eddy.inputs import json_message
from eddy.inputs.formats.base import MessageFormat, only
from eddy.inputs.formats.bounds import content
from eddy.inputs.formats.series_names import labelled
from eddy.inputs.record import Record

NAME = "__name__"  # the label that holds the metric's name


class PrometheusJson(MessageFormat):
    """Read ``{"name", "labels": {}, "timestamp", "value"}``, and add ``series``: ``name{label="value",…}``.

    ``timestamp`` is RFC 3339 text, ``value`` a number as text. ``NaN``, as which stale markers come, is a missing
    value; an infinite one is refused.

    Examples:
        >>> from eddy.connection_settings import SchemaRegistrySettings
        >>> one = PrometheusJson({}, SchemaRegistrySettings())
        >>> value = b'{"timestamp": "2025-01-01T00:00:00Z", "value": "1", "name": "up", "labels": {"job": "a"}}'
        >>> one.messages(Record("t", value=value))[0]["series"]
        'up{job="a"}'
    """

    name: ClassVar[str] = "prometheus-json"
    defaults: ClassVar[Mapping[str, Any]] = {"time": {"field": "timestamp", "unit": "iso"}, "numbers": "text"}

    def messages(self, record: Record) -> Iterable[Any]:
        """Return a dict for each sample; one that is none refuses only itself."""
        return [_sample(one) for one in only(json_message.parse(content(record, "a sample of Prometheus")))]


def _sample(found: Any) -> Any:
    if not isinstance(found, dict):
        return BadObservation("not-an-object", f"found {shown(found)}, expected a sample of Prometheus")
    labels = found.get("labels", {})
    if not isinstance(labels, dict) or not all(isinstance(one, str) for one in labels.values()):
        return BadObservation("bad-format", f"found the labels {shown(labels)}, expected an object of texts")
    name = found.get("name", labels.get(NAME))
    if not isinstance(name, str):
        return BadObservation("bad-format", f"found the name {shown(name)}, expected a text")
    series = labelled(name, sorted((label, one) for label, one in labels.items() if label != NAME))
    return {**found, "name": name, "series": series}
