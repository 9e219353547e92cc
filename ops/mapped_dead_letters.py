"""Read dead letters of topics of ``input`` again through their mappings: what of them is an observation now?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eddy.formats import BadObservation
from eddy.inputs.mapping import MappingResult
from eddy.inputs.readers import ObservationTopic, Readers
from eddy.inputs.record import NO_TIMESTAMP, RECORD_HEADERS, Record, from_kafka, kept_headers
from eddy.ops.original_records import OriginalRecords
from eddy.settings import Settings

FORM, CANONICAL = "form", "observation"  # header of a dead letter that holds an observation as the mapping gave it
NO_SOURCE, AGGREGATED = "no-source", "aggregated"
_REMEMBERED = 10_000  # records, each of whose elements may have become a letter; these lie close together
_PLACE = re.compile(r"(\[[0-9]+\]: )?(\S+\[[0-9]+\]: )?")


@dataclass
class Reread:
    """Hold what came of a dead letter.

    Attributes:
        observations: to be sent, in canonical form: (key, value).
        refusal: why it, or an element of it, still is none.
        gone: it holds only the beginning of its record, and the topic does not hold that any more.
    """

    observations: list[tuple[bytes, bytes]] = field(default_factory=list)
    refusal: BadObservation | None = None
    gone: bool = False


class MappedDeadLetters:
    """Read dead letters of mapped topics; each record once, however many its elements became.

    Args:
        settings: with the sources in ``input``, as they are now.

    Raises:
        SettingsError: a source cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._has_sources = bool(settings.input)
        self._own = settings.topics.name("observations")
        self._readers = Readers(settings) if settings.input else None
        self._originals: dict[tuple[str, str], OriginalRecords] = {}
        self._refused: dict[tuple[str, str, str], dict[str, BadObservation]] = {}  # by record, then by element

    def are_about(self, headers: Mapping[str, str]) -> bool:
        """Return whether a dead letter is to be read through a mapping: it is of a topic that is not Eddy's own."""
        return self._has_sources and headers.get(FORM) != CANONICAL and headers.get("topic", self._own) != self._own

    def read(self, dead_letter: Any, headers: Mapping[str, str]) -> Reread:
        """Read a dead letter again: its record at its place if the topic still holds it, else what itself holds.

        Raises:
            StackError: a broker or a schema registry does not answer.
            SettingsError: a source cannot read anything, such as a registry that refuses the user.
        """
        place = (headers.get("topic", ""), headers.get("partition", ""), headers.get("offset", ""))
        if (refused := self._refused.get(place)) is not None:
            return Reread(refusal=refused.get(_element(headers.get("detail", ""))))
        topics = self._readers.of(place[0]) if self._readers is not None else []
        if not topics:
            said = f"found no source in 'input' that reads the topic {place[0]}"
            return Reread(refusal=BadObservation(NO_SOURCE, said))
        if any(one.is_aggregated for one in topics):
            said = f"{topics[0].name} has 'aggregate': the intervals of its events are closed by now"
            return Reread(refusal=BadObservation(AGGREGATED, said))
        for topic in topics:  # several: topics of the same name on several clusters
            if (found := self._original(topic, dead_letter, headers)) is not None:
                return self._taken(place, headers, topic.reader.read(from_kafka(found)))
        if "truncated" in headers:
            return Reread(gone=True)
        return self._taken(place, headers, topics[0].reader.read(_as_record(dead_letter, headers)))

    def close(self) -> None:
        """Leave the brokers."""
        for one in self._originals.values():
            one.close()

    def _original(self, topic: ObservationTopic, dead_letter: Any, headers: Mapping[str, str]) -> Any | None:
        where = topic.kafka.bootstrap_servers, topic.topic
        originals = self._originals.setdefault(where, OriginalRecords(topic.kafka, topic.topic))
        return originals.find(headers, None if "truncated" in headers else dead_letter.value or b"")

    def _taken(self, place: tuple[str, str, str], headers: Mapping[str, str], result: MappingResult) -> Reread:
        """Return all observations of a record, unless the element that the dead letter is about is still refused."""
        refused = {_element(one.detail): one for one in result.refusals}
        still = refused.get(_element(headers.get("detail", "")))
        if still is None and refused and not result.observations:
            still = result.refusals[0]
        if still is not None:
            return Reread(refusal=still)
        self._refused[place] = refused
        if len(self._refused) > _REMEMBERED:
            del self._refused[next(iter(self._refused))]
        return Reread([(one.series.encode(), one.to_json()) for one in result.observations])


def _element(detail: str) -> str:
    """Return the place at the beginning of a refusal's text.

    Examples:
        >>> _element("readings[3]: time: found 'x'"), _element("[0]: a.b[1]: x"), _element("found 3 fields")
        ('readings[3]: ', '[0]: a.b[1]: ', '')
    """
    found = _PLACE.match(detail)
    return found[0] if found else ""


def _as_record(dead_letter: Any, headers: Mapping[str, str]) -> Record:
    """Return a dead letter as the record that it was."""
    partition, offset, timestamp = (_number(headers.get(name, "")) for name in ("partition", "offset", "timestamp"))
    own = kept_headers(headers.get(RECORD_HEADERS, ""))
    return Record(headers.get("topic", ""), partition, offset, timestamp, dead_letter.key, dead_letter.value, own)


def _number(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else NO_TIMESTAMP
