"""Give the expressions of an input source's ``aggregate.values`` their meaning.

::

    expression = "count" [ "of" path ] [ "where" conditions ]
               | function "of" path [ "where" conditions ]
               | name ( "/" | "-" ) name                           of other values of the same interval
    function   = sum | mean | min | max | last | median | pNN | distinct | increase | rate
    conditions = condition { "and" condition }
    condition  = path ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) literal
    literal    = a JSON number, true, false, null, a JSON string, or a word without blanks

There are blanks around an operator: a field's name may hold any other character.

A field of a value or a condition is reached as everywhere in a mapping (:mod:`eddy.inputs.paths`). A condition with a
field that is not there, or is null, does not hold, except ``!=`` with something else than null, and ``= null``. ``<``
and its like compare numbers only. ``=`` compares texts, whole numbers, true and false as ``where`` of a source does
(:mod:`eddy.inputs.conditions`), ``*`` in a text included, but ``!`` at its beginning is a character like others. With
``numbers: text``, texts that are numbers count as numbers wherever one is compared with a number.

What one event contributes is a vector of numbers, one for each *column*: NaN where it contributes nothing. ``count``
needs no column: every event counts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from eddy.aggregate_settings import Aggregate
from eddy.inputs.json_message import whole_number
from eddy.inputs.paths import Path, parse_prefix
from eddy.models.intervals.rule import Measure

Kind = Literal["number", "identity", "one"]
Comparison = Literal["=", "!=", "<", "<=", ">", ">="]
Literals = str | float | int | bool | None

_FUNCTION = re.compile(r"(sum|mean|avg|min|max|last|median|distinct|increase|rate|p(\d{1,2}(?:\.\d{1,3})?))\s+of\s+")
_COUNT = re.compile(r"count(?:\s+(of)\s+|(?=$|\s))")
_WHERE = re.compile(r"\s+where\s+")
_AND = re.compile(r"\s+and\s+")
_OPERATOR = re.compile(r"\s*(==|=|!=|<=|<|>=|>)\s*")
_JSON_TEXT = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"[^\s\"=<>!]+")
_NAMES = re.compile(r"\s*(\S+)\s+([/-])\s+(\S+)\s*")
_EXPECTED = "expected count, 'FUNCTION of FIELD', 'count where FIELD = VALUE', or 'NAME / NAME'"


@dataclass(frozen=True)
class Condition:
    """Hold one comparison of a field with a literal."""

    path: Path
    operator: Comparison
    literal: Literals


@dataclass(frozen=True)
class Column:
    """Say which number an event contributes.

    Attributes:
        kind: ``number``: the value of the field; ``identity``: a number that equal values share (for ``distinct``);
            ``one``: 1.
        path: of the field; None for ``one``.
        conditions: all have to hold, or the event contributes nothing.
    """

    kind: Kind
    path: Path | None
    conditions: tuple[Condition, ...]

    @property
    def label(self) -> str:
        """Return what the column is called in messages, different for different columns."""
        where = " and ".join(f"{c.path} {c.operator} {json.dumps(c.literal)}" for c in self.conditions)
        what = {"number": str(self.path), "identity": f"distinct {self.path}", "one": "1"}[self.kind]
        return f"{what} where {where}" if where else what


@dataclass(frozen=True)
class Aggregation:
    """Hold the columns and measures of one source's ``aggregate.values``."""

    columns: tuple[Column, ...]
    measures: tuple[Measure, ...]


def aggregation(rule: Aggregate, joined: Sequence[str] = ()) -> Aggregation:
    """Parse the expressions of a rule.

    Args:
        rule: of the settings.
        joined: names of values of other sources of the same ``join``, which ``/`` and ``-`` may name.

    Raises:
        ValueError: an expression is none; says what was found, and what was expected.

    Examples:
        >>> found = aggregation(Aggregate(every="1m", values={
        ...     "all": "count", "errors": "count where status >= 500", "p95": "p95 of ms", "bad": "errors / all",
        ... }))
        >>> [column.label for column in found.columns]
        ['1 where status >= 500', 'ms']
        >>> [(one.name, one.function, one.column) for one in found.measures]
        [('all', 'count', -1), ('errors', 'count', 0), ('p95', 'quantile', 1), ('bad', '/', -1)]
        >>> aggregation(Aggregate(every="1m", values={"x": "average of ms"}))
        Traceback (most recent call last):
        ...
        ValueError: aggregate.values.x: found 'average of ms', expected count, 'FUNCTION of FIELD', ...
    """
    columns: dict[str, Column] = {}
    measures = []
    names = {*rule.values, *joined}
    for name, text in rule.values.items():
        try:
            measures.append(_measure(name, text.strip(), columns, names - {name}))
        except ValueError as error:
            message = f"aggregate.values.{name}: {error}"
            raise ValueError(message) from None
    derived = {one.name for one in measures if one.of[0]}
    for one in measures:
        if one.of[0] in derived or one.of[1] in derived:
            message = f"aggregate.values.{one.name}: found a ratio of a ratio, expected values that events make"
            raise ValueError(message)
    return Aggregation(tuple(columns.values()), tuple(measures))


