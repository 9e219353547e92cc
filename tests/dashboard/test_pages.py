"""Check the dashboard's pages in a real browser with real Redis and Kafka."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from eddy.feedback import Feedback
from eddy.training.registry.registry import Registry
from tests.dashboard.browser import Browser
from tests.dashboard.conftest import Site
from tests.dashboard.messages import alert
from tests.dashboard.world import EPOCH, MINUTE, NASTY, WORSE, point
from tests.integration.harness import read
from tests.training.test_registry import model

pytestmark = pytest.mark.stack

Shots = Callable[[str], Path]
MANY = 10_000
PLOTTED = (
    "return document.querySelector('#series-graph .js-plotly-plot')._fullData.find((t) => t.name === 'value').x.length"
)


@pytest.fixture(scope="module", autouse=True)
def _filled(site: Site) -> None:
    """Ten thousand series, some with a story."""
    world = site.world
    # as Redis had it a moment ago: the writer's own pace is not what these tests are about
    names = [f"pump-{k:05d}" for k in range(MANY - 4)]
    world.job(live=[point(name, 10, score=0.5 + k % 7 / 10) for k, name in enumerate(names)])
    story = [point("wave", k, "ok") for k in range(600) if not 300 <= k < 304]
    story = [p._replace(imputed=4) if 304 <= (p.ts - EPOCH) // MINUTE < 340 else p for p in story]
    story = [
        p._replace(score=7.0, state="anomalous", values={"value": 170.0})
        if 450 <= (p.ts - EPOCH) // MINUTE < 460
        else p
        for p in story
    ]
    features = ("power", "voltage", "current")
    home = [point("home-1", k, features=features) for k in range(300)]
    nasty = [point(name, k) for name in (NASTY, WORSE) for k in range(20)]
    incidents = [
        alert("wave", "open", 90, start=EPOCH + 450 * MINUTE, end=EPOCH + 459 * MINUTE, model=MODEL, points=10),
        alert(NASTY, "open", 60, start=EPOCH, end=EPOCH + MINUTE, model=MODEL),
        alert("pump-00007", "closed", 30, start=EPOCH, end=EPOCH + MINUTE, model=MODEL),
    ]
    world.job(incidents, [home[-1], story[-1]._replace(state="open"), *nasty[19::20]], [*story, *home, *nasty])
    for k in range(600):
        world.observe("wave", EPOCH + (k - 600) * MINUTE, value=100.0)  # what Redis has forgotten and Kafka has not
    late = json.dumps({"series": "wave", "ts": EPOCH + 200 * MINUTE, "value": 60.0}).encode()
    world.dead_letter("wave", late, "late", "600 s behind the newest")
    for ago_ms, records in ((10_000, 300), (0, 750)):
        for subtask in (0, 1):
            world.source(subtask, ago_ms, records, {"no-field": 70, "bad-time": 1})
    world.dead_letter(NASTY, b"<img src=x onerror=alert(3)>", "not-json", "expected a JSON object")
    world.flush()
    registry = Registry(world.settings)
    for window in (10, 20):
        registry.publish(*model("waves", window))


MODEL = {"name": "waves", "version": 1, "sha256": "ab" * 32}


def incident_of(series: str) -> str:
    start = EPOCH + 450 * MINUTE if series == "wave" else EPOCH
    return alert(series, start=start).id


def test_overview_shows_counts_and_open_incidents(browser: Browser, site: Site, shots: Shots) -> None:
    browser.open("/")
    browser.sees(f"{MANY:,}", "#tiles")
    browser.sees("wave", "#open-incidents")
    browser.sees(NASTY, "#open-incidents")
    browser.sees("not started", "#tiles")  # Flink answers, and has no job of this name
    browser.sees("waves", "#models-in-use")
    browser.drawn("alerts-graph")
    assert "Redis" in browser.text("#sources")
    assert browser.text("#away") == ""
    browser.shot(shots("overview"))


def test_new_incident_appears_at_once_without_redrawing_the_rest(browser: Browser, site: Site) -> None:
    browser.open("/")
    browser.sees("wave", "#open-incidents")
    browser.script("window.before = document.querySelector('#open-incidents tbody tr td .sev'); window.stayed = true")
    fresh = alert("newcomer", "open", 55, start=EPOCH, model=MODEL)
    site.world.job([fresh], [point("newcomer", 5, "open")])
    browser.sees("newcomer", "#open-incidents")
    assert browser.script("return window.stayed && window.before.isConnected")  # neither page nor list was put up anew
    site.world.job([replace(fresh, state="closed", end=fresh.end + 1)])
    browser.until(lambda: "newcomer" not in browser.text("#open-incidents"), "it closes")
    site.world.redis.delete(f"{site.settings.redis.prefix}:series:newcomer")
    site.world.redis.zrem(f"{site.settings.redis.prefix}:live", "newcomer")


def test_series_page_draws_every_kind_of_mark(browser: Browser, shots: Shots) -> None:
    browser.open("/series/wave")
    browser.drawn("series-graph")
    names = "return document.querySelector('#series-graph .js-plotly-plot')._fullData.map((t) => t.name)"
    wanted = {"value", "band", "expected", "score", "threshold", "above the threshold", "filled in", "late, not scored"}
    browser.until(lambda: wanted <= set(browser.script(names)), "all marks")
    shades = "return document.querySelector('#series-graph .js-plotly-plot')._fullLayout.shapes.length"
    assert browser.script(shades) == 1
    # history from Kafka, before what Redis still has
    browser.until(lambda: browser.axis("series-graph")[0] < EPOCH - 500 * MINUTE, "history")
    browser.sees("waves", "#series-facts")
    browser.sees("critical", "#series-incidents")
    browser.shot(shots("series"))


def test_zoom_survives_new_data_and_is_part_of_the_link(browser: Browser, site: Site) -> None:
    browser.open("/series/wave?window=all")
    browser.drawn("series-graph")
    browser.until(lambda: browser.axis("series-graph")[0] < EPOCH - 500 * MINUTE, "history")
    zoom(browser, 0.4, 0.6)
    zoomed = browser.axis("series-graph")
    count = browser.script(PLOTTED)
    browser.press("all", "#series-windows .chip")
    browser.until(lambda: "from=" not in browser.driver.current_url, "the window button ends the zoom")
    browser.until(lambda: browser.axis("series-graph")[0] < zoomed[0] - MINUTE, "all of it is seen again")
    assert browser.axis("series-graph")[1] > zoomed[1] + MINUTE
    zoom(browser, 0.4, 0.6)
    zoomed = browser.axis("series-graph")
    newest = "return document.querySelector('#series-facts b').innerText"
    before = browser.text("#series-facts")
    site.world.job([], [point("wave", 601, "open")], [point("wave", 600), point("wave", 601)])
    browser.until(lambda: browser.text("#series-facts") != before, "the newest point")
    assert browser.script(newest)
    assert browser.axis("series-graph") == pytest.approx(zoomed, abs=1000)
    assert count > 10

    link = browser.driver.current_url
    browser.driver.get("about:blank")
    browser.driver.get(link)
    browser.drawn("series-graph")
    assert browser.axis("series-graph") == pytest.approx(zoomed, abs=1000)


def zoom(browser: Browser, first: float, last: float) -> None:
    """Zoom in, as a user would: once more where a figure that was just being drawn took the mouse away."""
    attempts = 5
    for attempt in range(attempts):
        drag(browser, first, last)
        with contextlib.suppress(AssertionError) if attempt < attempts - 1 else contextlib.nullcontext():
            browser.until(lambda: "from=" in browser.driver.current_url, "the address holds the zoom", 10)
            return


def drag(browser: Browser, first: float, last: float) -> None:
    """Draw a box over a share of the figure's width, as a mouse does."""
    script = (
        "const r = document.querySelector('#series-graph .nsewdrag').getBoundingClientRect();"
        "return [r.left, r.top, r.width, r.height]"
    )
    left, top, width, height = browser.script(script)
    y = top + height / 2
    places = [
        ("mousePressed", first),
        ("mouseMoved", (first + last) / 2),
        ("mouseMoved", last),
        ("mouseReleased", last),
    ]
    for kind, share in places:
        mouse = {"type": kind, "x": left + share * width, "y": y, "button": "left", "clickCount": 1}
        browser.driver.execute_cdp_cmd(
            "Input.dispatchMouseEvent", {**mouse, "buttons": 1 if kind != "mouseReleased" else 0}
        )


