"""Count rows that could not be used, and keep the first few with place and reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from eddy.errors import DataError

EXAMPLES = 5  # bad rows that are shown with line number and reason


@dataclass
class Skipped:
    """Count the rows of files that were left out.

    Attributes:
        rows: how many.
        examples: the first of them, with file, line and reason.
        files: files of a folder that could not be used at all.
        strict: raise at the first bad row instead.
        nameless: leave out rows whose cell for the series is empty also where ``strict`` is set.
        advice: what the error says about skipping such rows.
    """

    rows: int = 0
    examples: list[str] = field(default_factory=list)
    files: int = 0
    strict: bool = False
    nameless: bool = False
    advice: str = "--strict; without it the row is skipped and counted"

    def add(self, file: str, line: int, reason: str, *, nameless: bool = False) -> None:
        """Count one row; ``nameless`` says that all it lacks is the name of its series.

        Raises:
            DataError: in strict mode.
        """
        where = f"{file} line {line}: {reason}"
        if self.strict and not (nameless and self.nameless):
            raise DataError(f"{where} ({self.advice})")
        self.rows += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(where)

    def join(self, other: Skipped) -> None:
        """Add what was counted elsewhere."""
        self.rows += other.rows
        self.files += other.files
        self.examples = (self.examples + other.examples)[:EXAMPLES]
