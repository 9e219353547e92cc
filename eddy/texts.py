r"""State which texts are names, once for job, trainer, producers, training data and dashboard; quote the rest.

The rule: a text is *printable* if it can be encoded as UTF-8 and holds none of these characters:

- control characters: U+0000 to U+001F, U+007F to U+009F;
- line and paragraph separators: U+2028, U+2029;
- characters that change how the text around them reads: bidirectional overrides, embeddings and isolates (U+202A to
  U+202E, U+2066 to U+2069), deprecated format characters (U+206A to U+206F), annotations (U+FFF9 to U+FFFB), the byte
  order mark (U+FEFF), the language tag (U+E0001);
- surrogates (U+D800 to U+DFFF) and noncharacters (U+FDD0 to U+FDEF, the last two of each plane).

Everything else is part of a name: the characters of all scripts, all blanks (U+00A0, U+3000), joiners (U+200C, U+200D),
emoji sequences. The rule lists characters, not categories: it is the same in every version of Unicode and Python.
"""

from __future__ import annotations

import json
import re
import shlex

MAX_NAME_BYTES = 512  # of series ids and of names of models, features and people, as UTF-8
PRINTABLE = "no control characters, line separators, bidirectional controls, surrogates or noncharacters"

_PLANE_ENDS = "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
_LINES = "\t\n\r"  # that a comment may hold
#: what no text may hold, as a set of a regular expression
_REFUSED = (
    "\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0001"
    + _PLANE_ENDS
)
_refused = re.compile(f"[{_REFUSED}]")
_refused_in_lines = re.compile(f"(?![{_LINES}])[{_REFUSED}]")
#: the rule as a pattern of JSON Schema; it leaves out what not every reader of patterns can express
SCHEMA_PATTERN = (
    r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff]*$"
)


def is_printable(text: str, lines: bool = False) -> bool:
    r"""Return whether a text is printable by the rule above.

    Args:
        text: the text.
        lines: allow tabs and line breaks, too, as in a person's comment.

    Examples:
        >>> is_printable("no\u00a0break \u65e5\u672c\u3000\u8a9e"), is_printable("a\nb"), is_printable("a\u202eb")
        (True, False, False)
        >>> is_printable("a\nb", lines=True)
        True
    """
    if text.isascii() and text.isprintable():
        return True  # the same for ASCII, and three times as fast
    return not (_refused_in_lines if lines else _refused).search(text)


def is_name(text: str, max_bytes: int = MAX_NAME_BYTES) -> bool:
    """Return whether a text can be a series id or the name of a feature, model or person.

    Examples:
        >>> is_name("pump-7"), is_name(""), is_name("x" * 513)
        (True, False, False)
    """
    return bool(text) and is_printable(text) and size(text) <= max_bytes


def size(text: str) -> int:
    """Return the bytes of a text as UTF-8, where a lone surrogate, which has no such form, counts three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def escaped(found: object) -> str:
    r"""Return what came from outside as text for a terminal, a log or an error: one line, with escapes by the rule.

    Examples:
        >>> print(escaped("a\x1b[31mb\u202ec\n"), escaped("\u65e5\u672c"))
        a\x1b[31mb\u202ec\n 日本
    """
    text = found if isinstance(found, str) else str(found)
    return text if is_printable(text) else _refused.sub(_escape, text)


def quoted(found: object, most: int = 80) -> str:
    r"""Return what came from outside between quotation marks, shortened, for a log line of fields or a sentence.

    Examples:
        >>> print(quoted('a"b\n'))
        "a\"b\n"
    """
    text = found if isinstance(found, str) else str(found)
    text = text if len(text) <= most else f"{text[:most]}…"
    return f'"{escaped(text.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34)))}"'


def as_argument(found: object) -> str:
    r"""Return what came from outside as an argument of a command that people paste into a shell.

    Examples:
        >>> print(as_argument("pumps"), as_argument("a; rm -rf *"), as_argument("a\x1b"))
        pumps 'a; rm -rf *' 'a\x1b'
    """
    return shlex.quote(escaped(found))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode()


def json_line(found: bytes | str) -> str:
    r"""Return JSON from outside as one line for a terminal: characters against the rule become JSON's own escapes.

    Examples:
        >>> print(json_line('{"series": "a\u202eb"}'.encode()))
        {"series": "a\u202eb"}
    """
    text = found.decode(errors="replace") if isinstance(found, bytes) else found
    return text if is_printable(text) else _refused.sub(lambda match: json.dumps(match[0])[1:-1], text)
