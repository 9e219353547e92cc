"""Reach a field of a JSON message by a path: ``a.b``, ``a["x.y"]``, ``a[0]``, and nothing more.

::

    path  = first { "." name | "[" text "]" | "[" index "]" }
    first = name | "[" text "]" | "[" index "]"
    name  = one or more characters, none of them . [ ] { } " or a character up to U+0020
    text  = a JSON string, with JSON's escapes
    index = 0, or a number of at most nine digits that does not begin with 0

A name or text is a field of an object, an index an element of an array; neither stands for the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eddy.formats import shown

MAX_STEPS = 100
_SHOWN_FIELDS = 5
_NAME = re.compile(r'[^.\[\]{}"\x00-\x20]+')
_TEXT = re.compile(r'\["((?:[^"\\\x00-\x1f]|\\.)*)"\]')
_INDEX = re.compile(r"\[(0|[1-9][0-9]{0,8})\]")
_EXPECTED = 'expected a path such as a.b, a["x.y"] or a[0]'


class _Missing:
    """Stand for a field that is not there, which is something else than null."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
Step = str | int


@dataclass(frozen=True)
class Path:
    """Hold the steps of a path: names of fields and indices of elements.

    Examples:
        >>> path = parse('a["x.y"][0]')
        >>> path.steps, str(path), path.find({"a": {"x.y": [None]}})
        (('a', 'x.y', 0), 'a["x.y"][0]', None)
        >>> path.find({"a": {}})
        MISSING
        >>> path.trouble({"a": {"X.Y": 1, "name": 2}})
        "a: found no field 'x.y'; there are 'X.Y', 'name'"
    """

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return spelled(self.steps)

    def find(self, found: Any) -> Any:
        """Return what stands there, None for null, and MISSING where the path leads nowhere."""
        for step in self.steps:
            if isinstance(step, str):
                if not isinstance(found, dict) or step not in found:
                    return MISSING
                found = found[step]
            else:
                if not isinstance(found, list) or step >= len(found):
                    return MISSING
                found = found[step]
        return found

    def trouble(self, found: Any) -> str:
        """Say how far the path leads, and what is there; for a path that leads nowhere."""
        for at, step in enumerate(self.steps):
            if Path((step,)).find(found) is MISSING:
                return f"{spelled(self.steps[:at]) or 'the message'}: {_what(step, found)}"
            found = found[step]
        return f"{self}: found {shown(found)}"


def _what(step: Step, found: Any) -> str:
    if isinstance(step, int):
        if isinstance(found, list):
            return f"found {len(found)} elements, expected an element [{step}]"
        return f"found {shown(found)}, expected an array with an element [{step}]"
    if not isinstance(found, dict):
        return f"found {shown(found)}, expected an object with a field {shown(step)}"
    names = ", ".join(shown(name) for name in list(found)[:_SHOWN_FIELDS])
    more = f" and {len(found) - _SHOWN_FIELDS} more" if len(found) > _SHOWN_FIELDS else ""
    there = f"there {'is' if len(found) == 1 else 'are'} {names}{more}" if found else "there is none"
    return f"found no field {shown(step)}; {there}"


def spelled(steps: Sequence[Step]) -> str:
    """Write steps as a path; :func:`parse` reads the same steps from it.

    Examples:
        >>> spelled(("a", "b", 0, "x y", "c"))
        'a.b[0]["x y"].c'
    """
    parts = []
    for at, step in enumerate(steps):
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _NAME.fullmatch(step):
            parts.append(f".{step}" if at else step)
        else:
            parts.append(f"[{json.dumps(step, ensure_ascii=False)}]")
    return "".join(parts)


def parse(text: str) -> Path:
    """Parse a path.

    Raises:
        ValueError: it is none; says what was found where, and what was expected.

    Examples:
        >>> parse("a..b")
        Traceback (most recent call last):
        ...
        ValueError: found 'a..b' with '..b' after 'a', expected a path such as a.b, a["x.y"] or a[0]
    """
    path, end = parse_prefix(text, 0)
    if end < len(text) or not path.steps:
        raise ValueError(_refusal(text, end))
    return path


def parse_prefix(text: str, start: int, *, within: bool = False) -> tuple[Path, int]:
    """Parse the longest path that begins at a place in a text; return it with the place after it.

    Args:
        text: that holds the path.
        start: where it begins.
        within: read it as what follows a name, so that it begins with a dot or bracket.

    Raises:
        ValueError: it has too many steps, or a text in it is no JSON.
    """
    steps: list[Step] = []
    at = start
    while len(steps) <= MAX_STEPS:
        if match := _INDEX.match(text, at):
            steps.append(int(match[1]))
        elif match := _TEXT.match(text, at):
            try:
                steps.append(json.loads(f'"{match[1]}"'))
            except ValueError:
                raise ValueError(_refusal(text, at)) from None
        elif steps or within:
            match = _NAME.match(text, at + 1) if text[at : at + 1] == "." else None
            if match is None:
                return Path(tuple(steps)), at
            steps.append(match[0])
        elif match := _NAME.match(text, at):
            steps.append(match[0])
        else:
            return Path(()), at
        at = match.end()
    message = f"found {shown(text)}, expected at most {MAX_STEPS} steps"
    raise ValueError(message)


def _refusal(text: str, at: int) -> str:
    where = f" with {shown(text[at:])} after {shown(text[:at])}" if at else ""
    return f"found {shown(text)}{where}, {_EXPECTED}"
