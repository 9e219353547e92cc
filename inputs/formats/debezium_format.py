"""Read the change events of Debezium: the row after each change.

A message is ``{"rows": [row], "op": …, "source": …, "ts_ms": …}``, and ``each`` is ``rows`` unless the source says
otherwise. So a path is looked up in the row first, then in the event around it: ``temperature`` is a column,
``source.table`` is not; ``values: "*"`` takes numbers of the row alone. A column ``op`` hides the event's field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation, shown
from eddy.inputs import json_message
from eddy.inputs.formats.avro_format import REGISTRY_REASONS, AvroMessages
from eddy.inputs.formats.base import MessageFormat
from eddy.inputs.formats.connect_values import plain
from eddy.inputs.formats.options import check_names
from eddy.inputs.record import Record

_ROW = frozenset({"c", "u", "r"})  # created, updated, read by a snapshot
_NO_ROW = frozenset({"d", "t", "m"})  # deleted, truncated, a message of the database's log


class DebeziumMessages(MessageFormat):
    """Read change events.

    Args:
        options: ``encoding`` is ``json`` (with or without a schema beside the event) or ``avro`` (through a registry,
            with ``id_bytes`` and ``ids`` as the format ``avro`` has them).
        registry: where schemas are found.
    """

    name: ClassVar[str] = "debezium"
    defaults: ClassVar[Mapping[str, Any]] = {"each": "rows", "time": {"field": "source.ts_ms", "unit": "ms"}}
    reasons: ClassVar[frozenset[str]] = REGISTRY_REASONS

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        encoding = options.get("encoding", "json")
        if encoding not in {"json", "avro"}:
            message = f"encoding: found {shown(encoding)}, expected json or avro"
            raise ValueError(message)
        check_names(self.name, options, ("encoding",) if encoding == "json" else ("encoding", "id_bytes", "ids"))
        self._avro: AvroMessages | None = None
        if encoding == "avro":
            others = {name: one for name, one in options.items() if name != "encoding"}
            self._avro = AvroMessages(others, registry)

    def messages(self, record: Record) -> Iterable[Any]:
        """Return the row after the change; a deletion, a truncation and a tombstone have none."""
        if record.value is None:
            return ()
        if self._avro is not None:
            return [found for event in self._avro.messages(record) for found in _row(event, None)]
        found = json_message.parse(record.value)
        if isinstance(found, dict) and found.keys() == {"schema", "payload"}:
            return () if found["payload"] is None else _row(found["payload"], found["schema"])
        return _row(found, None)


def _row(event: Any, schema: Any) -> Iterable[Any]:
    if not isinstance(event, dict):
        raise BadObservation("not-an-object", f"found {shown(event)}, expected a change event")
    if "op" not in event:
        names = ", ".join(map(shown, list(event)[:10]))
        hint = "rows that ExtractNewRecordState has unwrapped are read by the format json or avro"
        raise BadObservation("bad-format", f"debezium: found no field 'op'; there are {names or 'none'}; {hint}")
    op = event["op"] if isinstance(event["op"], str) else None
    if op in _NO_ROW:
        return ()
    if op not in _ROW:
        raise BadObservation("bad-format", f"debezium: found op {shown(event['op'])}, expected c, u, r, d, t or m")
    row = event.get("after")
    if not isinstance(row, dict):
        raise BadObservation("bad-format", f"debezium: after: found {shown(row)}, expected the row")
    around = {name: one for name, one in event.items() if name not in {"before", "after"}}
    return ({**around, "rows": [plain(row, _schema_of_after(schema))]},)


def _schema_of_after(schema: Any) -> Any:
    fields = schema.get("fields") if isinstance(schema, dict) else None
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, dict) and field.get("field") == "after":
            return field
    return None
