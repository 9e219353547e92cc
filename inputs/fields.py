"""Describe the fields of messages, for a guess: what stands in them, and whether it could be a time or a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from eddy.event_times import BadTime, TimeRange, as_number, iso_time, unit_of
from eddy.inputs.number_values import text_number
from eddy.inputs.paths import MISSING, spelled
from eddy.inputs.template import text_of
from eddy.inputs.times import Pattern, whole_ms
from eddy.inputs.values import Steps, leaves

#: forms of times that are tried on texts that are not ISO-8601, with the zone that is meant
PATTERNS = (
    ("%d/%b/%Y:%H:%M:%S %z", ""),
    ("%d.%m.%Y %H:%M:%S", "UTC"),
    ("%d.%m.%Y %H:%M", "UTC"),
    ("%Y%m%d", "UTC"),  # before the longer ones, which take parts of one digit, too
    ("%Y%m%d%H%M", "UTC"),
    ("%Y%m%d%H%M%S", "UTC"),
)
#: years 2000 to 2100: a number outside is hardly meant as a time
_LIKELY = TimeRange(946_684_800_000, 4_133_980_799_999)
_MOST = 0.95  # share of values that have to be alike
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?", re.ASCII)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


@dataclass
class Field:
    """Hold a field's values over elements; MISSING where it is not there."""

    steps: Steps
    values: list[Any] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Return the path that reaches it."""
        return spelled(self.steps)

    @cached_property
    def words(self) -> frozenset[str]:
        """Return the words of its last name in lower case: ``deviceId`` has ``device`` and ``id``."""
        return frozenset(word.lower() for word in _WORD.findall(str(self.steps[-1])))

    @cached_property
    def present(self) -> list[Any]:
        """Return the values that are there, without null."""
        return [value for value in self.values if value is not MISSING and value is not None]

    @cached_property
    def share(self) -> float:
        """Return the share of elements that have it."""
        return len(self.present) / max(len(self.values), 1)

    @cached_property
    def texts(self) -> list[str | None]:
        """Return the values as they stand in series ids; None for what cannot."""
        return [None if value is MISSING else text_of(value) for value in self.values]

    @property
    def texts_or_numbers(self) -> list[Any]:
        """Return the values in a form in which equal ones are the same, fractions too."""
        return [
            value if isinstance(value, float) else text for value, text in zip(self.values, self.texts, strict=True)
        ]

    @cached_property
    def distinct(self) -> int:
        """Return the number of different texts."""
        return len({one for one in self.texts_or_numbers if one is not None})

    @cached_property
    def is_text(self) -> bool:
        """Return whether all of it is text."""
        return bool(self.present) and all(isinstance(value, str) for value in self.present)

    @cached_property
    def is_clock(self) -> bool:
        """Return whether all of it is a time of day, without its date."""
        return self.is_text and all(_CLOCK.fullmatch(value) for value in self.present)

    @cached_property
    def is_whole(self) -> bool:
        """Return whether all of it is whole numbers."""
        return bool(self.present) and all(type(value) is int for value in self.present)

    @cached_property
    def numbers(self) -> str:
        """Return ``strict`` for numbers, ``text`` for numbers of which some are written as text, else nothing."""
        found = [value for value in self.present if isinstance(value, int | float) and not isinstance(value, bool)]
        texts = [value for value in self.present if isinstance(value, str) and text_number(value) is not None]
        if not self.present or len(found) + len(texts) < _MOST * len(self.present):
            return ""
        return "text" if texts else "strict"

    @cached_property
    def time(self) -> tuple[str, str, list[int | None]] | None:
        """Return (unit or pattern, zone, epoch ms or None of each element), if it can be a time."""
        if not self.present:
            return None
        numbers = [None if value is MISSING else as_number(value) for value in self.values]
        whole = [number for number in numbers if number is not None]
        if len(whole) >= _MOST * len(self.present):
            units = {unit_of(number) for number in whole}
            ms = [None if number is None else whole_ms(number, unit_of(number)) for number in numbers]
            likely = sum(one in _LIKELY for one in ms if one is not None)
            if likely >= _MOST * len(self.present):
                return (units.pop() if len(units) == 1 else "auto"), "", ms
        for unit, zone in (("iso", ""), *PATTERNS):
            ms = [_moment(value, unit, zone) for value in self.values]
            if sum(one is not None for one in ms) >= _MOST * len(self.present):
                return unit, zone, ms
        return None


def _moment(value: Any, unit: str, zone: str) -> int | None:
    if not isinstance(value, str):
        return None
    if unit == "iso":
        return iso_time(value)
    try:
        return Pattern(unit, zone).read(value)
    except BadTime:
        return None


def collect(elements: Sequence[Any], arrays: bool = False) -> list[Field]:
    """Return the fields of objects, those in objects inside them too, in order of appearance.

    Args:
        elements: the objects; others have no fields.
        arrays: return the fields that hold arrays, in place of all others.
    """
    found: dict[Steps, Field] = {}
    for at, element in enumerate(elements):
        for steps, value in leaves(element):
            if isinstance(value, list) != arrays:
                continue
            one = found.setdefault(steps, Field(steps))
            one.values += [MISSING] * (at - len(one.values))
            one.values.append(value)
    for one in found.values():
        one.values += [MISSING] * (len(elements) - len(one.values))
    return list(found.values())
