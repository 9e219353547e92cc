"""Write ``docs/results-outside.md``: every detector on every set, baselines and losses included."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from eddy.training.evaluation.outside.baselines import BASELINES
from eddy.training.evaluation.outside.run import SetOutcome

_BOARD = ("nab", "ucr-archive", "smap", "msl")  # sets on whose mean VUS-PR detectors are compared
_HEAD = """# Results on sets from outside

For readers of our figures: labelled public sets, by the protocol of [evaluation](evaluation.md). Every detector has the
settings and the limit that it ships with, the same for all series; of those that draw at random one seed was run. The
sets are for development: what was chosen by score on them is said in the decisions. Written by one command:

<!-- not run: the data sets are not in the repository -->
```bash
{command}
```
"""


def results_page(found: Sequence[SetOutcome]) -> str:
    """Return the Markdown; the first detector is the one that the others' differences are paired with."""
    detectors = list(dict.fromkeys(one.detector for one in found))
    sets = list(dict.fromkeys(one.data for one in found))
    known = {(one.detector, one.data): one for one in found}

    def row(name: str) -> list[SetOutcome]:
        return [known[name, data] for data in sets]

    def table(cell: Callable[[SetOutcome], str], figure: Callable[[SetOutcome], float], mean_of: Sequence[str]) -> str:
        means = {name: _mean([figure(one) for one in row(name) if one.data in mean_of]) for name in detectors}
        best = {data: _highest([figure(known[name, data]) for name in detectors]) for data in sets}
        return _table(
            ["detector", *sets, "mean" if len(mean_of) == len(sets) else f"mean of {', '.join(mean_of)}"],
            [
                [name, *(_bold(cell(one), figure(one) == best[one.data]) for one in row(name)), f"{means[name]:.3f}"]
                for name in sorted(detectors, key=lambda name: -means[name])
            ],
        )

    named = [name for name in detectors if name not in {one.name for one in BASELINES}]
    command = "eddy evaluate outside --data DIR --out CACHE --page docs/results-outside.md"
    series = ", ".join(f"{data} {len(known[detectors[0], data].series)}" for data in sets)
    parts = [
        _HEAD.format(command=" \\\n    ".join([command, *(f"--detector {name}" for name in named)])),
        f"Series: {series}. On a set of few series one event moves F1 by 0.03 to 0.07.",
        "## Strict F1, and false alerts per 1,000 normal rows",
        table(lambda one: f"{one.f1:.2f}, {one.false_per_thousand:.2f}", lambda one: one.f1, sets),
        f"### How sure: F1 less that of {detectors[0]}, 10th to 90th percentile",
        "Over 1,000 bootstrap draws of series, the same for both. Above 0: better on nine draws of ten.",
        _table(
            ["detector", *sets],
            [[name, *(_range(one.f1_beyond) for one in row(name))] for name in detectors[1:]],
        ),
        "## VUS-PR of the score that ranks every point",
        table(lambda one: f"{one.vus_pr:.3f}", lambda one: one.vus_pr, [s for s in sets if s in _BOARD] or sets),
        "## NAB's score, the UCR archive, speed",
        "NAB: standard profile, of 100. Placed: the highest score lies at the anomaly. Speed: values scored a second,"
        " fitting included, on one core of a shared machine; it moves by a factor of two from day to day.",
        _table(
            ["detector", "NAB", "UCR placed", "values/s"],
            [[name, _only([one.nab for one in row(name)], "{:.1f}"), _only([one.placed for one in row(name)], "{:.0%}"),
              f"{_mean([one.points_per_second for one in row(name)]):,.0f}"] for name in detectors],
        ),
    ]  # fmt: skip
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def _bold(text: str, chosen: bool) -> str:
    return f"**{text}**" if chosen else text


def _range(ends: tuple[float, float] | None) -> str:
    return f"{ends[0]:+.2f} to {ends[1]:+.2f}" if ends else "–"


def _only(figures: Sequence[float | None], form: str) -> str:
    """The figure of the one set that has it."""
    return next((form.format(one) for one in figures if one is not None), "–")


def _highest(figures: Sequence[float]) -> float:
    return max((figure for figure in figures if np.isfinite(figure)), default=float("nan"))


def _mean(figures: Sequence[float]) -> float:
    return float(np.nanmean(figures)) if np.isfinite(figures).any() else float("nan")
