"""Check that pages are found, Eddy's own and those of other packages, and that each is one class in one file."""

from __future__ import annotations

import json
from pathlib import Path

from dash import html

from eddy.dashboard.pages import catalog
from eddy.dashboard.pages.base import Page
from eddy.dashboard.pages.catalog import DASHBOARD_PAGES, navigation, pages, read_address
from tests.models.plugin_package import python, write_package

THEIRS = '''
from dash import html

from eddy.dashboard.pages.base import Page


class WeatherPage(Page):
    """What the weather does."""

    name = "weather"
    title = "Weather"
    address = "/weather"
    place = 15

    def skeleton(self, query):
        return html.Div([html.H1("Weather"), html.Div(id="weather-now")])

    def parts(self, snapshot, query, colours, points):
        return {"weather-now": {"children": "dry"}}


class Squatter(WeatherPage):
    name = "squatter"
    address = "/models"
'''
POINTS = """[eddy.dashboard_pages]
weather = weather_package:WeatherPage
squatter = weather_package:Squatter
broken = weather_package:Missing
"""


def test_addresses_lead_to_their_pages() -> None:
    found = {path: (q := read_address(path, {})) and (q.page, q.subject) for path in (
        "/", "/series", "/series/pump%207", "/incidents", "/incident/a-1", "/models", "/sources", "/dead-letters",
        "/models/x",
        "/no", "/incident", "/series/a/b",
    )}  # fmt: skip
    assert found == {
        "/": ("overview", ""),
        "/series": ("series-list", ""),
        "/series/pump%207": ("series", "pump 7"),
        "/incidents": ("incidents", ""),
        "/incident/a-1": ("incident", "a-1"),
        "/models": ("models", ""),
        "/sources": ("sources", ""),
        "/dead-letters": ("dead-letters", ""),
        "/models/x": ("unknown", ""),
        "/no": ("unknown", ""),
        "/incident": ("unknown", ""),
        "/series/a/b": ("series", "a/b"),
    }


def test_navigation_has_the_shipped_pages_in_order() -> None:
    entries = [(page.title, page.address) for _, page in navigation()]
    assert entries == [
        ("Overview", "/"),
        ("Series", "/series"),
        ("Incidents", "/incidents"),
        ("Models", "/models"),
        ("Sources", "/sources"),
        ("Dead letters", "/dead-letters"),
    ]
    assert {page.under for page in pages().values()} - {""} <= set(pages())


def test_page_of_another_package_is_found_and_a_broken_one_is_in_nobodys_way(tmp_path: Path) -> None:
    write_package(tmp_path, "weather_package", {"weather_package.py": THEIRS}, POINTS)
    code = (
        "import json, logging; logging.basicConfig()\n"
        "from eddy.dashboard.pages.catalog import navigation, pages, read_address\n"
        "page = pages()['weather']\n"
        "print(json.dumps([[p.title for _, p in navigation()], read_address('/weather', {}).page,\n"
        "                  page.parts(None, None, None, None), sorted(pages()), read_address('/models', {}).page]))"
    )
    done = python(tmp_path, "-c", code)
    titles, found, parts, names, models = json.loads(done.stdout)
    assert titles == ["Overview", "Weather", "Series", "Incidents", "Models", "Sources", "Dead letters"]
    assert (found, parts, models) == ("weather", {"weather-now": {"children": "dry"}}, "models")
    assert set(DASHBOARD_PAGES.shipped) < set(names)
    assert {"squatter", "broken"} & set(names) == set()
    assert "'squatter' is left out: page 'models' has its address /models" in done.stderr
    assert "'broken' of package weather_package 1.0 (weather_package:Missing) cannot be loaded" in done.stderr


def test_page_that_lacks_a_method_cannot_be_made() -> None:
    class Half(Page):
        name, title, address = "half", "Half", "/half"

        def skeleton(self, query):
            return html.Div()

    with DASHBOARD_PAGES.registered(Half):  # type: ignore[type-abstract]
        catalog.pages.cache_clear()
        assert "half" not in pages()
    catalog.pages.cache_clear()
