"""Find the schemas that messages name by a number, in a registry with Confluent's API, or in Apicurio's own.

What was found stays: a schema never changes under its id. An id that the registry does not know is asked for again
after :data:`ABSENT_SECONDS`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from urllib.parse import quote

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation, shown
from eddy.inputs.registry_connection import Absent, RegistryConnection

MAX_SCHEMAS = 1000  # kept at once; the one that was not used for longest goes first
MAX_REFERENCES = 100  # of a schema to others, those of references included
ABSENT_SECONDS = 30.0

T = TypeVar("T")


class SchemaId(NamedTuple):
    """Name a schema: Confluent's id or GUID, or Apicurio's global id or content id.

    Examples:
        >>> print(SchemaId("id", 7), SchemaId("globalId", 7))
        schema 7 schema with Apicurio's globalId 7
    """

    kind: Literal["id", "guid", "globalId", "contentId"]
    value: int | str

    def __str__(self) -> str:
        named = {"id": "schema", "guid": "schema with the GUID"}.get(self.kind, f"schema with Apicurio's {self.kind}")
        return f"{named} {self.value}"


@dataclass(frozen=True)
class Schema:
    """Hold a schema as it is registered.

    Attributes:
        id: under which it was found.
        type: ``AVRO``, ``PROTOBUF`` or ``JSON``; empty where the registry did not say.
        text: of the schema.
        references: texts of the schemas that it uses, by the names under which it does; each after those that it uses.
    """

    id: SchemaId
    type: str
    text: str
    references: Mapping[str, str] = field(default_factory=dict)


class SchemaRegistry:
    """Ask for schemas.

    Args:
        settings: of the connection.
        form: in which the registry shall write schemas, where it knows several: ``serialized`` for Protobuf.

    Raises:
        SettingsError: the settings cannot be used.
    """

    def __init__(self, settings: SchemaRegistrySettings, form: str = "") -> None:
        self._connection = RegistryConnection(settings)
        self._form = {"format": form} if form else {}

    def schema(self, schema_id: SchemaId) -> Schema:
        """Return a schema with all that it refers to.

        Raises:
            BadObservation: ``no-schema``: the registry does not have it, or what it has is none.
            StackError: no registry answered for as long as the settings allow.
            SettingsError: the registry refuses the credentials.
        """
        try:
            if schema_id.kind in {"globalId", "contentId"}:
                return self._of_apicurio(schema_id)
            part = "ids" if schema_id.kind == "id" else "guids"
            found = self._json(f"/schemas/{part}/{schema_id.value}")
            references: dict[str, str] = {}
            self._follow(found, references, set())
            return Schema(schema_id, str(found.get("schemaType") or "AVRO"), _text(found), references)
        except (Absent, ValueError) as problem:
            raise BadObservation("no-schema", f"{schema_id}: {problem}") from None

    def _follow(self, schema: Mapping[str, Any], found: dict[str, str], seen: set[tuple[str, str]]) -> None:
        """Add the references of a schema, those of each before itself."""
        for name, subject, version in _references(schema, "subject"):
            if (subject, version) in seen:
                continue
            _one_more(seen, (subject, version))
            path = f"/subjects/{quote(subject, safe='')}/versions/{quote(version, safe='')}"
            other = self._json(path, {"deleted": "true"})
            self._follow(other, found, seen)
            found[name] = _text(other)

    def _of_apicurio(self, schema_id: SchemaId) -> Schema:
        path = f"/ids/{schema_id.kind}s/{schema_id.value}"
        text = self._connection.text(path)
        references: dict[str, str] = {}
        self._follow_apicurio(path, references, set())
        return Schema(schema_id, "", text, references)

    def _follow_apicurio(self, path: str, found: dict[str, str], seen: set[tuple[str, str]]) -> None:
        listed = self._connection.json(f"{path}/references", apicurio=True)
        for one in _references({"references": listed}, "artifactId"):
            group = next((str(other.get("groupId") or "default") for other in listed if other["name"] == one.name), "")
            place = f"/groups/{quote(group, safe='')}/artifacts/{quote(one.subject, safe='')}"
            place += f"/versions/{quote(one.version, safe='')}"
            if (place, "") in seen:
                continue
            _one_more(seen, (place, ""))
            self._follow_apicurio(place, found, seen)
            found[one.name] = self._connection.text(place)

    def _json(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        found = self._connection.json(path, {**self._form, **(query or {})})
        if not isinstance(found, dict):
            message = f"found {shown(found)}, expected an object with a schema"
            raise ValueError(message)
        return found


class _Reference(NamedTuple):
    name: str
    subject: str
    version: str


def _references(schema: Mapping[str, Any], subject: str) -> list[_Reference]:
    listed = schema.get("references") or []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        message = f"found the references {shown(listed)}, expected an array of objects"
        raise ValueError(message)
    return [_Reference(str(one.get("name")), str(one.get(subject)), str(one.get("version"))) for one in listed]


def _one_more(seen: set[tuple[str, str]], reference: tuple[str, str]) -> None:
    seen.add(reference)
    if len(seen) > MAX_REFERENCES:
        message = f"found more references to other schemas, expected at most {MAX_REFERENCES}"
        raise ValueError(message)


def _text(found: Mapping[str, Any]) -> str:
    text = found.get("schema")
    if not isinstance(text, str):
        message = f"found the schema {shown(text)}, expected a text"
        raise ValueError(message)
    return text


class SchemaCache(Generic[T]):
    """Keep what a format made of each schema, and for a while why there is none.

    Args:
        find: returns a schema, as :meth:`SchemaRegistry.schema` does.
        make: makes of it what the format needs.
    """

    def __init__(self, find: Callable[[SchemaId], Schema], make: Callable[[Schema], T]) -> None:
        self._find = find
        self._make = make
        self._made: OrderedDict[SchemaId, T] = OrderedDict()
        self._refused: OrderedDict[SchemaId, tuple[float, BadObservation]] = OrderedDict()

    def get(self, schema_id: SchemaId) -> T:
        """Return what was made of a schema.

        Raises:
            BadObservation: there is no such schema, or ``make`` refused it.
            StackError, SettingsError: as :meth:`SchemaRegistry.schema` says.
        """
        if schema_id in self._made:
            self._made.move_to_end(schema_id)
            return self._made[schema_id]
        until, known = self._refused.get(schema_id, (0.0, None))
        if known is not None and time.monotonic() < until:
            raise BadObservation(known.reason, known.detail)
        try:
            made = self._make(self._find(schema_id))
        except BadObservation as problem:
            _put(self._refused, schema_id, (time.monotonic() + ABSENT_SECONDS, problem.with_traceback(None)))
            raise BadObservation(problem.reason, problem.detail) from None
        _put(self._made, schema_id, made)
        return made


def _put(kept: OrderedDict[SchemaId, Any], schema_id: SchemaId, value: Any) -> None:
    kept[schema_id] = value
    kept.move_to_end(schema_id)
    if len(kept) > MAX_SCHEMAS:
        kept.popitem(last=False)
