"""The section of ``docs/results.md`` on a cold start: a recording from its first row, with and without learning on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eddy.training.data.recording import Recording
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.evaluation.runs.streams import run_over
from eddy.training.evaluation.study.results_document import STREAM_COLUMNS, table

BEGIN, END = "<!-- eddy evaluate first-row -->", "<!-- end of first-row -->"


def first_row_study(
    entrants: Sequence[Entrant], recordings: Sequence[Recording], notify: Callable[[str, float], None]
) -> list[dict[str, Any]]:
    """A row per detector and recording (a seed of the injected anomalies each)."""
    return [
        {**run_over(entrant, [recording], 0, notify).to_json(), "data": recording.name}
        for entrant in entrants
        for recording in recordings
    ]


def section(command: str, rows: Sequence[dict[str, Any]], anomalies: int) -> str:
    """Markdown, between marks by which it is found again."""
    parts = [
        BEGIN,
        "## Household power from its first row",
        "Written by a command of its own:",
        f"    {command}",
        "A cold start on the first 15,000 minutes of the UCI file: the first 15 % initialises scaler, model and limit, "
        f"then each row is scored before it is learned from; {anomalies} anomalies per seed, injected as above. `dmd` "
        "learns on with every row (recursive least squares), `dmd-static` is the same model as it was initialised; "
        "`consistency` learns on as well.",
        table(rows, STREAM_COLUMNS, lambda r: r["events"]["recall"]),
        END,
    ]
    return "\n\n".join(parts) + "\n"


def with_section(page: str, text: str) -> str:
    """A page with the section at its end, in place of an earlier one."""
    rest = page.replace(section_of(page), "").rstrip("\n")
    return f"{rest}\n\n{text}" if text else f"{rest}\n"


def section_of(page: str) -> str:
    """The section of a page; empty if it has none."""
    begin, end = page.find(BEGIN), page.find(END)
    return page[begin : end + len(END)] + "\n" if 0 <= begin < end else ""
