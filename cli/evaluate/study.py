"""Evaluate all detectors over all local data, and write a page of results: ``eddy evaluate study``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from eddy.cli.evaluate.streams import (
    CLEAN_DAYS,
    FALSE_RATE,
    FRESH_SEEDS,
    MARKET_SEEDS,
    injected,
    market_results,
    power_recording,
)

if TYPE_CHECKING:
    from eddy.training.evaluation.result_cache import Cache


def register(group: typer.Typer) -> None:
    """Add the commands to ``eddy evaluate``."""
    group.command()(study)
    group.command()(first_row)


def study(
    data: Path = typer.Option(..., help="folder with nab/, power/ and ucr/; what is not there is left out"),
    out: Path = typer.Option(..., help="folder for the cache; an interrupted study goes on where it stopped"),
    page: Path | None = typer.Option(None, help="results to write [OUT/results.md]; the project's is docs/results.md"),
    detector: list[str] = typer.Option([], "--detector", help="repeatable; default: the whole line-up"),
    power_anomalies: int = typer.Option(30, help="injected per seed"),
    cached: bool = typer.Option(False, "--cached", help="write the results from the cache, run nothing"),
) -> None:
    """Run the line-up over NAB, household power, UCR and generated prices; write tables with seeds and spreads."""
    from rich.console import Console
    from rich.progress import Progress

    from eddy.training.data.nab import Corpus, load_folder
    from eddy.training.data.ucr import load_ucr
    from eddy.training.evaluation.result_cache import Cache
    from eddy.training.evaluation.runs.lineup import LINEUP, NAMED, NINE_WEEKS, describe, entrants
    from eddy.training.evaluation.study import study as parts
    from eddy.training.evaluation.study.cold_start import section_of, with_section
    from eddy.training.evaluation.study.results_document import page as results_page

    cache = Cache(out / "cache", read_only=cached)
    named = {entrant.name for entrant in NAMED}
    chosen = [entrant for entrant in entrants(detector) if entrant.name not in named]
    weekly = [name for name in NINE_WEEKS if not detector or name in detector]
    nab_folder, power_file, ucr_folder = data / "nab", data / "power", data / "ucr"
    rows: dict[str, list[dict[str, Any]]] = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def notify(what: str, share: float) -> None:
            bar.update(task, description=what)

        if nab_folder.is_dir():
            labels = nab_folder / "labels" / "combined_windows.json"
            corpus = Corpus(load_folder(nab_folder / "data", labels))
            rows["nab"] = parts.nab_study(cache, chosen, corpus, notify)
            rows["taxi"] = parts.nine_weeks_study(cache, entrants(weekly) if weekly else [], corpus, notify)
        if power_file.exists():
            recordings = injected(power_recording(power_file), FRESH_SEEDS, power_anomalies)
            rows["power"] = parts.stream_study(cache, "power", chosen, recordings, notify)
        files = sorted(ucr_folder.glob("*.txt"))
        rows["ucr"] = parts.ucr_study(cache, chosen, [load_ucr(path) for path in files], notify)
        rows["market"] = [row for seed in MARKET_SEEDS for row in _market(cache, seed)]
    command = f"eddy evaluate study --data {data} --out CACHE" + "".join(f" --detector {d}" for d in detector)
    skipped = [e.name for e in LINEUP if e.name not in {c.name for c in chosen}]
    setup = {e.name: describe(e) for e in (*chosen, *(entrants(weekly) if weekly else []))}
    text = results_page(command, rows, setup, [*skipped, *_counted(cache.missing)])
    target = page or out / "results.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = section_of(target.read_text(encoding="utf-8")) if target.exists() else ""
    target.write_text(with_section(text, kept), encoding="utf-8")
    (out / "study.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"written: {target}")


def first_row(
    data: Path = typer.Option(..., help="household_power_consumption.txt as UCI publishes it, or its folder"),
    page: Path | None = typer.Option(None, help="a page of results whose section is written anew [print it]"),
    detector: list[str] = typer.Option(["dmd", "dmd-static", "consistency"], "--detector", help="repeatable"),
    anomalies: int = typer.Option(30, min=1, help="injected per seed"),
) -> None:
    """Run household power from its first row: models that learn on beside one that stays as it was initialised."""
    from eddy.training.evaluation.runs.lineup import entrants
    from eddy.training.evaluation.study.cold_start import first_row_study, section, with_section

    recordings = injected(power_recording(data), FRESH_SEEDS, anomalies)
    rows = first_row_study(entrants(detector), recordings, lambda what, share: None)
    command = f"eddy evaluate first-row --data {data}" + (f" --page {page}" if page else "")
    text = section(command, rows, anomalies)
    if page is None:
        print(text)
        return
    known = page.read_text(encoding="utf-8") if page.exists() else ""
    page.write_text(with_section(known, text), encoding="utf-8")
    print(f"written: {page}")


def _counted(missing: Sequence[str]) -> list[str]:
    """List the entries that the cache lacks, as part and detector, with the number of runs."""
    counts = Counter(name.rpartition("-")[0].replace("-", ": ", 1) for name in missing)
    return [f"{name} ({n} run{'' if n == 1 else 's'})" for name, n in counts.items()]


def _market(cache: Cache, seed: int) -> list[dict[str, Any]]:
    from eddy.training.evaluation.code_digest import digest

    def make() -> dict[str, Any]:
        return market_results([seed])[0].to_json()

    code = digest(["eddy.training.evaluation.runs.market"], ["isolation-forest"])
    key = {"seed": seed, "clean_days": CLEAN_DAYS, "false_rate": FALSE_RATE, "code": code}
    return cache.rows(f"market-{seed}", key, make)
