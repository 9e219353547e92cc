"""Drive a real headless Chromium as a person would."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

WAIT_SECONDS = 60.0  # an action of a second on an idle machine takes many on a busy one
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class Browser:
    """Control one window."""

    def __init__(self, profile: Path, base: str) -> None:
        found = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
        assert all(found), "Chromium is missing: apt-get install chromium chromium-driver"
        options = Options()
        options.binary_location = str(found[0])
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(found[1])))
        self.base = base
        self.size(1280, 800)

    def size(self, width: int, height: int) -> None:
        """Set the size of the window, in CSS pixels; below 600 the dashboard uses its layout for phones."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, path: str) -> None:
        """Load a page as if its address were typed."""
        self.driver.get(self.base + path)

    def script(self, text: str, *arguments: Any) -> Any:
        """Run JavaScript."""
        return self.driver.execute_script(text, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """Find the elements that match a CSS selector now."""
        return list(self.driver.find_elements("css selector", selector))

    def text(self, selector: str = "body") -> str:
        """Return an element's text; empty if there is none. Read at once, since React may replace it in between."""
        found = self.script("const e = document.querySelector(arguments[0]); return e ? e.innerText : ''", selector)
        return str(found)

    def until(self, condition: Callable[[], Any], what: str = "", seconds: float = WAIT_SECONDS) -> Any:
        """Wait for a condition; return its value."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}; shown: {self.text()[:1500]}"
            time.sleep(0.05)
        return found

    def sees(self, text: str, selector: str = "body") -> None:
        """Wait until an element shows a text."""
        self.until(lambda: text in self.text(selector), f"{text!r} in {selector}")

    def press(self, text: str, selector: str = "button") -> None:
        """Click on the first button (or element of the selector) with this text, once it exists."""
        click = (
            "for (const e of document.querySelectorAll(arguments[0]))"
            " if (e.innerText.trim().startsWith(arguments[1]) && !e.disabled) { e.click(); return true }"
        )
        self.until(lambda: self.script(click, selector, text), f"{selector} {text!r}")

    def drawn(self, graph: str) -> None:
        """Wait until a figure has data."""
        has_data = (
            "const g = document.querySelector('#' + arguments[0] + ' .js-plotly-plot');"
            "return !!(g && g._fullData && g._fullData.some((t) => t.x && t.x.length > 1))"
        )
        self.until(lambda: self.script(has_data, graph), f"figure {graph}")

    def axis(self, graph: str, axis: str = "xaxis") -> list[float]:
        """Return the visible range of a figure's axis; time in epoch ms."""
        script = (
            "const p = document.querySelector('#' + arguments[0] + ' .js-plotly-plot')._fullLayout[arguments[1]];"
            "return p.range.map((v) => p.type === 'date' ? p.d2c(v) : v)"
        )
        return [float(v) for v in self.script(script, graph, axis)]

    def complaints(self) -> list[str]:
        """Return the console's warnings and errors since the last call."""
        return [f"{e['level']}: {e['message']}" for e in self.driver.get_log("browser") if e["level"] != "INFO"]

    def shot(self, path: Path) -> None:
        """Take a picture of the whole page."""
        width = int(self.script("return window.innerWidth"))
        height = int(self.script("return document.documentElement.scrollHeight"))
        before = int(self.script("return window.innerHeight"))
        self.size(width, min(height, 2400))
        self.driver.save_screenshot(str(path))
        self.size(width, before)

    def close(self) -> None:
        """Close the window."""
        self.driver.quit()
