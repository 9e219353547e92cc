"""Guess the template of the series ids: the record's key, or the fields that tell series apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

from eddy.formats import BadObservation
from eddy.inputs import field_words, json_message
from eddy.inputs.fields import Field, collect
from eddy.inputs.record import Record
from eddy.texts import is_name

_FEW = 0.5  # distinct values of an id, as a share of the elements: more is a number of the message
_ALWAYS = 0.95  # share of elements that have it
_REPEATS = 0.02  # share of elements that a further field has to tell apart
_MAX_CHANNELS = 100  # values of a number that tells series apart
_SOME, _DENSE = 8, 1.1  # elements from which on it says something; numbers of messages: their span by their number
_SPECIAL = ("key", "topic", "header")


@dataclass(frozen=True)
class SeriesGuess:
    """Hold a template, the paths of the fields in it, and the series of each element as a tuple of their values."""

    template: str
    paths: frozenset[str] = frozenset()
    of: tuple[tuple[str | None, ...], ...] = ()

    def describes(self, one: Field) -> bool:
        """Return whether a field says what a series is, such as its place: it never changes, but others' differ."""
        counts = Counter(self.of)
        if len(counts) < 2 or one.distinct < 2 or len(self.of) < _SOME * len(counts):
            return False
        return len(set(zip(self.of, one.texts_or_numbers, strict=True))) == len(counts)


@dataclass(frozen=True)
class _Candidate:
    text: str  # as it stands between the braces
    path: str  # of the message; empty for the key
    values: tuple[str | None, ...]
    score: float

    @property
    def distinct(self) -> int:
        return len(set(self.values))


def is_number_of_something_else(one: Field) -> bool:
    """Return whether a field of numbers is rather an id, a counter of messages or a version than a measurement."""
    if one.is_text:
        return one.distinct == 1 or bool(one.words & (field_words.ID | field_words.OTHER_TEXT))
    return one.is_whole and (bool(one.words & field_words.COUNTER) or _numbers_messages(one))


def _numbers_messages(one: Field) -> bool:
    """Return whether whole numbers are those of messages: each is another, and hardly one is left out."""
    count = len(one.present)
    return one.distinct == count >= _SOME and max(one.present) - min(one.present) < _DENSE * count


def guess_series(
    fields: Sequence[Field],
    inner: Set[str],
    owners: Sequence[Record],
    moments: Sequence[int | None],
    reasons: list[str],
) -> SeriesGuess:
    """Guess the template.

    Args:
        fields: of the elements, without the event time.
        inner: paths of the fields that stand in elements of an array: they come last in the template.
        owners: the record of each element.
        moments: the event time of each element: one series has one observation at a time.
        reasons: takes a sentence.
    """
    order = ["", *(one.path for one in fields)]
    few = max(2, int(_FEW * len(owners)))
    key = _key(owners)
    candidates = [one for one in _of_fields(fields) + _of_key(owners) if 1 < one.distinct <= few]
    chosen = _chosen(None, candidates, few, moments)
    if key is not None and 1 < key.distinct <= few:
        by_key = _chosen(key, candidates, few, moments)
        # a key that numbers messages, or spreads them, leaves times repeated, or makes more series than there are
        if not chosen or _worth(by_key, moments) <= _worth(chosen, moments):
            chosen = by_key
    if not chosen:
        return _single(fields, reasons)
    chosen.sort(key=lambda one: (one.path in inner, one.distinct, order.index(one.path)))
    template = "/".join(f"{{{one.text}}}" for one in chosen)
    groups = _groups(chosen, moments)
    count = len(set(groups))
    what = " and ".join("the record's key" if one.text == "key" else f"`{one.text}`" for one in chosen)
    has = "have" if len(chosen) > 1 else "has"
    reasons.append(f"The series is {what}, which {has} {count} different values in {len(owners):,} observations.")
    return SeriesGuess(template, frozenset(one.path for one in chosen if one.path), tuple(groups))