def test_series_page_shows_all_features(browser: Browser, shots: Shots) -> None:
    browser.open("/series/home-1")
    browser.drawn("series-graph")
    rows = (
        "return Object.keys(document.querySelector('#series-graph .js-plotly-plot')._fullLayout)"
        ".filter((k) => /^yaxis/.test(k))"
    )
    assert len(browser.script(rows)) == 4  # three features and the score
    for feature in ("power", "voltage", "current"):
        browser.sees(feature, "#series-facts")
    browser.shot(shots("features"))


def test_pages_of_a_counter_say_that_its_increase_is_scored(browser: Browser, site: Site, shots: Shots) -> None:
    points = [point("bytes_total", k)._replace(increases=("value",)) for k in range(200)]
    raised = alert("bytes_total", "closed", 70, start=EPOCH + 150 * MINUTE, model=MODEL, increases=("value",))
    site.world.job([raised], [points[-1]], points)
    title = "return document.querySelector('#{} .js-plotly-plot')._fullLayout.yaxis.title.text"
    browser.open("/series/bytes_total")
    browser.drawn("series-graph")
    browser.sees("counter: the increase is scored", "#series-judges")
    browser.sees("increase of value", "#series-facts")
    assert browser.script(title.format("series-graph")) == "increase of value"
    browser.shot(shots("counter"))
    browser.open(f"/incident/{raised.id}")
    browser.drawn("incident-graph")
    browser.sees("Increase of value 12, expected 2 to 6.", "#incident-why")
    browser.sees("increase of value", "#incident-why table")
    browser.sees("increase of value", "#incident-neighbours")
    assert browser.script(title.format("incident-graph")) == "increase of value"
    browser.shot(shots("counter-incident"))
    browser.open("/series/wave")
    browser.drawn("series-graph")
    assert browser.script(title.format("series-graph")) == ""
    assert "increase" not in browser.text()
    site.world.redis.delete(f"{site.settings.redis.prefix}:series:bytes_total")
    site.world.redis.zrem(f"{site.settings.redis.prefix}:live", "bytes_total")


