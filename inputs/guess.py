"""Guess an input source from records: time, series, values, an array to go into; and say why, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from eddy.errors import DataError
from eddy.formats import BadObservation
from eddy.input_settings import InputSource
from eddy.inputs import field_words, json_message
from eddy.inputs.fields import Field, collect
from eddy.inputs.formats.base import MAX_ELEMENTS
from eddy.inputs.guess_series import guess_series, is_number_of_something_else
from eddy.inputs.record import Record
from eddy.texts import is_name

MAX_ELEMENTS_READ = 20_000
MAX_NAMED = 20  # values that are named one by one; of more, all numbers are taken
_MOST = 0.8  # share of messages that have what is guessed
_NEAR_MS = 30 * 86_400_000  # of the record's timestamp
_SOME = 8  # elements from which on it says something that a field rises, or stays
_BACK, _ORDERED = 0.05, 0.95  # of the span that a time may go back, and share of neighbours that go back no further
_LONGEST_MS = 3 * 366 * 86_400_000  # from the first to the last record that a guess looks at


@dataclass
class Guess:
    """Hold a guessed source, and a sentence for each part of it that says why."""

    source: InputSource
    reasons: list[str] = field(default_factory=list)


def guess(records: Sequence[Record]) -> Guess:
    """Guess how records become observations.

    Raises:
        DataError: no record is a JSON object, or none of their fields can be a value or a time.

    Examples:
        >>> pairs = [(name, 1735689600 + at) for at in range(9) for name in (b"a", b"b")]
        >>> rows = [b'{"dev": "%s", "at": %d, "t": 4.5}' % pair for pair in pairs]
        >>> source = guess([Record("plant", offset=at, value=row) for at, row in enumerate(rows)]).source
        >>> source.series, source.time.field, source.time.unit, source.values
        ('{dev}', 'at', 's', {'value': 't'})
    """
    every = [(record, [one for one in _parsed(record) if isinstance(one, dict)]) for record in records]
    messages = [(record, message) for record, found in every for message in found][:MAX_ELEMENTS_READ]
    if not messages:
        raise DataError(f'found no JSON object in {len(records)} records, expected messages such as {{"ts": …}}')
    reasons: list[str] = []
    if without := sum(not found for _, found in every):
        reasons.append(f"{without} of {len(records)} records are no JSON objects.")
    each = _array([message for _, message in messages])
    elements, around, owners = _elements(messages, each)
    if each:
        reasons.append(f"`{each.path}` is an array of objects with numbers: each of them is an observation.")
    own = collect(elements)
    outer = [one for one in collect(around) if each and one.steps not in {inner.steps for inner in own}]
    fields = own + outer
    time = _time(fields, owners, reasons)
    taken = {time[0].path} if time else set()
    moments = time[1] if time else [record.timestamp for record in owners]
    others = [one for one in fields if one.path not in taken]
    series = guess_series(others, {one.path for one in own} if each else set(), owners, moments, reasons)
    left = [one for one in own if one.path not in taken | series.paths]
    no_values = {one.path for one in left if _is_time(one, owners) or series.describes(one)}
    values, numbers = _values(left, no_values, outer, reasons)
    source: dict[str, Any] = {"topics": sorted({record.topic for record in records}), "series": series.template}
    if each:
        source["each"] = each.path
    if numbers == "text":
        source["numbers"] = numbers
    if len(values) > 1 or values == "*":
        source["split"] = True
        reasons.append(
            "Each value is a series of its own, as the built-in detector watches them; split: false makes them "
            "features of one series, for a model that is trained on them together."
        )
    source["time"] = "kafka" if time is None else time[2]
    return Guess(InputSource.model_validate({**source, "values": values}), reasons)


def _parsed(record: Record) -> list[Any]:
    """Return the messages of a record, as the format ``json`` reads them."""
    try:
        found = json_message.parse(record.value or b"")
    except BadObservation:
        return []
    return found[:MAX_ELEMENTS] if isinstance(found, list) else [found]


def _array(messages: list[dict[str, Any]]) -> Field | None:
    """Return the array to go into, if most messages have one of objects with numbers."""
    for one in collect(messages, arrays=True):
        filled = [value for value in one.present if value and isinstance(value[0], dict)]
        if len(filled) >= _MOST * len(messages):
            inner = collect([element for value in filled for element in value][:MAX_ELEMENTS_READ])
            if any(each.numbers and not each.time and not is_number_of_something_else(each) for each in inner):
                return one
    return None


def _elements(
    messages: list[tuple[Record, dict[str, Any]]], each: Field | None
) -> tuple[list[Any], list[Any], list[Record]]:
    """Return the elements, and for each of them its message and its record."""
    if each is None:
        return [message for _, message in messages], [], [record for record, _ in messages]
    found = [
        (element, message, record)
        for (record, message), array in zip(messages, each.values, strict=True)
        if isinstance(array, list)
        for element in array
    ][:MAX_ELEMENTS_READ]
    return [one[0] for one in found], [one[1] for one in found], [one[2] for one in found]


def _time(
    fields: list[Field], owners: list[Record], reasons: list[str]
) -> tuple[Field, list[int | None], dict[str, str]] | None:
    """Return the field of the event time, the time of each element, and the setting."""
    found = [(_time_score(one, owners), one) for one in fields if one.share >= _MOST and one.time]
    best = max(found, key=lambda item: item[0], default=(0.0, None))
    if best[1] is None or best[1].time is None or (best[0] < 2 and not (best[0] >= 1 and _rises(best[1], owners))):
        if not any(record.timestamp >= 0 for record in owners):
            raise DataError("found no field that can be the event time, and the records have no timestamp")
        reasons.append("No field looks like a time: the record's own timestamp is taken.")
        return None
    unit, zone, moments = best[1].time
    what = {"iso": "ISO-8601 text", "auto": "an epoch in several units"}.get(unit, f"an epoch in {unit}")
    what = f"text like '{unit}'" if "%" in unit else what
    reasons.append(f"`{best[1].path}` is the event time: {what}, as in {best[1].present[0]!r}.")
    if zone:
        reasons.append(f"`{best[1].path}` names no zone: {zone} is assumed, check it.")
    others = [one.path for score, one in found if one is not best[1] and score >= 2]
    if others:
        reasons.append(f"Other times, which are not read: {', '.join(f'`{path}`' for path in others)}.")
    setting = {"field": best[1].path, "unit": unit}
    return best[1], moments, {**setting, "zone": zone} if zone else setting


def _time_score(one: Field, owners: list[Record]) -> float:
    """Return how much a field looks like the event time; from 2 on it is one."""
    assert one.time is not None  # noqa: S101  asked only of those
    unit, _, moments = one.time
    score = 3.0 * bool(one.words & field_words.TIME) - 2.5 * bool(one.words & field_words.OTHER_TIME)
    score += 2.0 if unit == "iso" or "%" in unit else 0.0
    apart = [abs(ms - record.timestamp) for ms, record in zip(moments, owners, strict=True) if ms is not None]
    score += 2.0 if owners[0].timestamp >= 0 and apart and median(apart) < _NEAR_MS else 0.0
    score += 2.0 if _rises(one, owners) else 0.0
    score -= 5.0 if one.distinct == 1 and len(owners) >= _SOME else 0.0  # such as the day a device was installed
    return score - 0.01 * len(one.steps)  # of two alike, the one less deep


def _rises(one: Field, owners: list[Record]) -> bool:
    """Return whether a field that can be a time goes forward in each partition, as events do, by no more than years."""
    if one.time is None or one.words & field_words.TOTAL:
        return False
    moments = one.time[2]
    order = sorted(range(len(owners)), key=lambda at: (owners[at].partition, owners[at].offset, at))
    placed = [(owners[at].partition, ms) for at in order if (ms := moments[at]) is not None]
    if len(placed) < _SOME:
        return False
    span = max(ms for _, ms in placed) - min(ms for _, ms in placed)
    pairs = [(before, after) for (p, before), (q, after) in pairwise(placed) if p == q]
    forward = sum(after >= before - _BACK * span for before, after in pairs)
    return 0 < span < _LONGEST_MS and forward >= _ORDERED * len(pairs)


def _values(
    own: list[Field], no_values: set[str], outer: list[Field], reasons: list[str]
) -> tuple[dict[str, str] | str, str]:
    """Return the values' setting, and how their numbers are written."""
    found = [one for one in own if one.numbers and is_name(one.path)]
    plain = [one for one in found if one.path not in no_values and not is_number_of_something_else(one)]
    left = [one.path for one in own if one.numbers and one not in plain]
    found = plain or [one for one in found if one.time is None]
    if not found:
        hint = f"; there are {', '.join(one.path for one in [*own, *outer][:8])}" if own or outer else ""
        raise DataError(f"found no field with numbers that could be values{hint}")
    numbers = "text" if any(one.numbers == "text" for one in found) else "strict"
    if numbers == "text":
        text = next(one for one in found if one.numbers == "text")
        reasons.append(f"`{text.path}` holds numbers that are written as text: numbers: text.")
    if len(found) > MAX_NAMED:
        reasons.append(f"{len(found)} fields hold numbers: all numbers are values.")
        return "*", numbers
    last = [str(one.steps[-1]) for one in found]
    names = [
        "value" if len(found) == 1 else name if last.count(name) == 1 and is_name(name) else one.path
        for one, name in zip(found, last, strict=True)
    ]
    reasons.append(f"Numbers are in {', '.join(f'`{one.path}`' for one in found)}.")
    if left and plain:
        shown = ", ".join(f"`{path}`" for path in left)
        reasons.append(f"Taken for ids, counters, times or what describes a series, and left out: {shown}.")
    rare = [f"`{one.path}` ({one.share:.0%})" for one in found if one.share < 1]
    if rare:
        reasons.append(f"Not in every message, and missing there: {', '.join(rare)}.")
    return dict(zip(names, (one.path for one in found), strict=True)), numbers


def _is_time(one: Field, owners: list[Record]) -> bool:
    """Return whether a field of numbers is a time, if not the one of the event."""
    named = bool(one.words & (field_words.TIME | field_words.OTHER_TIME))
    return one.time is not None and (named or _rises(one, owners))