def _chosen(
    key: _Candidate | None, candidates: Sequence[_Candidate], few: int, moments: Sequence[int | None]
) -> list[_Candidate]:
    """Choose what tells series apart, beginning with the key if there is one, and add what tells more of them apart."""
    chosen, left = ([key] if key is not None else []), list(candidates)
    while True:
        groups = _groups(chosen, moments)
        count, repeats = len(set(groups)), _repeats(groups, moments)
        best: tuple[float, int, _Candidate] | None = None
        for one in left:
            finer = [(*group, value) for group, value in zip(groups, one.values, strict=True)]
            more, fewer = len(set(finer)) - count, repeats - _repeats(finer, moments)
            needed = not chosen or fewer > _REPEATS * len(moments) or (one.score >= 2 and key is None)
            if more > 0 and len(set(finer)) <= few and needed and (one.score > 0 or fewer > 0):
                rank = (one.score + (2.0 * fewer / len(moments)), more, one)
                best = rank if best is None or rank[:2] > best[:2] else best
        if best is None:
            return chosen
        chosen.append(best[2])
        left.remove(best[2])


def _worth(chosen: Sequence[_Candidate], moments: Sequence[int | None]) -> tuple[int, int]:
    """Return how many times are repeated, and the number of series: the less the better."""
    groups = _groups(chosen, moments)
    return _repeats(groups, moments), len(set(groups))


def _groups(chosen: Sequence[_Candidate], moments: Sequence[int | None]) -> list[tuple[str | None, ...]]:
    """Return what each element has of some candidates."""
    return [tuple(one.values[at] for one in chosen) for at in range(len(moments))]


def _single(fields: Sequence[Field], reasons: list[str]) -> SeriesGuess:
    """Return the template of a topic with one series."""
    for one in fields:
        if one.is_text and one.distinct == 1 and one.share == 1 and one.words & field_words.ID:
            reasons.append(f"All messages are of one series, which `{one.path}` names: {one.present[0]!r}.")
            return SeriesGuess(f"{{{_in_template(one)}}}", frozenset({one.path}))
    reasons.append("No field tells series apart: the topic is one series.")
    return SeriesGuess("{topic}")


def _repeats(groups: Sequence[tuple[str | None, ...]], moments: Sequence[int | None]) -> int:
    """Return how many elements have the group and time of an earlier one."""
    return len(groups) - len(set(zip(groups, moments, strict=True)))


def _key(owners: Sequence[Record]) -> _Candidate | None:
    """Return the record's key, if it is a plain text everywhere."""
    values = []
    for record in owners:
        try:
            text = (record.key or b"").decode()
        except UnicodeDecodeError:
            return None
        if not is_name(text) or text[0] in '{["':
            return None
        values.append(text)
    return _Candidate("key", "", tuple(values), 3.0)


def _of_key(owners: Sequence[Record]) -> list[_Candidate]:
    """Return the fields of keys that are JSON objects."""
    keys = []
    for record in owners:
        try:
            keys.append(json_message.parse(record.key or b""))
        except BadObservation:
            return []
    return [
        _Candidate(f"key{'' if one.path[0] == '[' else '.'}{one.path}", "", tuple(one.texts), 2.5)
        for one in collect(keys)
        if one.share >= _ALWAYS and None not in one.texts and (one.is_text or one.is_whole)
    ]


def _of_fields(fields: Sequence[Field]) -> list[_Candidate]:
    found = []
    for one in fields:
        named, other = bool(one.words & field_words.ID), bool(one.words & field_words.OTHER_TEXT)
        number = bool(one.numbers) and not named
        usable = one.is_text or one.is_whole
        if one.share < _ALWAYS or not usable or one.time or one.is_clock or (number and one.distinct > _MAX_CHANNELS):
            continue
        score = 2.0 * named + (0.5 if one.is_text else 0.0) - (2.5 if other and not named else 0.0)
        found.append(_Candidate(_in_template(one), one.path, tuple(one.texts), 0.0 if number else score))
    return found


def _in_template(one: Field) -> str:
    """Return a field as templates name it: what is called like the record's key is put in brackets."""
    if one.steps[0] in _SPECIAL:
        return f'["{one.steps[0]}"]{one.path[len(str(one.steps[0])) :]}'
    return one.path
