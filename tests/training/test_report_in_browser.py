"""Check the report in a real browser: every part is drawn and every control works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eddy.training.evaluation.metrics.summary import figures
from eddy.training.evaluation.report.html import write_report
from eddy.training.evaluation.runs.entrant import Entrant
from eddy.training.evaluation.runs.lineup import entrants
from eddy.training.evaluation.runs.resources import Cost
from tests.dashboard.browser import Browser
from tests.training.test_report import made

pytestmark = pytest.mark.slow  # a real browser
SMALL = Entrant(
    "small-network", "lstm-repeat-vector", {"units": "4", "epochs": 3, "windows_per_epoch": 64}, window=24, random=True
)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    recordings = [made("first"), made("second")]
    runs = {e.name: [e.run(r) for r in recordings] for e in (*entrants(["novelty"]), SMALL)}
    results = {k: (v, figures(recordings, v), Cost(1.0, 2.0)) for k, v in runs.items()}
    write_report(tmp_path, "two series", recordings, results, [{"detector": k} for k in results])
    one = Browser(tmp_path / "profile", f"file://{tmp_path}/")
    yield one
    one.driver.quit()


def test_every_part_of_the_report_is_drawn_and_navigable(browser: Browser) -> None:
    browser.open("report.html")
    for part in ("#plot-series", "#plot-case", "#plot-sweep", "#plot-errors figure", "#plot-losses figure"):
        assert browser.all(f"{part} svg path"), part
    assert len(browser.all("#plot-errors figure")) == 2
    assert [f.text for f in browser.all("#plot-losses figcaption")] == [
        "small-network: loss", "small-network: validation_loss"
    ]  # fmt: skip
    bad = [e for e in browser.driver.get_log("browser") if e["level"] == "SEVERE"]
    assert not bad
    browser.script(
        "const s = document.getElementById('pick-series'); s.value = '1'; s.dispatchEvent(new Event('change'))"
    )
    assert browser.all("#plot-series svg[aria-label^='second']")
    assert browser.text("#case-count") == "1 of 2"  # each series has an event that nothing shows
    shown = browser.text("#case-text")
    browser.press("next →")
    assert browser.text("#case-count") == "2 of 2"
    assert browser.text("#case-text") != shown
    width = browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width == 0, "nothing is wider than the window"
    light = browser.script("return getComputedStyle(document.body).backgroundColor")
    browser.script("document.getElementById('theme').click()")
    assert browser.script("return getComputedStyle(document.body).backgroundColor") != light
