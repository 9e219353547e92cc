"""Read what Telegraf writes with ``data_format = "json"``: one metric, or a batch of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation, shown
from eddy.inputs import json_message
from eddy.inputs.formats.base import MessageFormat, only
from eddy.inputs.formats.bounds import content
from eddy.inputs.formats.influx_format import series_key
from eddy.inputs.formats.options import check_names, choice
from eddy.inputs.record import Record

UNITS = {"1s": "s", "1ms": "ms", "1us": "us", "1ns": "ns"}


class TelegrafJson(MessageFormat):
    """Read ``{"name", "tags": {}, "fields": {}, "timestamp"}``, and add ``series``: name and tags as InfluxDB has them.

    Numbers are features, each a series of its own (``<series>/fields.<key>``), since metrics of the same tags and time
    often have different fields; strings and booleans are none.

    Options:
        timestamp_units: what Telegraf's ``json_timestamp_units`` says: 1s, 1ms, 1us or 1ns; without it, the size of
            each number says the unit.

    Examples:
        >>> one = TelegrafJson({}, SchemaRegistrySettings())
        >>> value = b'{"name": "cpu", "tags": {"host": "a"}, "fields": {"idle": 1}, "timestamp": 1735689600}'
        >>> one.messages(Record("t", value=value))[0]["series"]
        'cpu,host=a'
    """

    name: ClassVar[str] = "telegraf-json"
    defaults: ClassVar[Mapping[str, Any]] = {
        "time": {"field": "timestamp"},
        "values": "*",
        "split": True,
        "missing": "skip",
    }

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        check_names(self.name, options, ("timestamp_units",))
        if "timestamp_units" in options:
            unit = UNITS[choice(options, "timestamp_units", "1s", UNITS)]
            time = {"field": "timestamp", "unit": unit}
            self.defaults = {**self.defaults, "time": time}  # type: ignore[misc]  # of this object

    def messages(self, record: Record) -> Iterable[Any]:
        """Return a dict for each metric; one that is none refuses only itself."""
        found = json_message.parse(content(record, "a metric of Telegraf"))
        if isinstance(found, dict) and isinstance(found.get("metrics"), list):
            found = found["metrics"]
        return [_metric(one) for one in only(found)]


def _metric(found: Any) -> Any:
    if not isinstance(found, dict):
        return BadObservation("not-an-object", f"found {shown(found)}, expected a metric of Telegraf")
    name, tags, fields = found.get("name"), found.get("tags", {}), found.get("fields")
    if not isinstance(name, str) or not isinstance(fields, dict):
        problem = f"found name {shown(name)} and fields {shown(fields)}, expected a text and an object"
        return BadObservation("bad-format", problem)
    if not isinstance(tags, dict) or not all(isinstance(one, str) for one in tags.values()):
        return BadObservation("bad-format", f"found the tags {shown(tags)}, expected an object of texts")
    return {**found, "series": series_key(name, tags)}
