"""Define the settings of input sources: which topics are read, and how their messages become observations.

This module holds the shape only; :mod:`eddy.inputs` gives it its meaning (docs/decisions/077-input-mapping.md).
"""

from __future__ import annotations

import difflib
import math
import re
from typing import Annotated, Any, Literal, Union

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from eddy.aggregate_settings import Aggregate
from eddy.connection_settings import KAFKA_SECRETS, KafkaSettings
from eddy.settings_group import Group, by_feature

UNITS = ("s", "ms", "us", "ns", "iso", "auto")
MAX_VALUES = 1024  # named values of an observation: as many features as any observation may have
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")  # as Kafka allows it

Scalar = Union[bool, int, float, str]


def _topics(value: Any) -> Any:
    """Accept one topic without a list."""
    value = [value] if isinstance(value, str) else value
    for name in value if isinstance(value, (list, tuple)) else ():
        if not isinstance(name, str) or not _TOPIC.fullmatch(name):
            message = (
                f"found the topic {name!r}, expected a name of 1 to 249 characters A-Z, a-z, 0-9, '.', '_' and '-'"
            )
            raise ValueError(message)
    return value


def _values(value: Any) -> Any:
    """Accept ``*``, or names of features with the paths of their values."""
    if value == "*":
        return value
    expected = f"'*' or 1 to {MAX_VALUES} names of features, each with a path"
    return by_feature(value, MAX_VALUES, expected, "the path of a field, such as data.t")


def _conditions(value: Any) -> Any:
    """Accept one accepted value of a field without a list."""
    if not isinstance(value, dict):
        return value
    found = {}
    for path, wanted in value.items():
        every = tuple(wanted) if isinstance(wanted, (list, tuple)) else (wanted,)
        for one in every:
            if not isinstance(one, (bool, int, float, str)) or (isinstance(one, float) and not math.isfinite(one)):
                message = f"{path}: found {one!r}, expected a text, a number, true or false, or a list of them"
                raise ValueError(message)
        if not every:
            message = f"{path}: found an empty list, expected at least one value"
            raise ValueError(message)
        found[path] = every
    return found


class InputFormat(Group):
    """Name the format of messages, with options that this format has.

    Examples:
        >>> InputFormat.model_validate("json").name
        'json'
        >>> InputFormat.model_validate({"name": "csv", "delimiter": ";"}).options
        {'delimiter': ';'}
    """

    name: str = Field("json", min_length=1, description="json, or another format that is installed")
    options: dict[str, Any] = Field({}, description="options of this format; they may stand beside its name")

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and isinstance(value.get("options", {}), dict):
            beside = {name: one for name, one in value.items() if name not in {"name", "options"}}
            named = {"name": value["name"]} if "name" in value else {}
            return {**named, "options": {**value.get("options", {}), **beside}}
        return value

    @model_serializer(mode="plain")
    def _plain(self) -> Any:
        return {"name": self.name, **self.options} if self.options else self.name


class InputTime(Group):
    """Say where the event time of an observation is: a field and its unit, or ``kafka`` for the record's timestamp.

    Examples:
        >>> InputTime(field="meta.at", unit="s").unit
        's'
        >>> InputTime.model_validate("kafka").unit, InputTime.model_validate("auto").field
        ('kafka', 'ts')
        >>> InputTime(unit="seconds")
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: ... found 'seconds', expected s, ms, us, ns, iso, auto or ...
    """

    field: str = Field("ts", description="path of the field")
    unit: str = Field(
        "auto",
        description="s, ms, us, ns, iso (text), auto (by the size of the number), or a pattern of %Y %m %b %d %H %M %S "
        "%f %z; kafka = the record's timestamp",
    )
    zone: str = Field("", description="time zone of a pattern without %z, such as Europe/Berlin")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in {"kafka", "auto"}:
                message = f"found {value!r}, expected kafka, auto or {{field: PATH, unit: UNIT}}"
                raise ValueError(message)
            return {"field": "", "unit": "kafka"} if value == "kafka" else {}
        return value

    @model_validator(mode="after")
    def _complete(self) -> InputTime:
        if self.unit == "kafka":
            if self.field:
                message = f"found the field {self.field!r} with unit kafka, expected 'time: kafka' alone"
                raise ValueError(message)
            return self
        is_pattern = "%" in self.unit
        if self.unit not in UNITS and not is_pattern:
            message = f"found {self.unit!r}, expected {', '.join(UNITS)} or a pattern such as '%d.%m.%Y %H:%M:%S%z'"
            raise ValueError(message)
        if is_pattern and ("%z" in self.unit) == bool(self.zone):
            message = f"found the pattern {self.unit!r} with zone {self.zone!r}, expected %z in it or a zone beside it"
            raise ValueError(message)
        if self.zone and not is_pattern:
            message = f"found zone {self.zone!r} with unit {self.unit}, expected a zone with a pattern only"
            raise ValueError(message)
        return self

    @model_serializer(mode="wrap")
    def _plain(self, inner: SerializerFunctionWrapHandler) -> Any:
        return "kafka" if self.unit == "kafka" else inner(self)


