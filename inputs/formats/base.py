"""Define what a message format does: turn a record into messages of plain values, which a mapping then reads.

Another package adds a format as one class and one entry point of the group ``eddy.formats``; see
``docs/how-to/format.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from eddy.connection_settings import SchemaRegistrySettings
from eddy.errors import SettingsError
from eddy.formats import BadObservation, Format, find_format
from eddy.inputs.record import Record
from eddy.plugins import ClassRegistry

MAX_ELEMENTS = 10_000  # of an array, each of whose elements is read


class MessageFormat(ABC):
    """Turn one record into messages. Extend this class and write :meth:`messages`.

    The runtime makes one object for each input source and uses it from one thread. The same record has to give the same
    messages each time: it is read again after a restart, and when a model is trained.

    Args:
        options: what stands beside ``name`` in ``format`` of the source.
        registry: where schemas are found, for formats that have some.

    Raises:
        ValueError: an option is unknown or wrong; the message names it, what was found and what was expected.

    Attributes:
        name: what ``format`` of a source calls it; the entry point has the same name.
        defaults: settings of a source that are used where it does not say, such as its ``time``.
        reasons: why :meth:`messages` may refuse a record, beside those of a mapping.
    """

    name: ClassVar[str]
    defaults: ClassVar[Mapping[str, Any]] = {}
    reasons: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        if options:
            message = f"found the option {next(iter(options))!r}, expected none: {self.name} has no options"
            raise ValueError(message)

    @abstractmethod
    def messages(self, record: Record) -> Iterable[Any]:
        """Return the messages of a record, usually one.

        A message is a dict with texts as keys; it holds dicts, lists, texts, whole numbers, floats (NaN is a missing
        value), booleans and None. A record that is none of the source's observations, such as a tombstone, has no
        messages: it is counted as skipped. Where one of many messages cannot be read, a :class:`BadObservation` in its
        place refuses it alone.

        Raises:
            BadObservation: the record is no message of this format. Any other exception but :class:`SettingsError` and
                :class:`StackError` becomes one of the reason ``bad-format``: it costs the record, not the job.
            StackError: a service that is needed does not answer; the record is tried again.
            SettingsError: no record can be read: the job stops with this text.
        """


class _OneObservation(MessageFormat):
    """Use a format of ``job.format``: its record is one observation already."""

    def __init__(self, name: str, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        unknown = next((one for one in options if one != "argument"), None)
        if unknown is not None:
            message = f"found the option {unknown!r}, expected 'argument': {name} reads one observation of a record"
            raise ValueError(message)
        self.name = name  # type: ignore[misc]  # of this object
        self._format: Format = find_format(f"{name}:{options.get('argument', '')}")

    def messages(self, record: Record) -> Iterable[Any]:
        series, ts, values = self._format.read(record.value or b"", record.key)
        return ({"series": series, "ts": ts, **(values if "value" in values else {}), "values": values},)


#: message formats by name
MESSAGE_FORMATS: ClassRegistry[MessageFormat] = ClassRegistry(
    "format",
    "eddy.formats",
    "eddy.inputs.formats.base:MessageFormat",
    "name",
    {
        "avro": "eddy.inputs.formats.avro_format:AvroMessages",
        "cloudevents": "eddy.inputs.formats.cloudevents_format:CloudEvents",
        "csv": "eddy.inputs.formats.csv_format:CsvMessages",
        "debezium": "eddy.inputs.formats.debezium_format:DebeziumMessages",
        "influx": "eddy.inputs.formats.influx_format:InfluxLines",
        "json": "eddy.inputs.formats.json_format:JsonMessages",
        "json-schema": "eddy.inputs.formats.json_schema_format:JsonSchemaMessages",
        "otlp-json": "eddy.inputs.formats.otlp_format:OtlpJson",
        "otlp-proto": "eddy.inputs.formats.otlp_format:OtlpProto",
        "prometheus": "eddy.inputs.formats.prometheus_format:PrometheusWrites",
        "prometheus-json": "eddy.inputs.formats.prometheus_json:PrometheusJson",
        "protobuf": "eddy.inputs.formats.protobuf_format:ProtobufMessages",
        "telegraf-json": "eddy.inputs.formats.telegraf_json:TelegrafJson",
    },
)


def message_format(name: str, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> MessageFormat:
    """Make the format of a source.

    Raises:
        SettingsError: there is no such format, or it cannot be loaded.
        ValueError: an option is unknown or wrong.
    """
    try:
        made: type[MessageFormat] = MESSAGE_FORMATS.get(name)
    except SettingsError as error:
        try:
            return _OneObservation(name, options, registry)
        except SettingsError:
            raise error from None
    return made(options, registry)


def only(found: Any) -> Iterable[Any]:
    """Return the messages of what one record holds: itself, or the elements of an array.

    Raises:
        BadObservation: ``too-many`` elements.
    """
    if not isinstance(found, list):
        return (found,)
    if len(found) > MAX_ELEMENTS:
        raise BadObservation("too-many", f"found an array of {len(found)} elements, expected at most {MAX_ELEMENTS}")
    return found
