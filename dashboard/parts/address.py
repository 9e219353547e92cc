"""What the address of a page says: the whole state of a view, so that a link shows another person the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

_LONGEST = 1000


@dataclass(frozen=True)
class Query:
    """A page's path and parameters.

    Attributes:
        page: name of the page (:attr:`eddy.dashboard.pages.base.Page.name`), or ``unknown``.
        subject: the series or incident.
        values: the parameters.
    """

    page: str
    subject: str
    values: Mapping[str, str]

    def text(self, name: str, default: str = "", among: tuple[str, ...] | None = None) -> str:
        """A parameter; the default where it is none of ``among``."""
        value = self.values.get(name, default)[:_LONGEST]
        return default if among is not None and value not in among else value

    def whole(self, name: str, default: int | None = None) -> int | None:
        """A whole number; the default for anything else."""
        try:
            value = float(self.values.get(name, ""))
        except ValueError:
            return default
        return int(value) if math.isfinite(value) and abs(value) < 1e15 else default

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for equal views."""
        return self.page, self.subject, tuple(sorted(self.values.items()))


def series_link(series: str, **values: object) -> str:
    """The address of a series' page."""
    return f"/series/{quote(series, safe='')}" + (f"?{urlencode(values)}" if values else "")


def incident_link(incident: str) -> str:
    """The address of an incident's page."""
    return f"/incident/{quote(incident, safe='')}"