class InputSource(Group):
    """Describe topics that other programs write, and how each of their messages becomes observations.

    Examples:
        >>> source = InputSource(topics="plant", series="{site}/{device.id}", time={"field": "at", "unit": "s"})
        >>> source.topics, source.values, source.reads("plant")
        (('plant',), {'value': 'value'}, True)
        >>> InputSource(topics=["a"], numbers="loose")
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: ... Input should be 'strict' or 'text' ...
    """

    topics: Annotated[tuple[str, ...], BeforeValidator(_topics)] = Field((), description="topics that are read")
    pattern: str = Field("", description="regular expression of whole topic names, in place of topics")
    format: InputFormat = Field(InputFormat(), description="format of the messages: a name, or {name, options …}")
    each: str = Field("", description="path of an array in the message, of whose elements each is an observation")
    where: Annotated[dict[str, tuple[Scalar, ...]], BeforeValidator(_conditions)] = Field(
        {}, description="values of fields that let a message through; '!' excludes, '*' stands for any text"
    )
    series: str = Field("{series}", description="template of the series id, such as '{site}/{device.id}'")
    time: InputTime = Field(InputTime(), description="event time: {field, unit}, kafka or auto")
    values: Annotated[Literal["*"] | dict[str, str], BeforeValidator(_values)] = Field(
        {"value": "value"}, description="features with the paths of their values; '*' = every number that is there"
    )
    split: bool = Field(False, description="make a series of each feature: '<series>/<feature>'")
    numbers: Literal["strict", "text"] = Field("strict", description="text: read numbers that are written as text")
    missing: Literal["null", "skip", "error"] = Field(
        "null", description="a value whose field is not there: a missing value, leave it out, or refuse the message"
    )
    key: Literal["ignore", "check"] = Field("ignore", description="check: refuse a record whose key is not its series")
    aggregate: Aggregate | None = Field(
        None, description="make one observation of the events of each interval, in place of one of each"
    )
    kafka: dict[str, Any] = Field({}, description="settings of 'kafka' that differ for this source: another cluster")

    @field_validator("missing", mode="before")
    @classmethod
    def _null(cls, value: Any) -> Any:
        return "null" if value is None else value  # YAML's 'missing: null' is no text

    @field_validator("pattern")
    @classmethod
    def _regular(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            message = f"found {value!r}, expected a regular expression: {error}"
            raise ValueError(message) from None
        return value

    @field_validator("kafka")
    @classmethod
    def _known(cls, value: dict[str, Any]) -> dict[str, Any]:
        known = [name for name in KafkaSettings.model_fields if name not in KAFKA_SECRETS]
        for name in value:
            if name in KAFKA_SECRETS:
                message = f"found {name}, expected {name}_file: 'input' is shown, and passed on as it is"
                raise ValueError(message)
            if name not in known:
                nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
                message = f"found {name!r}, expected a setting of the group 'kafka'; did you mean {nearest!r}?"
                raise ValueError(message)
        try:
            KafkaSettings.model_validate(value)
        except ValidationError as error:
            for wrong in error.errors():
                if wrong["loc"]:  # what fits together shows only beside the settings of 'kafka'
                    field = wrong["loc"][0]
                    # a secret may be among names and values, where it does not belong
                    found = "(hidden)" if field in {"properties", "oauth_extensions"} else repr(wrong["input"])
                    message = f"{field}: found {found}; {wrong['msg']}"
                    raise ValueError(message) from None
        return value

    @model_validator(mode="after")
    def _one_of_them(self) -> InputSource:
        if bool(self.topics) == bool(self.pattern):
            found = "both" if self.topics else "neither"
            message = f"found {found} of topics and pattern, expected one of them"
            raise ValueError(message)
        if self.aggregate is not None:
            for name in ("values", "split"):
                if name in self.model_fields_set:
                    message = f"found {name} beside aggregate, expected aggregate.values alone"
                    raise ValueError(message)
        return self

    def reads(self, topic: str) -> bool:
        """Return whether this source reads a topic."""
        return topic in self.topics or bool(self.pattern and re.fullmatch(self.pattern, topic))
