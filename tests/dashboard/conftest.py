"""Serve the dashboard as ``eddy dashboard`` does, with data that the tests write."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from eddy.cli.commands.dashboard import actions_of
from eddy.dashboard.web.server import DashboardServer
from eddy.settings import Settings
from eddy.stack.local import Stack
from eddy.stack.ports import free_ports
from tests.conftest import make_unique
from tests.dashboard.browser import Browser
from tests.dashboard.world import World

REFRESH_MS = 200


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[DashboardServer]:
    """The page on a free port."""
    page = DashboardServer(settings, actions_of(settings))
    thread = threading.Thread(target=page.run, daemon=True)
    thread.start()
    try:
        yield page
    finally:
        page.close()
        thread.join(20)


def with_page(settings: Settings, **changes: object) -> Settings:
    """The same settings with a page of its own."""
    own = {"port": free_ports(1)[0], "refresh_ms": REFRESH_MS, **changes}
    return settings.model_copy(update={"dashboard": settings.dashboard.model_copy(update=own)})


@dataclass(frozen=True)
class Site:
    """A world, and the page that shows it."""

    world: World
    page: DashboardServer

    @property
    def settings(self) -> Settings:
        return self.world.settings


@pytest.fixture(scope="session")
def site(stack: Stack) -> Iterator[Site]:
    world = World(with_page(make_unique(stack)))
    with serving(world.settings) as page:
        yield Site(world, page)
    world.close()


@pytest.fixture(scope="session")
def window(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"), site.page.url)
    yield browser
    browser.close()


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """The window, back at its usual size; whatever a test did, the console has nothing to complain about."""
    window.size(1280, 800)
    window.complaints()
    yield window
    assert window.complaints() == []


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where pictures go: the folder PAGE_SCREENSHOTS, else a temporary one."""
    folder = Path(os.environ.get("PAGE_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return lambda name: folder / f"{name}.png"
