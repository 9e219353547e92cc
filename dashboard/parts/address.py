"""Read and write page addresses. An address holds a view's whole state, so a shared link shows others the same view."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

_LONGEST = 1000


@dataclass(frozen=True)
class Query:
    """Hold a page's name and its parameters.

    Attributes:
        page: name of the page (:attr:`eddy.dashboard.pages.base.Page.name`), or ``unknown``.
        subject: the series or incident.
        values: the parameters.
    """

    page: str
    subject: str
    values: Mapping[str, str]

    def text(self, name: str, default: str = "", among: tuple[str, ...] | None = None) -> str:
        """Return a parameter as text, or the default if it is missing or not among ``among``."""
        value = self.values.get(name, default)[:_LONGEST]
        return default if among is not None and value not in among else value

    def whole(self, name: str, default: int | None = None) -> int | None:
        """Return a parameter as a whole number, or the default if it is missing or no number."""
        try:
            value = float(self.values.get(name, ""))
        except ValueError:
            return default
        return int(value) if math.isfinite(value) and abs(value) < 1e15 else default

    @property
    def key(self) -> tuple[object, ...]:
        """Return a key that is equal for equal views."""
        return self.page, self.subject, tuple(sorted(self.values.items()))


def series_link(series: str, **values: object) -> str:
    """Return the address of a series' page."""
    return f"/series/{quote(series, safe='')}" + (f"?{urlencode(values)}" if values else "")


def incident_link(incident: str) -> str:
    """Return the address of an incident's page."""
    return f"/incident/{quote(incident, safe='')}"
