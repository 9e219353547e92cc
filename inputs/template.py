r"""Make series ids from a template: ``{path}``, ``{key}``, ``{key.path}``, ``{topic}``, ``{header.NAME}`` and text.

``{{`` and ``}}`` are braces. A field of the message that is itself called ``key``, ``topic`` or ``header`` is reached
as ``{["key"]}``. Between two fields there has to be a text, so that an id can be taken apart again.

A value is a text, a whole number of 64 bits (as decimal digits), true or false. It is written as it is, except that
these characters become the bytes of their UTF-8 form, each as ``%`` and two upper-case hexadecimal digits:

- characters that no series id may hold (:mod:`eddy.texts`);
- the first character of each text that stands between two fields: with ``{a}/{b}`` the ``/``, in all values;
- ``%``, but only where two upper-case hexadecimal digits follow that spell such a character in ASCII, ``25``, or a
  byte from ``80`` on: where it could be taken for an escape.

So different values give different ids, and names without such characters stay as they are. Unicode is not normalised:
the same name with `é` as one character (NFC) and as two (NFD) makes two series.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eddy.formats import MAX_SERIES_BYTES, BadObservation, shown
from eddy.inputs import json_message
from eddy.inputs.paths import MISSING, Path, parse_prefix
from eddy.inputs.record import Record
from eddy.texts import PRINTABLE, is_printable, size

_WORD_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PERCENT = re.compile(r"%(?=([0-9A-F]{2}))")
_HEADER = re.compile(r"[^{}]+")
_SPECIAL = ("key", "topic", "header")
_INT64 = range(-(1 << 63), 1 << 64)  # what both readers of JSON keep as whole numbers

#: returns the value of a path in the message; raises BadObservation where it is not there
Find = Callable[[Path], Any]

NOWHERE = Path(())


@dataclass(frozen=True)
class Field:
    """Hold one field of a template: of the message (``kind`` empty), of the key, a header, or the topic's name."""

    kind: str
    path: Path = NOWHERE
    header: str = ""

    def __str__(self) -> str:
        if self.kind == "header":
            return f"header.{self.header}"
        rest = str(self.path)
        return self.kind + ("" if not rest or not self.kind or rest[0] == "[" else ".") + rest


class Template:
    """Make series ids.

    Args:
        text: the template.
        split: a feature's name follows each id after ``/``: the slash separates, too.

    Raises:
        ValueError: the text is no template; says what was found and what was expected.

    Examples:
        >>> template = Template("{site}/{device.id}")
        >>> values = {"site": "a/b", "device.id": 7}
        >>> template.series(Record("t", value=b""), lambda path: values[str(path)])
        'a%2Fb/7'
        >>> Template("{a}{b}")
        Traceback (most recent call last):
        ...
        ValueError: found no text between {a} and {b}, expected a text between them that begins with neither ...
    """

    def __init__(self, text: str, split: bool = False) -> None:
        self.parts = _parsed(text)
        self.fields = tuple(part for part in self.parts if isinstance(part, Field))
        if not self.fields:
            message = f"found {shown(text)} without a field, expected one such as {{device.id}} or {{key}}"
            raise ValueError(message)
        self.separators = frozenset({"/"} if split else ()) | _separators(self.parts)
        self._escaped = re.compile(f"[{''.join(map(re.escape, sorted(self.separators)))}]") if self.separators else None
        ascii_separators = {ord(one) for one in self.separators if one < "\x80"}
        self._spelled = {*range(0x20), 0x25, *range(0x7F, 0x100)} | ascii_separators  # bytes that escapes stand for

    def series(self, record: Record, find: Find) -> str:
        """Return the series id of a record.

        Raises:
            BadObservation: ``no-field``, or ``no-series`` for a value that can be no part of an id.
        """
        parts = [part if isinstance(part, str) else self.escape(_text(part, record, find)) for part in self.parts]
        return checked("".join(parts))

    def escape(self, value: str) -> str:
        r"""Write one value as it stands in ids.

        Examples:
            >>> Template("{a}").escape("50% of a/b\n"), Template("{a}/{b}").escape("a/b%2F%2E")
            ('50% of a/b%0A', 'a%2Fb%252F%2E')
        """
        if "%" in value:
            value = _PERCENT.sub(lambda match: "%25" if int(match[1], 16) in self._spelled else "%", value)
        if self._escaped is not None:
            value = self._escaped.sub(lambda match: _bytes(match[0]), value)
        if not is_printable(value):
            value = "".join(one if is_printable(one) else _bytes(one) for one in value)
        return value


def checked(series: str) -> str:
    """Return a series id, if it is one.

    Raises:
        BadObservation: ``no-series``: it is empty or too long.
    """
    if not series:
        raise BadObservation("no-series", "series: found an empty text, expected a name")
    if (found := size(series)) > MAX_SERIES_BYTES:
        raise BadObservation("no-series", f"series: found {found} bytes, expected at most {MAX_SERIES_BYTES}")
    return series


