"""The pictures of docs/dashboard.md, of a page that shows a real job.

``./run demo --speed 5000``, slow enough for every point to reach the page, and after two minutes of it, beside it,
``.venv/bin/python -m tests.dashboard.pictures http://127.0.0.1:8050``
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from eddy.stack.paths import ROOT
from tests.dashboard.browser import Browser

FOLDER = ROOT / "docs" / "pictures"


def themed(browser: Browser, path: str, theme: str, *graphs: str) -> None:
    """Open a page in a theme and wait until its figures are drawn."""
    browser.open(path)
    browser.until(lambda: browser.all("#theme"), "the page")
    if browser.script("return document.documentElement.dataset.theme") != theme:
        browser.press("◐", "#theme")
    for graph in graphs:
        browser.drawn(graph)


def take(url: str, folder: Path, series: str) -> list[Path]:
    """Take them; the incident is the first that the page lists of a series whose name begins so.

    Returns:
        The files written.
    """
    written: list[Path] = []

    def shot(browser: Browser, name: str) -> None:
        written.append(folder / f"{name}.png")
        browser.script("document.documentElement.style.overflow = 'hidden'")  # no scrollbar in a picture
        browser.shot(written[-1])

    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(Path(profile), url)
        try:
            for theme, name in (("dark", "overview"), ("light", "overview-light")):
                themed(browser, "/", theme, "rate-graph", "alerts-graph")
                shot(browser, name)
            themed(browser, f"/incidents?q={series}", "light")
            find = "return [...document.querySelectorAll('a[href^=\"/incident/\"]')].map((a) => [a.href, a.innerText])"
            rows = browser.until(lambda: [r for r in browser.script(find) if series in r[1]], f"incidents of {series}")
            incident = rows[0][0].removeprefix(url)
            themed(browser, incident, "light", "incident-graph")
            shot(browser, "incident")
            find = "return [...document.querySelectorAll('a[href^=\"/series/\"]')].map((a) => a.href)"
            own = browser.until(lambda: browser.script(find), "the incident's series")[0].removeprefix(url)
            themed(browser, f"{own}?window=7d", "dark", "series-graph")
            shot(browser, "series")
        finally:
            browser.close()
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8050", help="where the page is")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--series", default="taxi-", help="how the name of the series to show begins")
    options = parser.parse_args()
    for file in take(options.url, options.folder, options.series):
        print(file)


if __name__ == "__main__":
    main()
