"""Read CloudEvents 1.0 as Kafka's binding has them: as one JSON object, or as headers with the data as value."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from eddy.event_times import iso
from eddy.formats import BadObservation, shown
from eddy.inputs import json_message
from eddy.inputs.formats.base import MessageFormat, only
from eddy.inputs.formats.bounds import check_bytes, content
from eddy.inputs.record import NO_TIMESTAMP, Record

_PREFIX = "ce_"
_REQUIRED = ("id", "source", "type")
_STRUCTURED = "application/cloudevents"


class CloudEvents(MessageFormat):
    """Read events as ``{"id", "source", "type", "subject", "time", …, "data", "series"}``.

    In both modes attributes are texts, and ``data`` is what its JSON says; data of another content type are text, or
    left out where they are no text. ``time`` is RFC 3339; that of an event without one is the record's timestamp.
    ``series``, where no attribute has that name, is the source, with the subject behind a blank if there is one. All
    numbers of the data are features.

    Examples:
        >>> from eddy.connection_settings import SchemaRegistrySettings
        >>> one = CloudEvents({}, SchemaRegistrySettings())
        >>> headers = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"reading"), ("ce_source", b"/pump/7")]
        >>> (event,) = one.messages(Record("t", value=b'{"temp": 4.2}', headers=headers))
        >>> event["source"], event["data"], event["series"]
        ('/pump/7', {'temp': 4.2}, '/pump/7')
    """

    name: ClassVar[str] = "cloudevents"
    defaults: ClassVar[Mapping[str, Any]] = {"time": {"field": "time", "unit": "iso"}, "values": "*"}

    def messages(self, record: Record) -> Iterable[Any]:
        """Return a dict for each event: one, or those of an array."""
        headers = {name.lower(): value for name, value in record.headers}
        kind = _text("content-type", headers.get("content-type") or b"")
        structured = kind.lower().startswith(_STRUCTURED)
        if not structured and any(name.startswith(_PREFIX) for name in headers):
            check_bytes(len(record.value or b""))
            return (_complete(_binary(record.value, headers, kind), record),)
        if structured and not _is_json(kind):
            raise BadObservation("bad-format", f"found content-type {shown(kind)}, expected {_STRUCTURED}+json")
        events = only(json_message.parse(content(record, "an event as JSON")))
        return [_structured(one, record) for one in events]


def _binary(value: bytes | None, headers: Mapping[str, bytes | None], kind: str) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for name, found in headers.items():
        if name.startswith(_PREFIX) and name != f"{_PREFIX}data":
            event[name.removeprefix(_PREFIX)] = _text(name, found or b"")
    if kind:
        event["datacontenttype"] = kind
    return event | _data(value, kind) if value else event


def _structured(found: Any, record: Record) -> Any:
    if not isinstance(found, dict):
        return BadObservation("not-an-object", f"found {shown(found)}, expected an event")
    event = {name: _attribute(one) for name, one in found.items() if one is not None or name == "data"}
    if "data" in found:
        event["data"] = found["data"]
    try:
        if (encoded := event.pop("data_base64", None)) is not None:
            event |= _data(_decoded(encoded), str(event.get("datacontenttype", "")))
        return _complete(event, record)
    except BadObservation as problem:
        return problem


def _complete(event: dict[str, Any], record: Record) -> dict[str, Any]:
    """Check what every event has, and add what it may leave out."""
    version = event.get("specversion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise BadObservation("bad-format", f"found specversion {shown(version)}, expected an event of version 1.0")
    for name in _REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise BadObservation("bad-format", f"found the {name} {shown(event.get(name))}, expected a text")
    if "time" not in event and record.timestamp != NO_TIMESTAMP:
        event["time"] = iso(record.timestamp)
    if "series" not in event:
        event["series"] = f"{event['source']} {event['subject']}" if event.get("subject") else event["source"]
    return event


def _attribute(found: Any) -> Any:
    """Return an attribute as text, as it is in a header."""
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, int) else found


def _data(value: bytes, kind: str) -> dict[str, Any]:
    """Return the data of an event, if they are JSON or text."""
    if _is_json(kind):
        return {"data": json_message.parse(value)}
    try:
        return {"data": json_message.parse(value) if not kind else value.decode()}
    except UnicodeDecodeError:
        return {}
    except BadObservation as problem:
        if problem.reason == "too-many":
            raise
        return {}


def _is_json(kind: str) -> bool:
    media = kind.partition(";")[0].strip().lower()
    return media.endswith(("/json", "+json"))


def _decoded(found: Any) -> bytes:
    try:
        return base64.b64decode(found, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise BadObservation("bad-format", f"data_base64: found {shown(found)}, expected Base64") from None


def _text(name: str, found: bytes) -> str:
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise BadObservation("bad-format", f"header {name}: found {shown(found)}, expected UTF-8") from None
