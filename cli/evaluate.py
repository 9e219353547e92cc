"""``eddy evaluate``: detectors over labelled data, causally, with the metrics the field uses."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from training.evaluation.nab_run import NabResult

evaluate = typer.Typer(no_args_is_help=True, help=__doc__)


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(evaluate, name="evaluate")


@evaluate.command()
def nab(
    data: Path = typer.Option(..., help="folder of <group>/<file>.csv with timestamp,value"),
    labels: Path | None = typer.Option(None, help="combined_windows.json; without it no scores, only result files"),
    out: Path = typer.Option(..., help="folder for result files, in NAB's layout"),
    detector: list[str] = typer.Option([], "--detector", help="repeatable; default: the whole line-up"),
    as_json: bool = typer.Option(False, "--json", help="print the figures as JSON"),
) -> None:
    """Run detectors over NAB-format series: only the first 15 % is fitted to, labels are used only to score."""
    from rich.console import Console
    from rich.progress import Progress

    from training.evaluation.lineup import entrants
    from training.evaluation.nab_run import run_entrant
    from training.nab import Corpus, load_folder

    chosen = entrants(detector)
    corpus = Corpus(load_folder(data, labels))
    results = []
    with Progress(console=Console(stderr=True), transient=True, disable=as_json) as bar:
        task = bar.add_task("", total=len(chosen))
        for i, entrant in enumerate(chosen):

            def report(what: str, share: float, done: int = i) -> None:
                bar.update(task, description=what, completed=done + share)

            results.append(run_entrant(entrant, corpus, out, report).result)
    results.sort(key=lambda r: -r.shipped["standard"])
    text = json.dumps([asdict(r) for r in results], indent=2).replace("NaN", "null")
    (out / "results.json").write_text(text + "\n")
    if as_json:
        print(text)
        return
    if corpus.windows:
        _print_ranking(results)
    Console().print(f"result files: {out}", soft_wrap=True)


@evaluate.command()
def ucr(
    data: Path = typer.Option(..., help="folder of the archive's .txt files"),
    detector: list[str] = typer.Option([], "--detector", help="repeatable"),
    as_json: bool = typer.Option(False, "--json", help="print the figures as JSON"),
) -> None:
    """Locate the one anomaly of each UCR series; right within 100 points of its span."""
    from rich.console import Console
    from rich.table import Table

    from eddy.errors import SettingsError
    from training.evaluation.ucr_run import DEFAULTS, locate_all

    unknown = sorted({*detector} - {*DEFAULTS})
    if unknown:
        raise SettingsError(f"detector {unknown[0]!r} is not set up for UCR; known: {', '.join(sorted(DEFAULTS))}")
    results = locate_all(data, detector)
    if as_json:
        print(json.dumps([asdict(r) for r in results], indent=2))
        return
    table = Table("series", "detector", "found at", "labelled", "right")
    for r in results:
        table.add_row(r.series, r.detector, str(r.found), f"{r.first}-{r.last}", "yes" if r.right else "no")
    Console().print(table)


def _print_ranking(results: list[NabResult]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="NAB score (standard / low FP / low FN)")
    for name in ("detector", "shipped threshold", "one threshold, tuned on labels", "held-out groups"):
        table.add_column(name, no_wrap=name == "detector")
    for name in ("windows", "false rows", "false/day", "s"):
        table.add_column(name, justify="right")
    for r in results:
        table.add_row(
            r.detector,
            " / ".join(f"{score:.1f}" for score in r.shipped.values()),
            " / ".join(f"{score:.1f}" for _, score in r.tuned.values()),
            f"{r.held_out:.1f}",
            f"{r.found}/{r.windows}",
            str(r.false_rows),
            f"{r.false_per_day:.3f}",
            f"{r.seconds:.1f}",
        )
    Console().print(table)
