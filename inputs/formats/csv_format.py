"""Read CSV text: one message for each row, with the names of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from eddy.connection_settings import SchemaRegistrySettings
from eddy.formats import BadObservation, shown
from eddy.inputs.formats.base import MessageFormat
from eddy.inputs.formats.bounds import limited, text
from eddy.inputs.formats.options import check_names
from eddy.inputs.record import Record

_MAX_FIELDS = 10_000
_NAMES = ("series", "ts", "value")


class CsvMessages(MessageFormat):
    r"""Read the rows of a value; an empty cell is null, so a missing value.

    Options:
        fields: names of the columns. Without them, the first row of each record is its header.
        delimiter: one character between cells; ``,``.
        quote: one character around cells that hold a delimiter, or an empty text for none; ``"``.

    Examples:
        >>> one = CsvMessages({"fields": ["series", "ts", "value"], "delimiter": ";"}, SchemaRegistrySettings())
        >>> one.messages(Record("t", value=b"pump-7;1735689600;4,2\n"))
        [{'series': 'pump-7', 'ts': '1735689600', 'value': '4,2'}]
    """

    name: ClassVar[str] = "csv"
    defaults: ClassVar[Mapping[str, Any]] = {"numbers": "text"}

    def __init__(self, options: Mapping[str, Any], registry: SchemaRegistrySettings) -> None:
        check_names(self.name, options, ("fields", "delimiter", "quote"))
        self._names = _columns(options["fields"]) if "fields" in options else None
        delimiter, quote = options.get("delimiter", ","), options.get("quote", '"')
        if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in "\r\n":
            message = f"delimiter: found {delimiter!r}, expected one character, such as ';' or a tab"
            raise ValueError(message)
        if not isinstance(quote, str) or len(quote) > 1 or quote in ("\r", "\n", delimiter):
            message = f"quote: found {quote!r}, expected one character that is not the delimiter, or '' for none"
            raise ValueError(message)
        quoting = {"quotechar": quote} if quote else {"quotechar": None, "quoting": csv.QUOTE_NONE}
        self._form: dict[str, Any] = {"delimiter": delimiter, "strict": True, **quoting}

    def messages(self, record: Record) -> Iterable[Any]:
        """Return a dict for each row."""
        rows = csv.reader(io.StringIO(text(record, "rows of CSV"), newline=""), **self._form)
        return limited(self._rows(rows))

    def _rows(self, rows: Any) -> Iterator[Any]:
        names, found = self._names, 0
        while True:
            try:
                row = next(rows)
            except StopIteration:
                break
            except csv.Error as error:  # where the next row would begin is not known
                yield BadObservation("bad-format", f"line {rows.line_num}: {error}; expected CSV")
                return
            if not row:
                continue  # a blank line
            if names is None:
                names = _header(row)
                continue
            found += 1
            if len(row) == len(names):
                yield {name: cell or None for name, cell in zip(names, row, strict=True)}
            else:
                problem = f"line {rows.line_num}: found {len(row)} cells, expected {len(names)}: {shown(list(names))}"
                yield BadObservation("bad-format", problem)
        if names is None or (self._names is None and not found):
            hint = "; 'fields' of the format names the columns of rows without a header"
            raise BadObservation("bad-format", f"found {rows.line_num} lines, expected a header and rows{hint}")


def _columns(found: Any) -> tuple[str, ...]:
    """Check the names of columns.

    Raises:
        ValueError: they are none.
    """
    if not isinstance(found, list | tuple) or not 0 < len(found) <= _MAX_FIELDS:
        message = f"fields: found {shown(found)}, expected a list of names, such as {list(_NAMES)}"
        raise ValueError(message)
    for name in found:
        if not isinstance(name, str) or not name:
            message = f"fields: found {shown(name)}, expected a name"
            raise ValueError(message)
    if len(set(found)) < len(found):
        message = f"fields: found {shown(list(found))}, expected each name once"
        raise ValueError(message)
    return tuple(found)


def _header(row: list[str]) -> tuple[str, ...]:
    if len(row) > _MAX_FIELDS:
        raise BadObservation("too-many", f"header: found {len(row)} cells, expected at most {_MAX_FIELDS}")
    names = tuple(cell.strip() for cell in row)
    if len(set(names)) < len(names) or not all(names):
        raise BadObservation("bad-format", f"header: found {shown(row)}, expected names, each once")
    return names
