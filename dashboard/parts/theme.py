"""Define the charts' colours, as in ``assets/eddy.css``: safe for colour-blind eyes (Okabe and Ito, 2008)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FONT = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif'
THEMES = ("dark", "light")


@dataclass(frozen=True)
class Theme:
    """Hold one set of colours."""

    panel: str
    ink: str
    dim: str
    grid: str
    value: str
    band: str
    expected: str
    score: str
    threshold: str
    imputed: str
    late: str
    severity: Mapping[str, str]


DARK = Theme(
    panel="#161c23",
    ink="#e8ecf0",
    dim="#93a0ad",
    grid="#252e38",
    value="#6cb8ec",
    band="rgba(108,184,236,0.16)",
    expected="rgba(147,160,173,0.75)",
    score="#d9a3c4",
    threshold="#f08a4b",
    imputed="#4cc9a4",
    late="#f0e442",
    severity={"critical": "#f0703a", "high": "#edb13d", "medium": "#5aaee8", "low": "#8b98a5"},
)
LIGHT = Theme(
    panel="#ffffff",
    ink="#17212b",
    dim="#5a6876",
    grid="#e7eaee",
    value="#0069a8",
    band="rgba(0,105,168,0.13)",
    expected="rgba(90,104,118,0.75)",
    score="#a8518a",
    threshold="#c65200",
    imputed="#00805d",
    late="#8a6d00",
    severity={"critical": "#c94f00", "high": "#c78500", "medium": "#0072b2", "low": "#76838f"},
)


def theme(name: str) -> Theme:
    """Return a theme by name; an unknown name gives the dark one."""
    return LIGHT if name == "light" else DARK


def layout(colours: Theme, revision: str) -> dict[str, Any]:
    """Return the layout that all charts share.

    Args:
        colours: of the theme.
        revision: as long as it stays the same, zoom and pan stay where the viewer has put them.
    """
    return {
        "uirevision": revision,
        "autosize": True,
        "margin": {"l": 52, "r": 14, "t": 8, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": colours.dim},
        "showlegend": False,
        "hovermode": "x",
        "hoverlabel": {
            "bgcolor": colours.panel,
            "bordercolor": colours.grid,
            "font": {"family": FONT, "size": 12, "color": colours.ink},
        },
        "dragmode": "zoom",
    }


def axis(colours: Theme, **more: Any) -> dict[str, Any]:
    """Return an axis with quiet lines."""
    quiet = {"gridcolor": colours.grid, "linecolor": colours.grid, "zeroline": False, "tickcolor": colours.grid}
    return {**quiet, "automargin": False, "fixedrange": False, **more}