def _bytes(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _text(field: Field, record: Record, find: Find) -> str:
    """Return the text of a field's value."""
    if field.kind == "topic":
        return record.topic
    if field.kind == "":
        return as_text(find(field.path), str(field))
    if field.kind == "header":
        values = [value for name, value in record.headers if name == field.header]
        if not values:
            names = ", ".join(dict.fromkeys(shown(name) for name, _ in record.headers)) or "none"
            raise BadObservation("no-series", f"series: found no header {shown(field.header)}; there are {names}")
        return _decoded(values[-1], str(field))
    if record.key is None:
        raise BadObservation("no-series", "series: found a record without a key, expected one for {key}")
    if not field.path.steps:
        return _decoded(record.key, "key")
    try:
        key = json_message.parse(record.key)
    except BadObservation as problem:
        raise BadObservation("no-series", f"key: found {shown(record.key)}, expected JSON: {problem}") from None
    value = field.path.find(key)
    if value is MISSING:
        raise BadObservation("no-series", f"key: {field.path.trouble(key)}".replace("the message: ", ""))
    return as_text(value, str(field))


def _decoded(found: bytes | None, name: str) -> str:
    try:
        if found is not None:
            return found.decode()
    except UnicodeDecodeError:
        pass
    raise BadObservation("no-series", f"{name}: found {shown(found)}, expected UTF-8 text")


def text_of(value: Any) -> str | None:
    """Return a value as text: of a text, a whole number of 64 bits, true or false; None for all else.

    Examples:
        >>> [text_of(value) for value in ("a", 7, True, 7.0, None, 1 << 64)]
        ['a', '7', 'true', None, None, None]
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) and value in _INT64 else None


def as_text(value: Any, name: str) -> str:
    """Return a value as text.

    Raises:
        BadObservation: ``no-series``: it can be no part of an id.
    """
    text = text_of(value)
    if text is None:
        expected = "a text, a whole number, true or false"
        raise BadObservation("no-series", f"{name}: found {shown(value)}, expected {expected}")
    if not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text):
        raise BadObservation("no-series", f"{name}: found {shown(text)}, expected a text without lone surrogates")
    return text


def _parsed(text: str) -> list[str | Field]:
    """Parse a template into texts and fields."""
    parts: list[str | Field] = []
    literal, at = "", 0
    while at < len(text):
        one = text[at]
        if text[at : at + 2] in ("{{", "}}"):
            literal, at = literal + one, at + 2
        elif one == "{":
            field, at = _field(text, at + 1)
            parts += [literal, field] if literal else [field]
            literal = ""
        elif one == "}":
            message = f"found {shown(text)} with a lone '}}', expected '}}}}' for a brace"
            raise ValueError(message)
        else:
            literal, at = literal + one, at + 1
    parts += [literal] if literal else []
    for part in parts:
        if isinstance(part, str) and not is_printable(part):
            message = f"found the text {shown(part)}, expected {PRINTABLE}"
            raise ValueError(message)
    return parts


def _field(text: str, at: int) -> tuple[Field, int]:
    """Parse a field behind its brace; return it with the place after its closing brace."""
    name = next((name for name in _SPECIAL if re.match(name + r"[.\[}]", text[at:])), "")
    end = at + len(name)
    if name == "header":
        match = _HEADER.match(text, end + 1) if text[end] == "." else None
        field, end = (Field("header", header=match[0]), match.end()) if match else (Field(""), end)
    elif name:
        path, end = parse_prefix(text, end, within=True)
        field = Field(name, path) if name == "key" or not path.steps else Field("")
    else:
        path, end = parse_prefix(text, at)
        field = Field("", path)
    if text[end : end + 1] != "}" or (not field.kind and not field.path.steps):
        message = f"found {shown(text)} with {shown(text[at - 1 :])}, expected {{path}}, {{key}}, {{key.path}}, "
        raise ValueError(message + "{topic} or {header.NAME}; '{{' is a brace")
    return field, end + 1


def _separators(parts: Sequence[str | Field]) -> set[str]:
    """Return the first characters of the texts between fields."""
    found = set()
    for before, part, after in zip(parts, parts[1:], [*parts[2:], ""], strict=False):
        between = part if isinstance(part, str) else ""
        if not isinstance(before, Field) or (between and not isinstance(after, Field)):
            continue
        if not between or between[0] in _WORD_CHARACTERS or between[0] == "%":
            what = f"{shown(between)}" if between else "no text"
            message = (
                f"found {what} between {{{before}}} and {{{after if between else part}}}, expected a text between "
            )
            raise ValueError(message + "them that begins with neither A-Z, a-z, 0-9 nor '%', such as '/'")
        found.add(between[0])
    return found
