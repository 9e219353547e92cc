"""Show a line of progress while a producer sends; none if the output is not a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from eddy.producers.report import Tally


@contextmanager
def shown_progress(console: Console, title: str, *, show: bool) -> Iterator[Callable[[Tally], None]]:
    """Yield a function to call with the tally; it draws events, rate and event time."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not (show and console.is_terminal)) as progress:
        task = progress.add_task(title, total=None, detail="")

        def update(tally: Tally) -> None:
            at = "" if tally.last_ts is None else datetime.fromtimestamp(tally.last_ts / 1000, UTC).strftime("%F %H:%M")
            waiting = ", waiting for Kafka" if tally.waiting else ""
            detail = f"{tally.events:,} events, {tally.rate():,.0f}/s, event time {at}{waiting}"
            progress.update(task, completed=tally.events, total=tally.total, detail=detail)

        yield update
