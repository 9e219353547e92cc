"""Print the tables of ``eddy evaluate``; they fit a terminal of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from eddy.training.evaluation.runs.nab import NabResult
    from eddy.training.evaluation.runs.ucr import Located

_WIDEST = 200


def print_ranking(results: Sequence[NabResult]) -> None:
    """Print NAB scores in the order given; each of the first two columns holds standard / low FP / low FN."""
    heads = ("shipped\nthreshold", "tuned\non labels", "other\ngroups", "found", "false\nrows", "a day", "s")
    table = _table("NAB score (standard / low FP / low FN)", heads)
    for r in results:
        table.add_row(
            r.detector,
            "/".join(f"{score:.1f}" for score in r.shipped.values()),
            "/".join(f"{score:.1f}" for _, score in r.tuned.values()),
            f"{r.held_out:.1f}",
            f"{r.found}/{r.windows}",
            str(r.false_rows),
            f"{r.false_per_day:.3f}",
            f"{r.seconds:.1f}",
        )
    _print(table)


def print_streams(title: str, results: Sequence[dict[str, Any]]) -> None:
    """Print event-wise figures; without labels only the alerts, as nobody knows which are right."""
    from rich.console import Console

    labelled = any(r["events"]["labelled"] for r in results)
    rates = ("a day", "per\n1,000")
    heads = ("found", "recall", "false\nalerts", *rates, "preci-\nsion", "delay", "VUS-PR") if labelled else (
        "alerts", *rates
    )  # fmt: skip
    table = _table(title, heads)
    for r in results:
        e = r["events"]
        counted = (str(e["false_alerts"]), f"{e['false_per_day']:.2f}", f"{e['false_per_1000_points']:.2f}")
        if labelled:
            found = (f"{e['found']}/{e['labelled']}", _number(100 * e["recall"], "{:.1f}%"))
            quality = (_number(e["precision"], "{:.2f}"), _number(e["median_delay_points"], "{:.0f}"))
            table.add_row(r["detector"], *found, *counted, *quality, _number(r["vus_pr"], "{:.3f}"))
        else:
            table.add_row(r["detector"], *counted)
    _print(table)
    console = Console()
    if not labelled:
        console.print("no labelled event: whether an alert is right is not known")
    for r in results:
        if r["events"]["by_kind"]:
            kinds = ", ".join(f"{k} {v['found']}/{v['labelled']}" for k, v in r["events"]["by_kind"].items())
            console.print(f"{r['detector']}: {kinds}", soft_wrap=True)
        if "untouched_alerts_per_day" in r:
            console.print(f"{r['detector']}: {r['untouched_alerts_per_day']:.2f} alerts a day on the untouched file")
        for note in r["notes"]:
            console.print(f"{r['detector']}: {note}", soft_wrap=True, markup=False)


def print_located(results: Sequence[Located]) -> None:
    """Print where each detector located each series' anomaly."""
    table = _table("UCR anomaly archive", ("detector", "found at", "labelled", "right"), "series")
    for r in results:
        found = str(r.found) if r.found >= 0 else "–"
        table.add_row(r.series, r.detector, found, f"{r.first}-{r.last}", "yes" if r.right else "no")
    _print(table)


def _table(title: str, heads: Sequence[str], first: str = "detector") -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column(first, no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _print(table: Table) -> None:
    """Print a whole table: a line that wraps is easier to read than a name cut short."""
    from rich.console import Console

    console = Console()
    console.width = max(console.width, Console(width=_WIDEST).measure(table).maximum)
    console.print(table)


def _number(value: float, form: str) -> str:
    return form.format(value) if math.isfinite(value) else "–"
