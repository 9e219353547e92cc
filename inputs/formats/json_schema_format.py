"""Read JSON that is framed for a schema registry, as serializers of JSON Schema write it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import urljoin

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation
from eddy.inputs import json_message
from eddy.inputs.formats.avro_format import REGISTRY_REASONS
from eddy.inputs.formats.base import MessageFormat, only
from eddy.inputs.formats.options import check_names, library
from eddy.inputs.formats.schema_options import flag
from eddy.inputs.record import Record
from eddy.inputs.schema_framing import Framing
from eddy.inputs.schema_registry import Schema, SchemaCache, SchemaRegistry

Validate = Callable[[Any], None]


class JsonSchemaMessages(MessageFormat):
    """Read the JSON behind the frame; no schema is needed for that, and no registry asked.

    Args:
        options: ``validate: true`` refuses what does not fit the schema; ``id_bytes`` and ``ids`` (:class:`Framing`).
        registry: where schemas are found.
    """

    name: ClassVar[str] = "json-schema"
    reasons: ClassVar[frozenset[str]] = REGISTRY_REASONS

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        check_names(self.name, options, ("validate", "id_bytes", "ids"))
        self._framing = Framing(options.get("id_bytes", 4), options.get("ids"))
        self._validators: SchemaCache[Validate] | None = None
        if flag(options, "validate"):
            library("jsonschema", self.name)
            self._validators = SchemaCache(SchemaRegistry(registry).schema, _validator)

    def messages(self, record: Record) -> Iterable[Any]:
        """Return the object, or the elements of the array; a tombstone has none."""
        if record.value is None:
            return ()
        frame = self._framing.split(record)
        found = json_message.parse(frame.payload[frame.start :])
        if self._validators is not None:
            self._validators.get(frame.schema_id)(found)
        return only(found)


def _validator(schema: Schema) -> Validate:
    """Make the check of a schema; nothing is fetched that it refers to without the registry's knowledge.

    Raises:
        BadObservation: ``bad-format``: it is no JSON schema.
    """
    import jsonschema  # noqa: PLC0415  (in the extra 'formats')
    import referencing  # noqa: PLC0415
    from referencing.jsonschema import DRAFT7  # noqa: PLC0415

    if schema.type not in {"JSON", ""}:
        raise BadObservation("bad-format", f"{schema.id} is of the type {schema.type}, expected JSON")
    try:
        top = json_message.parse(schema.text.encode())
        base = str(top.get("$id", "")) if isinstance(top, dict) else ""
        resources = []
        for name, text in schema.references.items():
            one = referencing.Resource.from_contents(json_message.parse(text.encode()), default_specification=DRAFT7)
            resources += [(name, one), (urljoin(base, name), one)]
        made = jsonschema.validators.validator_for(top, default=jsonschema.Draft7Validator)
        made.check_schema(top)
        check = made(top, registry=referencing.Registry().with_resources(resources))
    except Exception as error:
        raise BadObservation("bad-format", f"{schema.id} cannot be used: {error}") from None

    def validate(found: Any) -> None:
        try:
            problem = next(check.iter_errors(found), None)
        except Exception as error:  # a reference that leads nowhere shows only here
            raise BadObservation("bad-format", f"{schema.id} cannot be used: {error}") from None
        if problem is not None:
            where = problem.json_path.removeprefix("$").removeprefix(".") or "the message"
            raise BadObservation("bad-format", f"{where} does not fit {schema.id}: {problem.message}")

    return validate
