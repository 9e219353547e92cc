"""Evaluate detectors over labelled data, causally, with the field's metrics: ``eddy evaluate``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from eddy.cli.evaluate.tables import print_located, print_ranking
from eddy.cli.train.detector_options import CatalogCommand
from eddy.cli.train.threshold_options import NAMED, PARAMETERS, SENSITIVITY, with_thresholds

evaluate = typer.Typer(no_args_is_help=True, help=__doc__)


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    from eddy.cli.evaluate import outside as evaluate_outside
    from eddy.cli.evaluate import streams as evaluate_streams
    from eddy.cli.evaluate import study as evaluate_study

    evaluate_outside.register(evaluate)
    evaluate_streams.register(evaluate)
    evaluate_study.register(evaluate)
    app.add_typer(evaluate, name="evaluate")


@evaluate.command(cls=CatalogCommand)
def nab(
    data: Path = typer.Option(..., help="folder of <group>/<file>.csv with timestamp,value"),
    labels: Path | None = typer.Option(None, help="combined_windows.json; without it no scores, only result files"),
    out: Path = typer.Option(..., help="folder for result files, in NAB's layout"),
    detector: list[str] = typer.Option([], "--detector", help="repeatable; default: the whole line-up"),
    threshold: str = NAMED,
    threshold_param: list[str] = PARAMETERS,
    false_alarms_per_week: float | None = SENSITIVITY,
    report: bool = typer.Option(True, help="write report.html; the bands in it take as long as the run"),
    seed: int = typer.Option(0, help="of the detectors that draw at random"),
    as_json: bool = typer.Option(False, "--json", help="print the figures as JSON"),
) -> None:
    """Run detectors over NAB-format series: only the first 15 % is fitted to, labels are used only to score."""
    from rich.console import Console
    from rich.progress import Progress

    from eddy.training.data.nab import Corpus, load_folder
    from eddy.training.data.recording import Recording
    from eddy.training.evaluation.report.html import plain_json, write_report
    from eddy.training.evaluation.runs.lineup import entrants
    from eddy.training.evaluation.runs.nab import run_entrant

    chosen = with_thresholds(entrants(detector), threshold, threshold_param, false_alarms_per_week)
    corpus = Corpus(load_folder(data, labels))
    runs = []
    with Progress(console=Console(stderr=True), transient=True, disable=as_json) as bar:
        task = bar.add_task("", total=len(chosen))
        for i, entrant in enumerate(chosen):

            def notify(what: str, share: float, done: int = i) -> None:
                bar.update(task, description=what, completed=done + share)

            runs.append(run_entrant(entrant, corpus, out, notify, seed))
    runs.sort(key=lambda r: -r.result.shipped["standard"])
    rows = [asdict(r.result) | r.figures.to_json() | {"peak_mb": r.cost.peak_mb, "notes": r.notes} for r in runs]
    out.mkdir(parents=True, exist_ok=True)
    if report:
        recordings = [Recording.of_nab(series) for series in corpus.series]
        found = {r.result.detector: (r.runs, r.figures, r.cost) for r in runs}
        scores = {r.result.detector: asdict(r.result) for r in runs} if corpus.windows else None
        write_report(out, f"NAB: {data.resolve().name}", recordings, found, rows, scores, grace=0, quiet=1)
    else:
        (out / "results.json").write_text(plain_json(rows) + "\n")
    if as_json:
        print(plain_json(rows))
        return
    if corpus.windows:
        print_ranking([r.result for r in runs])
    for r in runs:
        for note in r.notes[:5]:
            Console(stderr=True).print(f"{r.result.detector}: {note}", soft_wrap=True, markup=False)
    Console().print(f"result files{' and report.html' if report else ''}: {out}", soft_wrap=True)


@evaluate.command()
def ucr(
    data: Path = typer.Option(..., help="folder of the archive's .txt files"),
    out: Path | None = typer.Option(None, help="folder for results.json and report.html"),
    detector: list[str] = typer.Option([], "--detector", help="repeatable [the shape baselines, and the default]"),
    seed: int = typer.Option(0, help="of the detectors that draw at random"),
    as_json: bool = typer.Option(False, "--json", help="print the figures as JSON"),
) -> None:
    """Locate the one anomaly of each UCR series; right within 100 points of its span."""
    from eddy.training.evaluation.report.html import write_report
    from eddy.training.evaluation.runs.lineup import entrants
    from eddy.training.evaluation.runs.ucr import MARGIN, USUAL, run_archive

    archive = run_archive(data, entrants(detector or USUAL), seed)
    answers = [asdict(r) for r in archive.located]
    if out is not None:
        found = {r.detector: (r.runs, r.figures, r.cost) for r in archive.runs}
        rows = [r.to_json() | {"located": [a for a in answers if a["detector"] == r.detector]} for r in archive.runs]
        title = f"UCR anomaly archive, as if by the minute: {data.resolve().name}"
        write_report(out, title, archive.recordings, found, rows, grace=MARGIN)
    if as_json:
        print(json.dumps(answers, indent=2))
        return
    print_located(archive.located)