def test_interval_that_does_not_fit_is_shown_with_the_model_and_its_series(
    browser: Browser, site: Site, shots: Shots
) -> None:
    current = Registry(site.settings).read().current["waves"]
    reason = "series 'wave' has a point every 60 s, the model expects one every 600 s"
    site.world.event(event="interval-mismatch", model="waves", version=current.version - 1, reason="an earlier version")
    site.world.event(event="interval-mismatch", model="waves", version=current.version, reason=reason)
    site.world.flush()
    browser.open("/models")
    browser.sees(f"{reason}. Train with the interval of the series.", "#model-list dl")
    assert "an earlier version" not in browser.text("#model-list")
    browser.shot(shots("other-interval"))
    browser.open("/series/wave")
    browser.sees(reason, "#series-facts")


def test_acknowledging_an_incident_writes_feedback_to_kafka(browser: Browser, site: Site, shots: Shots) -> None:
    number = incident_of("wave")
    browser.open(f"/incident/{number}")
    browser.drawn("incident-graph")
    browser.sees("times the threshold", "#incident-why")
    browser.sees("before", "#incident-neighbours")
    browser.sees("after", "#incident-neighbours")
    browser.shot(shots("incident"))
    browser.press("Acknowledge", ".actions button")
    browser.sees("acknowledged by page", "#incident-verdict")  # by way of Kafka, not of this browser's memory
    browser.all("#label")[0].send_keys("sensor-fault")  # which it can only where it is to be seen
    browser.press("Label", ".actions .joined button")
    browser.sees("labelled sensor-fault", "#incident-verdict")
    said = [Feedback.from_json(record.value) for record in read(site.settings, "feedback")]
    assert [(f.id, f.series, f.model, f.action, f.label) for f in said] == [
        (number, "wave", "waves", "ack", None),
        (number, "wave", "waves", "label", "sensor-fault"),
    ]
    browser.open("/incidents?state=attention")
    browser.sees(NASTY, "#incident-table")
    assert "wave" not in browser.text("#incident-table")


@pytest.mark.parametrize("name", [NASTY, WORSE])
def test_series_names_are_shown_as_text_everywhere(browser: Browser, name: str) -> None:
    start = alert(name, start=EPOCH).id
    places = ["/", f"/series?q={quote(name)}", f"/series/{quote(name, safe='')}", f"/incident/{start}", "/dead-letters"]
    for path in places[: 5 if name == NASTY else 3]:
        browser.open(path)
        if path != "/" or name == NASTY:
            browser.sees(name.split("/", maxsplit=1)[0] if path == "/dead-letters" else name)
        if path.startswith("/series/"):
            browser.drawn("series-graph")
        assert (
            browser.script("return document.querySelectorAll('#page script, #page img, .js-plotly-plot img').length")
            == 0
        )
    browser.open(f"/series?q={quote(name)}")
    browser.press(name, "#series-table a.name")
    browser.sees(name, "h1")
    browser.sees("waves", "#series-facts")


def test_ten_thousand_series_can_be_searched_filtered_sorted_and_paged(browser: Browser, shots: Shots) -> None:
    browser.open("/series")
    browser.sees(f"1–50 of {MANY:,}", "#series-pages")
    browser.press("Next", "#series-pages button")
    browser.sees(f"51–100 of {MANY:,}", "#series-pages")
    browser.press("Series", "#series-table th button")
    browser.sees(f"1–50 of {MANY:,}", "#series-pages")
    assert browser.script("return document.getElementById('search').getBoundingClientRect().width") > 200
    browser.script("document.activeElement.blur()")
    browser.driver.switch_to.active_element.send_keys("/")
    browser.driver.switch_to.active_element.send_keys("PUMP-0123")
    browser.sees("1–10 of 10", "#series-pages")
    assert "q=PUMP-0123" in browser.driver.current_url
    names = browser.script("return [...document.querySelectorAll('#series-table .name')].map((e) => e.innerText)")
    assert names == [f"pump-0123{k}" for k in range(10)]
    browser.shot(shots("search"))
    browser.open("/series?state=open")
    browser.sees("of 1", "#series-pages")
    browser.sees("wave", "#series-table")


