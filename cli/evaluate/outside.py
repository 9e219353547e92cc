"""``eddy evaluate outside``: detectors over labelled public sets that nobody tuned them on, beside baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from eddy.cli.train.threshold_options import SENSITIVITY, with_thresholds

if TYPE_CHECKING:
    from eddy.training.evaluation.outside.run import SetOutcome
    from eddy.training.evaluation.outside.severity import SeverityOutcome

DETECTORS = ["auto", "novelty"]


def register(group: typer.Typer) -> None:
    """Add the command to ``eddy evaluate``."""
    group.command()(outside)
    group.command()(severity)


def outside(
    data: Path = typer.Option(..., help="folder with nab/ and outside/<set>/"),
    detector: list[str] = typer.Option(DETECTORS, "--detector", help="repeatable"),
    name: list[str] = typer.Option([], "--set", help="only this set; repeatable [all]"),
    false_alarms_per_week: float | None = SENSITIVITY,
    baselines: bool = typer.Option(True, help="run the baselines too"),
    out: Path | None = typer.Option(
        None, help="folder for outside.json, with a row per series, and for a cache: what it holds is not run again"
    ),
    page: Path | None = typer.Option(None, help="a Markdown page to write; the project's is docs/results-outside.md"),
    seed: int = typer.Option(0, help="of the detectors that draw at random"),
    as_json: bool = typer.Option(False, "--json", help="print the figures as JSON"),
) -> None:
    """Run detectors at their shipped thresholds over every set; labels only score."""
    from rich.console import Console
    from rich.progress import Progress

    from eddy.training.evaluation.outside.baselines import BASELINES
    from eddy.training.evaluation.outside.data_sets import load_outside
    from eddy.training.evaluation.outside.results_page import results_page
    from eddy.training.evaluation.outside.run import run_set
    from eddy.training.evaluation.report.html import plain_json
    from eddy.training.evaluation.result_cache import Cache
    from eddy.training.evaluation.runs.lineup import entrants

    named = with_thresholds(entrants(detector), "", [], false_alarms_per_week)
    chosen = [*(BASELINES if baselines else ()), *named]
    found: list[SetOutcome] = []
    sets, cache = load_outside(data, name), Cache(out / "cache") if out is not None else None
    with Progress(console=Console(stderr=True), transient=True, disable=as_json) as bar:
        task = bar.add_task("", total=len(sets))
        for i, one in enumerate(sets):

            def notify(what: str, share: float, done: int = i) -> None:
                bar.update(task, description=what, completed=done + share)

            found += run_set(chosen, one, seed, notify, cache)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "outside.json").write_text(plain_json([one.to_json() for one in found]) + "\n")
    if page is not None:
        page.write_text(results_page(found), encoding="utf-8")
    if as_json:
        rows = [{k: v for k, v in one.to_json().items() if k != "series"} for one in found]
        print(plain_json(rows))
        return
    print_outside(found)


def print_outside(found: list[SetOutcome]) -> None:
    """A table per set, best F1 first."""
    from rich.console import Console
    from rich.table import Table

    for data in dict.fromkeys(one.data for one in found):
        own = sorted((one for one in found if one.data == data), key=lambda one: -one.f1)
        table = Table(title=f"{data}, {len(own[0].series)} series")
        for name in (
            "detector",
            "F1",
            "10-90 %",
            "beyond baseline",
            "false/1,000",
            "VUS-PR",
            "NAB",
            "placed",
            "values/s",
        ):
            table.add_column(name, no_wrap=name == "detector")
        for one in own:
            beyond = f"{one.f1_beyond[0]:+.2f} to {one.f1_beyond[1]:+.2f}" if one.f1_beyond else "–"
            table.add_row(
                one.detector, f"{one.f1:.2f}", f"{one.f1_spread[0]:.2f}-{one.f1_spread[1]:.2f}", beyond,
                f"{one.false_per_thousand:.2f}", f"{one.vus_pr:.3f}",
                f"{one.nab:.1f}" if one.nab is not None else "–",
                f"{100 * one.placed:.0f} %" if one.placed is not None else "–", f"{one.points_per_second:,.0f}",
            )  # fmt: skip
        Console().print(table)


def severity(
    data: Path = typer.Option(..., help="folder with nab/ and outside/<set>/"),
    detector: list[str] = typer.Option(["auto"], "--detector", help="repeatable"),
    name: list[str] = typer.Option([], "--set", help="only this set; repeatable [all]"),
    threshold: str = typer.Option("", help="of detectors without a limit of their own, such as rate [as shipped]"),
    curve: bool = typer.Option(False, help="show severities by tens, too"),
    seed: int = typer.Option(0, help="of the detectors that draw at random"),
) -> None:
    """Show what each level of severity is worth: how many of its incidents are labelled events."""
    from functools import reduce
    from operator import add

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from eddy.training.evaluation.outside.data_sets import load_outside
    from eddy.training.evaluation.outside.severity import LEVELS, run_severity
    from eddy.training.evaluation.runs.lineup import entrants

    sets, chosen = load_outside(data, name), entrants(detector)
    table = Table(title="labelled of all incidents, by level", box=None)
    for column in ("detector", "set", *LEVELS, "out of band", "in words", "series left out"):
        table.add_column(column, no_wrap=True)
    curves: list[SeverityOutcome] = []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(sets) * len(chosen))
        for i, entrant in enumerate(chosen):
            found = []
            for k, one in enumerate(sets):

                def notify(what: str, share: float, done: int = i * len(sets) + k) -> None:
                    bar.update(task, description=what, completed=done + share)

                found.append(run_severity(entrant, one, seed, notify, threshold))
            curves += [reduce(add, found)]
            for outcome in [*found, *([reduce(add, found)] if len(found) > 1 else [])]:
                levels = [f"{a} of {n}" for a, n in zip(outcome.labelled, outcome.incidents, strict=True)]
                total = sum(outcome.incidents)
                why = [f"{one / total:.0%}" if total else "–" for one in (outcome.shown, outcome.said)]
                table.add_row(outcome.detector, outcome.data, *levels, *why, str(outcome.left_out))
    Console(width=max(Console().width, 120)).print(table)
    if not curve:
        return
    by_tens = Table(title="labelled of all incidents, by severity", box=None)
    for column in ("detector", *(f"{10 * k} to {10 * k + 9}" for k in range(9)), "90 to 100"):
        by_tens.add_column(column, no_wrap=True)
    for outcome in curves:
        counts = zip(outcome.labelled_tens, outcome.tens, strict=True)
        by_tens.add_row(outcome.detector, *(f"{a / n:.0%} of {n}" if n else "–" for a, n in counts))
    Console(width=max(Console().width, 160)).print(by_tens)
