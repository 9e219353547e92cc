"""Parse value columns: decimal point or comma, thousands, words for a missing value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from eddy.errors import SettingsError

#: lower case; what spreadsheets, databases and statistics programs write where a value is missing
MISSING = frozenset(
    ("", "?", "-", "--", "nan", "-nan", "na", "n/a", "<na>", "#na", "#n/a", "null", "nil", "none", "\\n", "missing")
)
_SHOWN = 40
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u2009\u202f", " "))  # no-break, thin: what locales put between thousands
_LIKE_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+")  # 1,234: a decimal comma, or a thousand?


class NumberForm:
    """Parse the cells of a file's value columns.

    The first cell with a decimal mark decides whether the file's decimals have a point or a comma; a later cell that
    contradicts it is an error, never another number.

    Args:
        decimal: ``.`` or ``,``; empty = found in the cells.
        thousands: what stands between thousands; empty = nothing does.
        delimiter: between the file's cells. Where it is ``;``, 1,234 is 1.234, as spreadsheets of many countries write.

    Raises:
        SettingsError: the marks are none, or equal.
    """

    def __init__(self, decimal: str = "", thousands: str = "", delimiter: str = ",") -> None:
        if decimal not in ("", ".", ","):
            raise SettingsError(f"--decimal {decimal!r}: expected . or ,")
        thousands = {"space": " "}.get(thousands, thousands).translate(_SPACES)
        if len(thousands) > 1 or thousands.isalnum() or (thousands and thousands in "+-"):
            raise SettingsError(f"--thousands {thousands!r}: expected one character, such as , or . or ' or space")
        if thousands in (".", ",") and not decimal:
            decimal = "," if thousands == "." else "."
        if thousands and thousands == decimal:
            raise SettingsError(f"--thousands and --decimal are both {decimal!r}; expected two different characters")
        self.decimal, self.thousands, self.delimiter = decimal, thousands, delimiter
        mark = re.escape(thousands)
        self._grouped = re.compile(rf"[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{2,3}})+(?:[.,][0-9]*)?(?:[eE][+-]?[0-9]+)?")

    def columns(self, columns: Sequence[Sequence[str]]) -> NDArray[np.float64] | None:
        """Parse whole columns into (n, F), NaN where missing; return None if a cell needs a closer look."""
        if not self.decimal:
            self._find_decimal(columns)
        try:
            values = np.column_stack([self._column(cells) for cells in columns])
        except ValueError:
            return None
        return None if np.isinf(values).any() else values

    def one(self, cell: str, name: str) -> float:
        """Parse one cell of a column.

        Raises:
            ValueError: it is no number, or infinite; says what to do.
        """
        text = cell.strip()
        if text.lower() in MISSING:
            return math.nan
        shown = f"{name} {text[:_SHOWN]!r}"
        try:
            number = float(self._plain(text))
        except ValueError:
            raise ValueError(f"{shown} is not a number; {self._advice(text)}") from None
        if math.isinf(number):
            raise ValueError(f"{shown} is infinite; leave the cell empty where a value is missing")
        return number

    def _column(self, cells: Sequence[str]) -> NDArray[np.float64]:
        if self.decimal != "," and not self.thousands:
            try:
                return np.array(cells, dtype=np.float64)
            except ValueError:
                pass
        read: dict[str, str] = {}  # words for missing values, and whatever needs rewriting, once each
        for cell in set(cells):
            text = cell.strip()
            read[cell] = "nan" if text.lower() in MISSING else self._plain(text)
        return np.array([read[cell] for cell in cells], dtype=np.float64)

    def _plain(self, text: str) -> str:
        """Write a number as Python does.

        Raises:
            ValueError: it has a mark that this file's numbers do not have.
        """
        if self.thousands:
            text = text.translate(_SPACES)
            if self.thousands in text:
                if not self._grouped.fullmatch(text):
                    raise ValueError
                text = text.replace(self.thousands, "")
        if self.decimal == ",":
            if "." in text:
                raise ValueError
            text = text.replace(",", ".", 1)
        return text

    def _find_decimal(self, columns: Sequence[Sequence[str]]) -> None:
        rows: Iterable[tuple[str, ...]] = zip(*columns, strict=True)
        for cell in (cell for row in rows for cell in row if "," in cell or "." in cell):
            text = cell.strip()
            mark = "," if "," in text else "."
            if not _is_number(text.replace(",", ".", 1)) or (mark == "," and self._is_ambiguous(text)):
                continue
            self.decimal = mark
            return

    def _is_ambiguous(self, text: str) -> bool:
        return self.delimiter != ";" and _LIKE_THOUSANDS.fullmatch(text) is not None

    def _advice(self, text: str) -> str:
        if "," in text and "." in text and _is_number(text.replace(",", "").replace(".", "")):
            thousands, decimal = (",", ".") if text.index(",") < text.index(".") else (".", ",")
            return f"if it has a mark between thousands, give --thousands {thousands} (and --decimal {decimal})"
        if "," in text and self._is_ambiguous(text):
            return "the comma may be a decimal mark or stand between thousands: give --decimal , or --thousands ,"
        if _is_number(text.replace(",", ".", 1)):
            found, given = (",", "point") if self.decimal == "." else (".", "comma")
            return f"the file's decimals have a {given}, this one has {found!r}: give --decimal or --thousands"
        return "leave text columns out with --value"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