def test_model_can_be_rolled_back(browser: Browser, site: Site, shots: Shots) -> None:
    browser.open("/models")
    browser.sees("version 2 in use", "#model-list")
    browser.shot(shots("models"))
    browser.press("Roll back to this", "#model-list button")
    browser.sees("Bring back version 1 of waves?", "dialog")
    browser.press("Go on", "dialog button")
    browser.sees("version 3 in use", "#model-list")
    assert Registry(site.settings).read().current["waves"].metrics["rollback_to"] == 1


def test_dead_letters_are_shown_and_replayed(browser: Browser, site: Site, shots: Shots) -> None:
    browser.open("/dead-letters")
    browser.sees("late: 1", "#letter-reasons")
    browser.sees("not-json: 1", "#letter-reasons")
    browser.sees("expected a JSON object", "#letter-reasons")
    browser.shot(shots("dead-letters"))
    before = len(read(site.settings, "observations"))
    browser.press("Replay these", "#letter-reasons button")
    browser.press("Go on", "dialog button")
    browser.sees("sent 1 dead letters again", ".toast")
    sent = read(site.settings, "observations")
    assert len(sent) == before + 1


def test_sources_show_what_comes_in_and_what_is_dead(browser: Browser, site: Site, shots: Shots) -> None:
    browser.open("/sources")
    browser.sees("input.0", "#sources-table")
    browser.sees("plant.telemetry, plant.eu", "#sources-table")
    browser.sees("1,500", "#sources-table")
    browser.sees("no-field 140, bad-time 2", "#sources-table")
    browser.sees("mostly dead: letters are counted, not written", "#sources-table")
    browser.shot(shots("sources"))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_fits_in_either_theme(browser: Browser, shots: Shots, width: int, theme: str) -> None:
    browser.size(width, 800)
    pages = [
        "/",
        "/series",
        "/series/wave",
        "/incidents",
        f"/incident/{incident_of('wave')}",
        "/models",
        "/sources",
        "/dead-letters",
    ]
    ready = ["#tiles .tile", "#series-table tr", "#series-facts dt", "#incident-table tr", "#incident-why p",
        "#model-list section", "#sources-table tr", "#letter-reasons section"]  # fmt: skip
    for path, selector in zip(pages, ready, strict=True):
        browser.open(path)
        browser.until(partial(browser.all, selector), selector)
        if browser.script("return document.documentElement.dataset.theme") != theme:
            browser.press("◐", "#theme")
        for graph in ("series-graph", "incident-graph", "rate-graph"):
            if browser.all(f"#{graph}"):
                browser.drawn(graph)
        wide = browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is {wide} px too wide"
        name = path.strip("/").split("/")[0] or "overview"
        kind = "-of-one" if path.count("/") > 1 else ""
        browser.shot(shots(f"{width}-{theme}-{name}{kind}"))
    assert browser.script("return document.documentElement.dataset.theme") == theme


def test_keyboard_reaches_every_control(browser: Browser) -> None:
    browser.open("/series")
    browser.sees("pump-", "#series-table")
    reached = "return document.activeElement.innerText || document.activeElement.id"
    seen = []
    for _ in range(40):
        browser.driver.switch_to.active_element.send_keys("\ue004")  # Tab
        seen.append(browser.script(reached))
        if "pump-" in seen[-1]:
            break
    for wanted in ("To the content", "Overview", "Dead letters", "◐", "search", "open 1"):
        assert wanted in seen, f"{wanted} not among {seen}"
    outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    browser.driver.switch_to.active_element.send_keys("\ue007")  # Enter follows the link
    browser.sees("judged by", "#series-judges")


def test_unknown_addresses_say_that_nothing_is_there(browser: Browser) -> None:
    browser.open("/nothing/here")
    browser.sees("There is no such page")
    browser.open("/incident/0000000000000000")
    browser.sees("No incident of this id is known")
    browser.open("/series/never-seen")
    browser.sees("Nothing is known of a series of this name")


def test_layout_does_not_move_while_data_load(browser: Browser) -> None:
    """Nothing moves under the cursor while data arrive."""
    browser.open("/series/wave")
    browser.drawn("series-graph")
    places = (
        "return ['#series-graph', '#series-facts'].map((s) => document.querySelector(s).getBoundingClientRect().top)"
    )
    before = browser.script(places)
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        assert browser.script(places) == before