def _measure(name: str, text: str, columns: dict[str, Column], others: set[str]) -> Measure:
    if match := _NAMES.fullmatch(text):
        for one in (match[1], match[3]):
            if one not in others:
                there = ", ".join(sorted(others)) or "none"
                message = f"found {one!r}, expected the name of another value; there are: {there}"
                raise ValueError(message)
        return Measure(name, match[2], of=(match[1], match[3]))
    if match := _COUNT.match(text):
        path, end = parse_prefix(text, match.end()) if match[1] else (Path(()), match.end())
        if match[1] and not path.steps:
            message = f"found {text!r}, expected the path of a field after 'of'"
            raise ValueError(message)
        conditions = (*([Condition(path, "!=", None)] if match[1] else []), *_conditions(text, end))
        if not conditions:
            return Measure(name, "count")
        return Measure(name, "count", _place(Column("one", None, conditions), columns))
    match = _FUNCTION.match(text)
    if match is None:
        message = f"found {text!r}, {_EXPECTED}"
        raise ValueError(message)
    path, end = parse_prefix(text, match.end())
    if not path.steps:
        message = f"found {text!r}, expected the path of a field after 'of'"
        raise ValueError(message)
    column = Column("identity" if match[1] == "distinct" else "number", path, _conditions(text, end))
    at = _place(column, columns)
    if match[1] == "median":
        return Measure(name, "quantile", at, quantile=0.5)
    if match[2]:
        quantile = float(match[2]) / 100
        if not 0 < quantile < 1:
            message = f"found {text!r}, expected a percentile between p0 and p100"
            raise ValueError(message)
        return Measure(name, "quantile", at, quantile=quantile)
    return Measure(name, "mean" if match[1] == "avg" else match[1], at)


def _place(column: Column, columns: dict[str, Column]) -> int:
    """Return the index of a column, which it gets if it is new; by its label, since to Python true is equal to 1."""
    columns.setdefault(column.label, column)
    return list(columns).index(column.label)


def _conditions(text: str, at: int) -> tuple[Condition, ...]:
    """Parse what follows a function: nothing, or ``where`` with conditions."""
    if not text[at:].strip():
        return ()
    match = _WHERE.match(text, at)
    if match is None:
        message = f"found {text!r} with {text[at:]!r} at its end, expected 'where' and conditions"
        raise ValueError(message)
    found = []
    while True:
        path, end = parse_prefix(text, match.end())
        operator = _OPERATOR.match(text, end)
        if not path.steps or operator is None:
            message = f"found {text!r}, expected a condition such as 'status >= 500' after {text[: match.end()]!r}"
            raise ValueError(message)
        literal, at = _literal(text, operator.end())
        found.append(_condition(path, operator[1], literal))
        if not text[at:].strip():
            return tuple(found)
        match = _AND.match(text, at)
        if match is None:
            message = f"found {text!r} with {text[at:]!r} at its end, expected 'and' and a condition"
            raise ValueError(message)


def _condition(path: Path, operator: str, literal: Literals) -> Condition:
    if operator in {"<", "<=", ">", ">="} and (isinstance(literal, (bool, str)) or literal is None):
        message = f"found {path} {operator} {json.dumps(literal)}, expected a number after {operator}"
        raise ValueError(message)
    return Condition(path, "=" if operator == "==" else operator, literal)  # type: ignore[arg-type]


def _literal(text: str, at: int) -> tuple[Literals, int]:
    if match := _JSON_TEXT.match(text, at):
        return json.loads(match[0]), match.end()
    match = _WORD.match(text, at)
    if match is None:
        message = f"found {text!r}, expected a number or a text after {text[:at].rstrip()!r}"
        raise ValueError(message)
    try:
        value: Any = json.loads(match[0], parse_constant=_no_constant, parse_int=whole_number)
    except ValueError:
        value = match[0]
    if isinstance(value, float) and not math.isfinite(value):
        message = f"found {match[0]!r}, expected a finite number"
        raise ValueError(message)
    return (value if not isinstance(value, (dict, list)) else match[0]), match.end()


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def joined_names(rules: Mapping[str, Aggregate], name: str) -> tuple[str, ...]:
    """Return the names of values that other sources of the same ``join`` make.

    Args:
        rules: of all sources, by their names.
        name: of the source.
    """
    own = rules[name]
    if not own.join:
        return ()
    return tuple(
        value for other, rule in rules.items() if other != name and rule.join == own.join for value in rule.values
    )
