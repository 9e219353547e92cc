"""Find out how a CSV file is written: its encoding, and what stands between its cells."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from eddy.errors import DataError, SettingsError

DELIMITERS = (";", "\t", "|", ",")  # where two fit alike, the first: a comma may be a decimal mark
HEAD_BYTES = 65_536  # read to find out
_HEAD_ROWS = 50
_DELIMITER_NAMES = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # spreadsheets write it above the header


def find_encoding(head: bytes, chosen: str) -> str:
    """Return the codec of a file that begins with ``head``: the user's, else by its byte order mark, else UTF-8.

    Raises:
        SettingsError: Python knows no such text codec.
    """
    marked = next((name for mark, name in _BOMS if head.startswith(mark)), "")
    if chosen and chosen != "auto":
        try:
            name = codecs.lookup(chosen).name
            "".encode(name)  # refuses codecs such as base64, which are not for text
        except LookupError:
            raise SettingsError(
                f"--encoding {chosen!r}: unknown; expected a name such as utf-8, cp1252 or iso-8859-1"
            ) from None
        return "utf-8-sig" if name == "utf-8" else name
    if marked:
        return marked
    # ASCII characters of UTF-16 without a mark: every second byte is 0.
    even, odd = head[0::2], head[1::2]
    if len(head) >= 8 and max(even.count(0), odd.count(0)) > 0.7 * len(odd) and min(even.count(0), odd.count(0)) == 0:
        return "utf-16-le" if odd.count(0) else "utf-16-be"
    return "utf-8-sig"


def undecodable(path: Path, encoding: str, chosen: str) -> DataError:
    """Return the error for a file with bytes that its encoding does not have."""
    place = _undecodable_line(path) if encoding.startswith("utf-8") else ""
    what = f"not text in {encoding.removesuffix('-sig').upper()}"
    if chosen:
        return DataError(f"{path}{place}: {what}, as --encoding says; name another, or leave it out to have it found")
    return DataError(
        f"{path}{place}: {what}; name the file's encoding with --encoding, such as cp1252 (Western Windows) or "
        "iso-8859-1, or save it as UTF-8"
    )


def find_delimiter(head: Sequence[str], chosen: str, names: Collection[str] = ()) -> str:
    """Return what stands between cells: what the user says, else what cuts the first lines into equally many cells.

    Args:
        head: the first lines.
        chosen: the user's; empty = find it.
        names: lower-case names of columns; where two delimiters fit alike, the one that makes such a cell is it.

    Raises:
        SettingsError: the user's is not one character.
    """
    if chosen:
        found = _DELIMITER_NAMES.get(chosen, chosen)
        if len(found) != 1 or found in '"\r\n':
            raise SettingsError(f"--delimiter {chosen!r}: expected one character, or {', '.join(_DELIMITER_NAMES)}")
        return found

    def fit(delimiter: str) -> tuple[bool, float, bool]:
        rows = [row for row in csv.reader(head, delimiter=delimiter, skipinitialspace=True) if row]
        if not rows or len(rows[0]) < 2:
            return False, 0.0, False
        same = Counter(len(row) for row in rows)[len(rows[0])] / len(rows)
        return True, round(same, 1), any(cell.strip().lower() in names for cell in rows[0])

    try:
        fits = {delimiter: fit(delimiter) for delimiter in DELIMITERS}
    except csv.Error:
        return ","
    best = max(DELIMITERS, key=fits.__getitem__)  # of equals the first
    return best if fits[best][0] else ","


def head_lines(head: bytes, encoding: str) -> list[str]:
    """Return the first whole lines of a file, blank ones left out, as far as they can be decoded."""
    lines = head.decode(encoding, errors="ignore").removeprefix("\ufeff").splitlines()
    whole = lines[:-1] if len(head) >= HEAD_BYTES and len(lines) > 1 else lines
    return [line for line in whole if line.strip()][:_HEAD_ROWS]


def sep_line(head: Sequence[str]) -> str:
    """Return the delimiter that a first line such as ``sep=;`` names; empty if there is no such line."""
    match = _SEP_LINE.fullmatch(head[0].strip()) if head else None
    return match[1] if match else ""


def _undecodable_line(path: Path) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f" line {number}: byte 0x{line[error.start]:02x}"
    return ""
