"""List the detectors that are ranked against each other, each with the parameters it ships with."""

from __future__ import annotations

from collections.abc import Sequence

from eddy.errors import SettingsError
from eddy.models.catalog import DETECTORS
from eddy.training.evaluation.runs.entrant import Entrant, EveryN, Noise

_SHORT_TRAINING = {"epochs": 10, "windows_per_epoch": 1000}  # affordable for a study of networks of these sizes

LINEUP: tuple[Entrant, ...] = (
    Entrant("auto", "auto"),
    Entrant("novelty", "novelty"),
    Entrant("value-novelty", "novelty", {"members": "value"}),
    Entrant("rarity", "novelty", {"members": "rarity"}),
    Entrant("same-phase", "novelty", {"members": "season"}),
    Entrant("seasonal-naive", "seasonal-naive"),
    Entrant("same-phase-neighbours", "same-phase-neighbours"),
    Entrant("left-discord", "left-discord", by_day=True),
    Entrant("ensemble", "ensemble", note="mean of left-discord and same-phase-neighbours"),
    Entrant("zscore", "zscore", window=100),
    Entrant("consistency", "consistency", note="meant for several features that belong together"),
    Entrant("isolation-forest", "isolation-forest", window=96, random=True),
    Entrant("dmd", "dmd", window=97, note="96 delays"),
    Entrant("lstm-autoencoder", "lstm-autoencoder", window=48, clocked=True, random=True),
    Entrant("lstm-repeat-vector", "lstm-repeat-vector", window=48, random=True),
    Entrant(
        "lstm-repeat-vector-stacked",
        "lstm-repeat-vector",
        {"units": "128,64", **_SHORT_TRAINING},
        window=48,
        random=True,
        note="128-64-64-128",
    ),
    Entrant("lstm-encdec", "lstm-encdec", window=48, random=True, note="one error vector per window"),
    Entrant(
        "lstm-encdec-point",
        "lstm-encdec",
        {"errors": "point", "judged": 4},
        window=48,
        random=True,
        note="an error vector per point, as in the paper; the newest four count",
    ),
    EveryN("every-300-rows", "", note="baseline: ignores the data"),
    Noise("uniform-noise", "", random=True, note="baseline: ignores the data"),
)

#: configurations for a kind of series, run only if they are named
NAMED: tuple[Entrant, ...] = (
    Entrant("dmd-static", "dmd", {"online": False}, window=97, note="96 delays, as fitted: learns nothing on"),
    Entrant(
        "isolation-forest-days",
        "isolation-forest",
        {"smooth": 96},
        window=200,
        clocked=True,
        random=True,
        note="for half-hours: mean score of the last two days",
    ),
    Entrant(
        "lstm-autoencoder-days",
        "lstm-autoencoder",
        {"smooth": 96},
        window=48,
        clocked=True,
        random=True,
        note="for half-hours: mean score of the last two days",
    ),
    Entrant(
        "lstm-repeat-vector-stacked-full",
        "lstm-repeat-vector",
        {"units": "128,64"},
        window=48,
        random=True,
        note="128-64-64-128, trained as long as the defaults say",
    ),
    Entrant(
        "lstm-encdec-weeks",
        "lstm-encdec",
        {"errors": "point", "step": 336, "judged": 96},
        window=336,
        random=True,
        note="for half-hours: weeks that do not overlap in training; the newest two days count",
    ),
    Entrant(
        "lstm-encdec-weeks-overlapping",
        "lstm-encdec",
        {"errors": "point", "judged": 96, "epochs": 10, "windows_per_epoch": 500},
        window=336,
        random=True,
        note="for half-hours: overlapping weeks; the newest two days count",
    ),
)

#: run on ``nyc_taxi`` fitted on nine weeks, which is enough for weekly forms to learn from
NINE_WEEKS: tuple[str, ...] = (
    "lstm-autoencoder-days",
    "lstm-autoencoder",
    "lstm-repeat-vector",
    "lstm-repeat-vector-stacked",
    "lstm-repeat-vector-stacked-full",
    "lstm-encdec",
    "lstm-encdec-weeks",
    "lstm-encdec-weeks-overlapping",
    "isolation-forest-days",
    "isolation-forest",
    "dmd",
    "ensemble",
    "left-discord",
    "same-phase-neighbours",
    "seasonal-naive",
    "novelty",
)


def entrants(names: Sequence[str]) -> list[Entrant]:
    """Return the named entrants, or all if none is named; any other registered detector enters with its defaults.

    Raises:
        SettingsError: a name is neither an entrant nor a detector.
    """
    known = {entrant.name: entrant for entrant in (*LINEUP, *NAMED)}
    for name in names:
        if name not in known and name not in DETECTORS:
            names = ", ".join(sorted({*known, *DETECTORS.names()}))
            raise SettingsError(f"detector {name!r} is unknown; known: {names}")
    return [known.get(name) or Entrant(name, name, window=100) for name in names] or list(LINEUP)


def describe(entrant: Entrant) -> str:
    """Describe an entrant's configuration in a line."""
    parts = [entrant.kind or entrant.name, f"window {entrant.window}"] if entrant.kind else []
    parts += [f"{name} {value}" for name, value in entrant.params.items()]
    parts += ["period of a day, at most 96 points"] if entrant.by_day else []
    parts += ["three seeds"] if entrant.random else []
    return ", ".join([*parts, *([entrant.note] if entrant.note else [])])
